"""HTTP routes as resources: those of an API, and those of a provider beyond inference."""

from durward.calls.errors import CallerError
from durward.calls.patterns import matches
from durward.calls.resource import Effect, Resource, Target
from durward.config.settings import Api, EffectOverride, Provider, Settings

METHOD_EFFECTS: dict[str, Effect] = {"GET": "read", "HEAD": "read", "OPTIONS": "read", "DELETE": "destructive"}


class Apis:
    """The HTTP APIs of one snapshot."""

    def __init__(self, settings: Settings) -> None:
        self._apis = {api.name: api for api in settings.apis}

    def named(self, name: str) -> Api:
        """The API of that name. Raises CallerError `not_found`."""
        api = self._apis.get(name)
        if api is None:
            raise CallerError(f"No API {name[:128]!r} is configured.", reason="not_found")
        return api


def api_resource(api: Api, method: str, path: str) -> Resource:
    """`api/<name>/<METHOD>/<path>`, its effect by the method unless the operator says otherwise."""
    effect = next((rule.effect for rule in api.effects if _covers(rule, method, path)), method_effect(method))
    return Resource(f"api/{api.name}/{method}/{path}", "request", effect, (Target(api.name),))


def provider_resource(provider: Provider, method: str, path: str) -> Resource:
    """`provider/<name>/<METHOD>/<path>`: every provider route that is not inference, count, embed or a model list.

    The path is the one behind the API version, so that `/v1/files`, `/v1beta/files` and `/p/<name>/files` are one resource.
    """
    return Resource(
        f"provider/{provider.name}/{method}/{path}", "request", method_effect(method), (Target(provider.name),)
    )


def method_effect(method: str) -> Effect:
    return METHOD_EFFECTS.get(method, "write")


def _covers(rule: EffectOverride, method: str, path: str) -> bool:
    return rule.method in ("*", method) and matches((rule.pattern.lstrip("/"),), path)
