"""The request to a target: the same call, at the target's address, under the target's model name."""

from collections.abc import Awaitable, Callable

from durward.calls.errors import CallerError
from durward.calls.ports import Exchange
from durward.calls.record import Opening
from durward.calls.resource import Target
from durward.protocols.addresses import gemini_segments, join
from durward.protocols.arrival import Arrival
from durward.protocols.wire import ModelRequest
from durward.upstreams.endpoint import IDENTITY, Endpoint

Body = bytes | Callable[[], Awaitable[bytes]]
CODINGS = (b"accept-encoding", b"content-encoding")


class Outbound:
    """One call on its way up: what all its attempts send alike. `bytes_in` counts the body that the caller sent."""

    __slots__ = ("_arrival", "_exchange", "_limit", "_lines", "_own", "_request", "bytes_in")

    def __init__(self, exchange: Exchange, arrival: Arrival, request: ModelRequest | None, opening: Opening) -> None:
        self._exchange = exchange
        self._arrival = arrival
        self._request = request
        self._limit = 0
        self.bytes_in = 0
        head = exchange.head
        self._lines = head.forward
        self._own = _trace_line(opening)
        if request is not None:
            self._own += IDENTITY
            if b"cookie" in head.fields:
                self._lines = [line for line in head.forward if line[:7].lower() != b"cookie:"]
        else:
            # The gate does not touch these bodies, so their codings are the caller's and the upstream's affair.
            self._own += b"".join(b"%b: %b\r\n" % (name, head.fields[name]) for name in CODINGS if name in head.fields)

    def to_model(self, target: Target, endpoint: Endpoint, credential: bytes, ask_usage: bool) -> tuple[bytes, Body]:
        """Head and body of a model call: members re-joined, the target's model name in place of the caller's."""
        arrival, request = self._arrival, self._request
        assert request is not None
        assert arrival.protocol is not None
        assert arrival.route is not None
        body = arrival.protocol.write(request, target.model, ask_usage)
        self.bytes_in = len(body)
        raw = arrival.address.path.raw
        if arrival.route.verb and target.model != arrival.route.model:
            raw = gemini_segments(target.model, arrival.route.verb)
        own = b"%b%bContent-Length: %d\r\n" % (credential, self._own, len(body))
        return endpoint.head(self._exchange.head.method, self._path(endpoint, raw), own, self._lines), body

    def to_http(self, endpoint: Endpoint, credential: bytes, limit: int) -> tuple[bytes, Body]:
        """Head and body of any other call: the path as it was sent behind the base URL's, the body as it comes, up to `limit` bytes.

        Raises CallerError `too_large` at once where the declared length is over the limit.
        """
        head = self._exchange.head
        framing = b""
        if head.length is None:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif head.length or b"content-length" in head.fields:
            framing = b"Content-Length: %d\r\n" % head.length
        if (head.length or 0) > limit:
            raise _too_large(limit)
        self._limit = limit
        line = endpoint.head(
            head.method, self._path(endpoint, self._arrival.address.path.raw), credential + self._own + framing, self._lines
        )
        return line, b"" if head.length == 0 else self._chunk

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
