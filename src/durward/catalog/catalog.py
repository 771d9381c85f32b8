"""Any call's resource: which catalog entry an arrival and its request name."""

from durward.calls.errors import CallerError
from durward.calls.resource import Resource, Target
from durward.catalog.http import Apis, api_resource, provider_resource
from durward.catalog.models import Models
from durward.config.settings import Provider, Settings
from durward.protocols.arrival import Arrival
from durward.protocols.wire import ModelRequest, Wire


class Catalog:
    """All that can be asked for in one snapshot."""

    def __init__(self, settings: Settings) -> None:
        self.models = Models(settings)
        self.apis = Apis(settings)

    def wire_of(self, provider: str) -> Wire | None:
        """The wire that a provider speaks; None for any, or where no such provider is configured."""
        found = self.models.providers.get(provider)
        return None if found is None or found.protocol == "demo" else found.protocol

    def resolve(self, arrival: Arrival, method: str, request: ModelRequest | None) -> Resource:
        """What is asked for. Raises CallerError `model_unknown`, `wrong_wire`, `not_found`."""
        path = "/".join(arrival.address.path.decoded)
        if arrival.address.door == "api":
            return api_resource(self.apis.named(arrival.address.upstream), method, path)
        route = arrival.route
        assert route is not None
        if arrival.address.door == "provider":
            provider = self.models.provider(arrival.address.upstream, route.wire)
            if request is not None:
                return self.models.resolve_at(provider, request.model, route.action)
            return provider_resource(provider, method, path)
        if request is None:
            return provider_resource(self._default(route.wire), method, path)
        return self.models.resolve(route.wire, request.model, route.action)

    def further(self, arrival: Arrival, resource: Resource, name: str) -> Resource:
        """A model with which the provider of `resource` may answer instead: policy judges it as if it had been asked for.

        Raises CallerError `model_unknown`, `wrong_wire`: whoever may not be named may not stand in either.
        """
        route = arrival.route
        assert route is not None
        upstreams = dict.fromkeys(target.upstream for target in resource.targets)
        targets = tuple(Target(upstream, name) for upstream in upstreams)
        if arrival.address.door == "provider":
            return Resource(f"model/{arrival.address.upstream}/{name}", resource.action, resource.effect, targets)
        named = self.models.resolve(route.wire, name, route.action)
        # The name goes up as it is; whatever it stands for here is judged as well.
        return Resource(named.name, resource.action, resource.effect, tuple(dict.fromkeys((*targets, *named.targets))))

    def _default(self, wire: str) -> Provider:
        provider = self.models.default(wire)
        if provider is None:
            raise CallerError(f"No provider of the {wire} wire is configured.", reason="not_found")
        return provider
