"""Model names: exact, then the longest wildcard, then `<provider>/<model>`, each within the wire of the call."""

import difflib
from collections.abc import Iterable

from durward.calls.errors import CallerError
from durward.calls.patterns import matches
from durward.calls.resource import Action, Resource, Target
from durward.config.settings import Model, Provider, Settings

PATHS = {
    "openai": "/v1/chat/completions or /v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/<model>:generateContent",
}


def speaks(provider: Provider, wire: str) -> bool:
    """A `protocol: demo` provider belongs to every wire."""
    return provider.protocol in (wire, "demo")


class Models:
    """The model names of one snapshot."""

    def __init__(self, settings: Settings) -> None:
        self.providers = {provider.name: provider for provider in settings.providers}
        entries = settings.models or ()
        self._any_name = settings.models is None
        self._exact = {entry.name: entry for entry in entries if "*" not in entry.name}
        wildcards = [entry for entry in entries if "*" in entry.name]
        self._wildcards = sorted(wildcards, key=lambda entry: len(entry.name), reverse=True)

    def provider(self, name: str, wire: str) -> Provider:
        """The provider of that name. Raises CallerError `not_found` where there is none of this wire."""
        provider = self.providers.get(name)
        if provider is None or not speaks(provider, wire):
            raise CallerError(f"No provider {name[:128]!r} of the {wire} wire is configured.", reason="not_found")
        return provider

    def default(self, wire: str) -> Provider | None:
        """The provider of routes without a model: `default: true`, else the first of the wire."""
        speaking = [provider for provider in self.providers.values() if speaks(provider, wire)]
        return next((provider for provider in speaking if provider.default), speaking[0] if speaking else None)

    def resolve(self, wire: str, name: str, action: Action) -> Resource:
        """The resource `model/<name>` with its targets. Raises CallerError `wrong_wire`, `model_unknown`."""
        targets = self.candidates(name)
        spoken = tuple(target for target in targets if speaks(self.providers[target.upstream], wire))
        if not spoken and self._any_name and (provider := self.default(wire)):
            spoken = (Target(provider.name, name),)
        if spoken:
            return Resource(f"model/{name}", action, "read", spoken)
        if targets:
            raise self._wrong_wire(name, self.providers[targets[0].upstream].protocol)
        raise unknown_model(name)

    def resolve_at(self, provider: Provider, name: str, action: Action) -> Resource:
        """The resource of inference under `/p/<provider>`: `model/<provider>/<model>`."""
        return Resource(f"model/{provider.name}/{name}", action, "read", (Target(provider.name, name),))

    def named(self, wire: str) -> list[Resource]:
        """Every exact name of a wire."""
        found = [(entry.name, self._targets(entry, entry.name)) for entry in self._exact.values()]
        return [
            Resource(f"model/{name}", "list", "read", spoken)
            for name, targets in found
            if (spoken := tuple(target for target in targets if speaks(self.providers[target.upstream], wire)))
        ]

    def wildcard_providers(self, wire: str) -> list[Provider]:
        """The providers whose own lists a listing of this wire adds, for wildcards or where any name goes."""
        if self._any_name:
            return [provider] if (provider := self.default(wire)) else []
        names = {target.provider: None for entry in self._wildcards for target in entry.targets}
        return [self.providers[name] for name in names if speaks(self.providers[name], wire)]

    def candidates(self, name: str) -> tuple[Target, ...]:
        """Where a name leads, whatever wire that speaks; nothing where it is none, or any name goes."""
        entry = self._exact.get(name) or next(
            (entry for entry in self._wildcards if matches((entry.name,), name)), None
        )
        if entry is not None:
            return self._targets(entry, name)
        provider, slash, model = name.partition("/")
        if slash and model and provider in self.providers and not self._any_name:
            return (Target(provider, model),)
        return ()

    @staticmethod
    def _targets(entry: Model, name: str) -> tuple[Target, ...]:
        return tuple(Target(target.provider, target.model or name) for target in entry.targets)

    @staticmethod
    def _wrong_wire(name: str, wire: str) -> CallerError:
        return CallerError(
            f"The model {name[:128]!r} speaks the {wire} wire.",
            reason="wrong_wire",
            param="model",
            remedy=f"Call it at {PATHS[wire]} with the {wire} SDK.",
        )


def unknown_model(name: str) -> CallerError:
    """The refusal of a name that is not configured, or not for this agent."""
    return CallerError(f"There is no model {name[:128]!r} here.", reason="model_unknown", param="model")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """At most three of `known` that look like `name`."""
    return difflib.get_close_matches(name[:128], list(known)[:1_000], n=3, cutoff=0.4)
