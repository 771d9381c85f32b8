"""Providers' own model lists, kept five minutes: they fill in what wildcards promise."""

import asyncio
from collections.abc import Awaitable, Callable

from durward.calls.errors import DurwardError
from durward.calls.ports import Clock
from durward.calls.resource import Resource
from durward.catalog.models import Models
from durward.config.settings import Provider
from durward.protocols.arrival import Arrival
from durward.protocols.wire import ModelListing, Wire

FRESH_SECONDS = 300.0
BOUND_SECONDS = 2.0
"""A provider that has not told its whole list by then counts as failed."""
RETRY_SECONDS = 10.0
"""After a failure the stale list serves, and the provider is asked again no sooner than this."""
NAMES_LIMIT = 5_000

Fetch = Callable[[Provider, Wire], Awaitable[list[str]]]


class Listings:
    """One list per provider and wire; a provider that fails or is slow keeps its last list, or shows none.

    `fetch` asks a provider; whoever has the network puts it in.
    """

    def __init__(self, clock: Clock, fetch: Fetch | None = None) -> None:
        self._clock = clock
        self.fetch = fetch
        self._kept: dict[tuple[str, Wire], tuple[float, list[str]]] = {}
        self._under_way: dict[tuple[str, Wire], asyncio.Future[list[str]]] = {}

    async def names(self, provider: Provider, wire: Wire) -> list[str]:
        """The provider's model names. Asked once however many callers wait; bounded by the deadlines of `fetch`."""
        key = (provider.name, wire)
        until, names = self._kept.get(key, (0.0, []))
        if key in self._kept and until > self._clock.monotonic():
            return names
        if key not in self._under_way:
            # A task of its own: the caller that happened to be first may hang up without spoiling it for the others.
            task = asyncio.ensure_future(self._refresh(provider, wire, names))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(self._under_way[key])

    async def _refresh(self, provider: Provider, wire: Wire, stale: list[str]) -> list[str]:
        try:
            async with asyncio.timeout(BOUND_SECONDS):
                names = (await self.fetch(provider, wire))[:NAMES_LIMIT] if self.fetch is not None else []
            keep = FRESH_SECONDS
        except (DurwardError, TimeoutError):
            names, keep = stale, RETRY_SECONDS
        self._kept[(provider.name, wire)] = (self._clock.monotonic() + keep, names)
        return names

    def known(self, provider: Provider, wire: Wire) -> list[str]:
        """The names kept so far, without asking."""
        return self._kept.get((provider.name, wire), (0.0, []))[1]


Shows = Callable[[Resource], bool]


async def visible(models: Models, listings: Listings, arrival: Arrival, shows: Shows) -> list[ModelListing]:
    """What a listing shows: exact names, then the providers' own for wildcards; under `/p/<provider>` that provider's own names.

    Cut to what `shows` lets through. Raises CallerError `not_found` for a provider that is not configured.
    """
    assert arrival.route is not None
    wire = arrival.route.wire
    if arrival.address.door == "provider":
        provider = models.provider(arrival.address.upstream, wire)
        names = await listings.names(provider, wire)
        return [ModelListing(name, provider.name) for name in names if shows(models.resolve_at(provider, name, "list"))]
    await asyncio.gather(*(listings.names(provider, wire) for provider in models.wildcard_providers(wire)))
    return _merged(models, listings, wire, shows)


def known_names(models: Models, listings: Listings, wire: Wire, shows: Shows) -> list[str]:
    """The names a listing would show, as far as they are known without asking any provider."""
    return [listing.name for listing in _merged(models, listings, wire, shows)]


def _merged(models: Models, listings: Listings, wire: Wire, shows: Shows) -> list[ModelListing]:
    found = {
        resource.name: ModelListing(resource.name.removeprefix("model/"), resource.targets[0].upstream)
        for resource in models.named(wire)
        if shows(resource)
    }
    for provider in models.wildcard_providers(wire):
        for name in listings.known(provider, wire):
            resource = _offered(models, provider, wire, name)
            if resource is not None and resource.name not in found and shows(resource):
                found[resource.name] = ModelListing(name, provider.name)
    return list(found.values())


def _offered(models: Models, provider: Provider, wire: Wire, name: str) -> Resource | None:
    """The resource that a provider's own name resolves to, if it leads to that provider."""
    try:
        resource = models.resolve(wire, name, "list")
    except DurwardError:
        return None
    return resource if any(target.upstream == provider.name for target in resource.targets) else None
