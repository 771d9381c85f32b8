"""The one answer that the gate gives by itself: which models an agent may use."""

from collections.abc import Callable

from durward.calls.decision import Decision
from durward.calls.ports import Exchange, OnDisk, Upstreams
from durward.calls.principal import Principal
from durward.calls.resource import Action, Resource
from durward.catalog.listing import visible
from durward.catalog.models import unknown_model
from durward.config.settings import Provider
from durward.protocols.bodies import Asked
from durward.protocols.speakers import LISTINGS
from durward.protocols.wire import Wire
from durward.records.entry import Entry
from durward.snapshot import Known, Snapshot, suggesting
from durward.upstreams.lists import fetch_models

LISTED: tuple[Action, ...] = ("generate", "embed", "count")
"""A listing shows a model that the agent may use in any of these ways."""


class ListedModels:
    """Answers the listing routes of every wire."""

    __slots__ = ("_on_disk", "_upstreams")

    def __init__(self, upstreams: Upstreams, on_disk: OnDisk | None) -> None:
        self._upstreams = upstreams
        self._on_disk = on_disk

    async def answer(self, exchange: Exchange, known: Known, principal: Principal, entry: Entry) -> None:
        """What this agent may use, in the shape of the asking wire; it needs no rule of its own."""
        snapshot, arrival = known.snapshot, known.arrival
        route = arrival.route
        assert route is not None
        entry.decided(Resource(f"models/{route.model}", "list", "read"), Decision("allow", None))
        entry.open(None)
        if self._on_disk is not None:
            await self._on_disk(entry.opening.id)
        may = shows(snapshot, principal)
        shown = await visible(snapshot.catalog.models, snapshot.listings, arrival, may)
        listing = LISTINGS[route.wire]
        if route.kind == "listing":
            rendered = listing.write_models(shown)
        else:
            found = next((entry for entry in shown if entry.name == route.model), None)
            if found is None:
                raise suggesting(unknown_model(route.model), snapshot, arrival, Asked(), may)
            rendered = listing.write_model(found)
        entry.settle(rendered.status)
        if self._on_disk is not None:
            await self._on_disk(entry.opening.id)
        exchange.send(
            rendered.status, rendered.lines + b"Durward-Call: %b\r\n" % entry.opening.id.encode(), rendered.body
        )

    async def fetch(self, snapshot: Snapshot, provider: Provider, wire: Wire) -> list[str]:
        """The models that a provider itself lists."""
        way = snapshot.providers[provider.name]
        credential = way.presented.lines(way.endpoint.origin, {})
        return await fetch_models(self._upstreams, way.endpoint, wire, credential)


def shows(snapshot: Snapshot, principal: Principal) -> Callable[[Resource], bool]:
    """Whether this agent is shown a resource."""
    return lambda resource: snapshot.policy.lists(principal, resource, LISTED)
