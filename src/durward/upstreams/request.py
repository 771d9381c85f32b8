"""The request to a target: the same call, at the target's address, under the target's model name."""

from collections.abc import Awaitable, Callable

from durward.calls.errors import CallerError
from durward.calls.ports import Exchange
from durward.calls.record import Opening
from durward.calls.resource import Target
from durward.protocols.addresses import gemini_segments, join
from durward.protocols.arrival import Arrival
from durward.protocols.bodies import Asked
from durward.protocols.wire import ModelRequest
from durward.upstreams.endpoint import IDENTITY, Endpoint

Body = bytes | Callable[[], Awaitable[bytes]]
CODINGS = (b"accept-encoding", b"content-encoding")


class Outbound:
    """One call on its way up: what all its attempts send alike. `bytes_in` counts the body that the caller sent."""

    __slots__ = ("_arrival", "_asked", "_exchange", "_limit", "_lines", "_own", "bytes_in")

    def __init__(self, exchange: Exchange, arrival: Arrival, asked: Asked, opening: Opening) -> None:
        self._exchange = exchange
        self._arrival = arrival
        self._asked = asked
        self._limit = 0
        self.bytes_in = 0
        head = exchange.head
        self._lines = head.forward
        self._own = _trace_line(opening)
        if asked.request is not None:
            self._own += IDENTITY
            if b"cookie" in head.fields:
                self._lines = [line for line in head.forward if line[:7].lower() != b"cookie:"]
        else:
            self._own += self._codings(head.fields)

    def to(
        self, target: Target, endpoint: Endpoint, credential: bytes, ask_usage: bool, limit: int
    ) -> tuple[bytes, Body]:
        """Head and body for a target; a body that was not read comes as a function that yields it, up to `limit` bytes.

        Raises CallerError `too_large` at once where the declared length is over the limit.
        """
        if self._asked.request is not None:
            return self._to_model(self._asked.request, target, endpoint, credential, ask_usage)
        return self._to_http(endpoint, credential, limit)

    def _codings(self, fields: dict[bytes, bytes]) -> bytes:
        """Where the gate does not touch a body, its coding is the caller's and the upstream's affair."""
        names = CODINGS if self._asked.body is None else CODINGS[:1]
        return b"".join(b"%b: %b\r\n" % (name, fields[name]) for name in names if name in fields)

    def _to_model(
        self, request: ModelRequest, target: Target, endpoint: Endpoint, credential: bytes, ask_usage: bool
    ) -> tuple[bytes, Body]:
        """Members re-joined, the target's model name in place of the caller's."""
        arrival = self._arrival
        assert arrival.protocol is not None
        assert arrival.route is not None
        body = arrival.protocol.write(request, target.model, ask_usage)
        self.bytes_in = len(body)
        raw = arrival.address.path.raw
        if arrival.route.verb and target.model != arrival.route.model:
            raw = gemini_segments(target.model, arrival.route.verb)
        own = b"%b%bContent-Length: %d\r\n" % (credential, self._own, len(body))
        return endpoint.head(self._exchange.head.method, self._path(endpoint, raw), own, self._lines), body

    def _to_http(self, endpoint: Endpoint, credential: bytes, limit: int) -> tuple[bytes, Body]:
        """The path as it was sent behind the base URL's, the body as it comes."""
        head = self._exchange.head
        body: Body = self._chunk
        framing = b""
        if self._asked.body is not None:
            body = self._asked.body
            self.bytes_in = len(body)
            framing = b"Content-Length: %d\r\n" % len(body)
        elif head.length is None:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif head.length or b"content-length" in head.fields:
            framing = b"Content-Length: %d\r\n" % head.length
        if (head.length or 0) > limit:
            raise _too_large(limit)
        self._limit = limit
        path = self._path(endpoint, self._arrival.address.path.raw)
        return endpoint.head(
            head.method, path, credential + self._own + framing, self._lines
        ), b"" if head.length == 0 else body

    def _path(self, endpoint: Endpoint, raw: tuple[str, ...]) -> str:
        path = join(endpoint.base_path, self._arrival.address.version, raw)
        return f"{path}?{self._arrival.query.text}" if self._arrival.query.text else path

    @property
    def fields(self) -> dict[bytes, bytes]:
        """The caller's headers that the gate reads; a credential that is the caller's own is among them."""
        return self._exchange.head.fields

    async def _chunk(self) -> bytes:
        data = await self._exchange.chunk()
        self.bytes_in += len(data)
        if self.bytes_in > self._limit:
            raise _too_large(self._limit)
        return data


def _trace_line(opening: Opening) -> bytes:
    """The caller's trace goes on with our span: the last 16 hex digits of the call's id (W3C Trace Context §3.2)."""
    if not opening.parent:
        return b""
    return f"traceparent: 00-{opening.trace}-{opening.id[19:23]}{opening.id[24:]}-01\r\n".encode()


def _too_large(limit: int) -> CallerError:
    return CallerError(f"The body has more than {limit} bytes.", reason="too_large")
