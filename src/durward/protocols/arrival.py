"""What a request's head says before its body is read: address, query, route, and who speaks for it when it is refused."""

from collections.abc import Callable

from durward.calls.ports import RequestHead
from durward.protocols.addresses import Address, Query, Route, read_path, read_query, read_route, split_target
from durward.protocols.speakers import PROTOCOLS, Speaker, speaker_of
from durward.protocols.wire import ModelProtocol, Wire


class Arrival:
    """A call as far as its head tells. `route` is None for the doors that no model wire serves."""

    __slots__ = ("address", "place", "protocol", "query", "route", "speaker")

    def __init__(
        self,
        address: Address,
        query: Query,
        route: Route | None,
        protocol: ModelProtocol | None,
        speaker: Speaker,
        place: str = "",
    ) -> None:
        self.address = address
        self.query = query
        self.route = route
        self.protocol = protocol
        """Reads the body; None unless the route is inference."""
        self.speaker = speaker
        self.place = place
        """Method, wire and request-target without the key: two arrivals at one place ask for the same, but for their bodies."""


def read_arrival(head: RequestHead, wire_of: Callable[[str], Wire | None]) -> Arrival:
    """Read a head. `wire_of` tells which wire a provider named in the address speaks (None: any, or unknown).

    Raises CallerError `bad_path`, `not_found`.
    """
    raw, raw_query = split_target(head.target)
    address = read_path(raw)
    if address.door not in ("model", "provider"):
        return Arrival(address, read_query(raw_query, False), None, None, speaker_of(None, ""))
    wire = address.wire if address.door == "model" else wire_of(address.upstream)
    route = read_route(head.method, address, wire, head.fields)
    query = read_query(raw_query, route.wire == "gemini")
    place = f"{head.method} {route.wire} {raw}?{query.text}"
    return Arrival(address, query, route, PROTOCOLS.get(route.protocol), speaker_of(route.wire, route.protocol), place)
