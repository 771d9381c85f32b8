"""The request to a target: the same call, at the target's address, under the target's model name."""

from collections.abc import Awaitable, Callable
from typing import Final

from durward.calls.errors import CallerError
from durward.calls.ports import Exchange, RequestHead
from durward.calls.record import Opening
from durward.calls.resource import Target
from durward.protocols.addresses import gemini_segments, join
from durward.protocols.arrival import Arrival
from durward.protocols.bodies import Asked
from durward.protocols.members import Body as JsonBody
from durward.upstreams.endpoint import IDENTITY, Endpoint

Body = bytes | Callable[[], Awaitable[bytes]]
NOTHING: Final = JsonBody({})


def request_line(endpoint: Endpoint, method: str, arrival: Arrival, target: Target) -> bytes:
    """The request line and `Host` of a call at this target: its path as it was sent, behind the base URL's."""
    raw = arrival.address.path.raw
    route = arrival.route
    if route is not None and route.verb and target.model != route.model:
        raw = gemini_segments(target.model, route.verb)
    path = join(endpoint.base_path, arrival.address.version, raw)
    query = f"?{arrival.query.text}" if arrival.query.text else ""
    return b"%b %b%b HTTP/1.1\r\nHost: %b\r\n" % (method.encode(), path.encode(), query.encode(), endpoint.host)


def passed_lines(head: RequestHead, provider: bool) -> bytes:
    """The caller's header lines that go up, each ended by CRLF; cookies go to no provider."""
    lines = head.forward
    if provider and b"cookie" in head.fields:
        lines = [line for line in lines if line[:7].lower() != b"cookie:"]
    # The empty last piece ends the line before it.
    return b"\r\n".join([*lines, b""]) if lines else b""


def trace_line(opening: Opening) -> bytes:
    """The caller's trace goes on with our span: the last 16 hex digits of the call's id (W3C Trace Context §3.2)."""
    return f"traceparent: 00-{opening.trace}-{opening.id[19:23]}{opening.id[24:]}-01\r\n".encode()


class Outbound:
    """One call on its way up. `lines` are those of the caller's headers that pass on, each ended by CRLF.

    `bytes_in` counts the body that went up, `limit` bounds one that is passed on as it comes.
    """

    __slots__ = ("arrival", "asked", "bytes_in", "exchange", "limit", "lines")

    def __init__(self, exchange: Exchange, arrival: Arrival, asked: Asked, lines: bytes) -> None:
        self.exchange = exchange
        self.arrival = arrival
        self.asked = asked
        self.lines = lines
        self.limit = 0
        self.bytes_in = 0

    def let_go(self) -> None:
        """The answer has begun, so nothing is sent again: what was asked is held no longer."""
        request = self.asked.request
        if request is not None:
            request.body = NOTHING
        self.lines = b""
        self.exchange.let_go()

    def leave_out(self, name: bytes) -> None:
        """Keep back the caller's lines of a field that the credential stands in; servers may take `_` for `-`, so both spellings."""
        lines = self.lines.splitlines(keepends=True)
        self.lines = b"".join(line for line in lines if _plainly(line.partition(b":")[0]) != _plainly(name))

    def model_call(self, line: bytes, credential: bytes, model: str, ask_usage: bool) -> tuple[bytes, Body]:
        """Head and body of a model call: members re-joined, the target's model name in place of the caller's."""
        request, protocol = self.asked.request, self.arrival.protocol
        assert request is not None
        assert protocol is not None
        body = protocol.write(request, model, ask_usage and request.stream and not request.wants_usage)
        self.bytes_in = len(body)
        return b"%b%b%bContent-Length: %d\r\n%b\r\n" % (line, credential, IDENTITY, len(body), self.lines), body

    def other_call(self, line: bytes, credential: bytes, limit: int) -> tuple[bytes, Body]:
        """Head and body of any other call. A body that was not read comes as a function that yields it, up to `limit` bytes.

        Raises CallerError `too_large` at once where the declared length is over the limit.
        """
        head = self.exchange.head
        body: Body = self._chunk
        framing = b""
        if self.asked.body is not None:
            body = self.asked.body
            self.bytes_in = len(body)
            framing = b"Content-Length: %d\r\n" % len(body)
        elif head.length is None:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif head.length or b"content-length" in head.fields:
            framing = b"Content-Length: %d\r\n" % head.length
        if (head.length or 0) > limit:
            raise _too_large(limit)
        self.limit = limit
        own = credential + self._codings() + framing
        return b"%b%b%b\r\n" % (line, own, self.lines), b"" if head.length == 0 else body

    def _codings(self) -> bytes:
        """Where the gate does not touch a body, its coding is the caller's and the upstream's affair.

        Answers of provider routes are read for the objects they show, so they come as they are.
        """
        fields = self.exchange.head.fields
        accepted = IDENTITY
        if self.asked.place is None:
            accepted = _line(b"accept-encoding", fields)
        return accepted + (_line(b"content-encoding", fields) if self.asked.body is None else b"")

    async def _chunk(self) -> bytes:
        data = await self.exchange.chunk()
        self.bytes_in += len(data)
        if self.bytes_in > self.limit:
            raise _too_large(self.limit)
        return data


def _line(name: bytes, fields: dict[bytes, bytes]) -> bytes:
    return b"%b: %b\r\n" % (name, fields[name]) if name in fields else b""


def _plainly(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")


def _too_large(limit: int) -> CallerError:
    return CallerError(f"The body has more than {limit} bytes.", reason="too_large")
