"""The stages built from one configuration. A call keeps the snapshot it started with, so that none is judged by two."""

from collections.abc import Mapping
from typing import NamedTuple

from durward.calls.ports import Clock
from durward.calls.resource import Resource, Target
from durward.catalog.catalog import Catalog
from durward.catalog.ownership import Owners, Ownership
from durward.config.settings import Settings
from durward.credentials.presented import Presented
from durward.metering.prices import Prices
from durward.policy.rules import Policy
from durward.protocols.arrival import Arrival
from durward.protocols.bodies import OTHER_BODY_LIMIT
from durward.protocols.wire import ModelRequest
from durward.upstreams.endpoint import Endpoint, read_endpoint


class Way(NamedTuple):
    """The way to one upstream: where it is, what is presented there, and how its answers are read."""

    endpoint: Endpoint
    presented: Presented
    asks_usage: bool = False
    body_limit: int = OTHER_BODY_LIMIT


class Snapshot:
    """Catalog, policy, prices, ownership, and the way to every upstream."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], owners: Owners, clock: Clock) -> None:
        self.catalog = Catalog(settings)
        self.ownership = Ownership(settings, owners, clock)
        self.policy = Policy(settings.policies, settings.mode)
        self.prices = Prices(settings, clock)
        self.providers: dict[str, Way] = {}
        for provider in settings.providers:
            endpoint = read_endpoint(provider.name, provider.base_url, provider.timeouts)
            presented = Presented(provider.credential, endpoint.origin, environment)
            self.providers[provider.name] = Way(endpoint, presented, provider.stream_usage == "ask")
        self.apis: dict[str, Way] = {}
        for api in settings.apis:
            endpoint = read_endpoint(api.name, api.base_url, api.timeouts)
            presented = Presented(api.credential, endpoint.origin, environment)
            self.apis[api.name] = Way(endpoint, presented, body_limit=api.body_limit)

    def way(self, arrival: Arrival, target: Target) -> Way:
        """The way to a target of a call."""
        return (self.apis if arrival.address.door == "api" else self.providers)[target.upstream]

    def worst_case(self, resource: Resource, request: ModelRequest | None) -> int | None:
        """Nano-dollars that the dearest candidate can cost at most; None where no such bound can be computed."""
        if request is None:
            return None
        if resource.action == "count":
            return 0
        dearest = 0
        for target in resource.targets:
            price = self.prices.of(target.upstream, target.model, resource.name)
            output = 0 if resource.action == "embed" else request.max_output
            cost = price.worst_case(request.text_bytes, output) if price is not None and request.bounded else None
            if cost is None:
                return None
            dearest = max(dearest, cost)
        return dearest
