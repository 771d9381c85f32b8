"""One request on a caller's connection, and the answer to it: the Exchange of `calls/ports.py` over HTTP/1.1."""

import asyncio
from http import HTTPStatus
from typing import Final, Protocol

from durward.calls.errors import CallerError, GateError
from durward.calls.ports import RequestHead
from durward.protocols.framing import LAST_CHUNK, frame
from durward.protocols.http1 import Manner
from durward.server.body import RequestBody
from durward.server.turn import Batched

PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\n".encode() for status in range(200, 600)
}
"""Final statuses only: after an interim one, or 101, the caller would wait for an answer that never comes (RFC 9110 §15.2)."""
BODILESS: Final = frozenset((204, 304))
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_ANSWER: Final = b"Connection: close\r\n"
LARGE_BYTES: Final = 32 * 1024
"""Bodies above this are handed on beside their head or frame, not copied behind it."""

# How the body of an answer is framed.
CHUNKED, COUNTED, UNTIL_CLOSE, NONE = range(4)


class Carrier(Protocol):
    """What an exchange needs of its connection."""

    transport: Batched
    congested: bool

    @property
    def date(self) -> bytes:
        """The Date line of this moment."""

    @property
    def draining(self) -> bool:
        """Whether connections end with the answer in hand."""

    def close(self, *, reset: bool = False) -> None:
        """End the connection behind what was written, or at once and so that the caller sees a failure."""


class CallerExchange:
    """See `Exchange`.

    `ended` is True once the whole answer was handed to the connection, or cut by `abort`; `persistent`, whether the connection may
    serve another request after it.
    """

    __slots__ = (
        *("_carrier", "_drainer", "_framing", "_left", "_manner", "_open", "_transport", "incoming"),
        *("congested", "ended", "gone", "head", "peer", "persistent", "started"),
    )

    def __init__(
        self, carrier: Carrier, peer: str, head: RequestHead, manner: Manner, incoming: RequestBody | None
    ) -> None:
        self.head = head
        self.peer = peer
        self.incoming = incoming
        self.started = False
        self.ended = False
        self.gone = False
        self.congested = False
        self.persistent = manner.persistent
        self._manner = manner
        self._carrier = carrier
        self._transport = carrier.transport
        self._open = False  # between `begin` and `end`
        self._framing = NONE
        self._left = 0
        self._drainer: asyncio.Future[None] | None = None

    @property
    def waited(self) -> float:
        return 0.0 if self.incoming is None else self.incoming.waited

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises CallerError `too_large`, `malformed_http`, `request_timeout`, GateError `overloaded`."""
        incoming = self.incoming
        if incoming is None:
            return b""
        length = self.head.length
        if length is not None and length > limit:
            raise CallerError(f"The body has {length} bytes, more than {limit}.", reason="too_large")
        if self._manner.expects:
            self._invite(incoming)
        return await incoming.whole(limit)

    async def chunk(self) -> bytes:
        """The next bytes of the body, b"" at its end. Raises as `body` does, but knows no limit."""
        incoming = self.incoming
        if incoming is None:
            return b""
        if self._manner.expects:
            self._invite(incoming)
        return await incoming.chunk()

    def let_go(self) -> None:
        """See `Exchange`."""
        if self.incoming is not None:
            self.incoming.release()

    def _invite(self, incoming: RequestBody) -> None:
        """`100 Continue`, once, unless the caller did not wait for it (RFC 9110 §10.1.1)."""
        self._manner = self._manner._replace(expects=False)
        if not (incoming.received or incoming.ended or self.started or self.gone):
            self._transport.write(CONTINUE)

    def send(self, status: int, lines: bytes, body: bytes) -> None:
        """The whole answer at once."""
        parts = self._start(status, lines)
        self.ended = True
        if self.gone:
            return
        if status in BODILESS:
            parts.append(b"\r\n")
        else:
            parts.append(b"Content-Length: %d\r\n\r\n" % len(body))
            if self.head.method != "HEAD":
                if len(body) > LARGE_BYTES:
                    self._transport.writelines((b"".join(parts), body))
                    return
                parts.append(body)
        self._transport.write(b"".join(parts))

    def begin(self, status: int, lines: bytes, length: int | None) -> None:
        """Start an answer whose body follows by `write`; `length` None: until `end`."""
        self._framing = framing = self._frame(status, length)
        parts = self._start(status, lines)
        if length is not None and (framing == COUNTED or (length and status not in BODILESS)):
            self._left = length
            parts.append(b"Content-Length: %d\r\n" % length)
        elif framing == CHUNKED:
            parts.append(b"Transfer-Encoding: chunked\r\n")
        parts.append(b"\r\n")
        if not self.gone:
            self._open = True
            self._transport.write(b"".join(parts))

    def _frame(self, status: int, length: int | None) -> int:
        if status in BODILESS or self.head.method == "HEAD":
            return NONE
        if length is not None:
            return COUNTED
        return CHUNKED if self._manner.chunks else UNTIL_CLOSE

    def _start(self, status: int, lines: bytes) -> list[bytes]:
        """The answer's first lines. After an answer that does not wait for the end of the request, the connection ends."""
        if self.started or self.ended:
            raise GateError("A second answer to one request.")
        if status not in STATUS_LINES:
            raise GateError(f"{status} is no status of a final answer.")
        self.started = True
        incoming = self.incoming
        if self._carrier.draining or (incoming is not None and not incoming.ended):
            self.persistent = False
        begun = STATUS_LINES[status] + lines
        parts = [begun]
        # An upstream's own Date stands near the top; ours is added where there is none (RFC 9110 §6.6.1).
        if begun.find(b"\nDate:") < 0 and begun.find(b"\ndate:") < 0:
            parts.append(self._carrier.date)
        if not self.persistent:
            parts.append(LAST_ANSWER)
        return parts

    def write(self, data: bytes) -> None:
        """More of the body. What comes after the end, or after the caller has gone, goes nowhere."""
        if not data or not self._open:
            return
        framing = self._framing
        if framing == CHUNKED:
            if len(data) > LARGE_BYTES:
                self._transport.writelines((b"%x\r\n" % len(data), data, b"\r\n"))
            else:
                self._transport.write(frame(data))
            return
        if framing == NONE:
            return
        if framing == COUNTED:
            self._left -= len(data)
            if self._left < 0:
                self.abort()
                raise GateError("An answer is longer than its head says.")
        self._transport.write(data)

    def pass_on(self, data: bytes) -> bool:
        """As `write`, for the middle of a stream: nothing has to be written down before it leaves. False if `congested` now."""
        if self._framing == CHUNKED and self._open and data:
            self._transport.pass_on(frame(data))
        else:
            self.write(data)
        return not self.congested

    async def drained(self) -> None:
        """Wait until the caller has read enough; a caller that reads nothing for too long is cut off, and the call with it."""
        while self.congested:
            self._drainer = asyncio.get_running_loop().create_future()
            try:
                await self._drainer
            finally:
                self._drainer = None

    def relieve(self) -> None:
        """The caller has read enough."""
        self.congested = False
        if self._drainer is not None and not self._drainer.done():
            self._drainer.set_result(None)

    def end(self) -> None:
        """The answer is complete. One that is shorter than its head says is cut instead."""
        if not self._open:
            return
        if self._framing == COUNTED and self._left:
            self.abort()
            raise GateError("An answer is shorter than its head says.")
        self._open = False
        self.ended = True
        if self._framing == CHUNKED:
            self._transport.write(LAST_CHUNK)

    def abort(self) -> None:
        """Close the connection so that the caller sees an answer cut short; where only the close would end it, by a reset."""
        if self.ended:
            return
        self._open = False
        self.ended = True
        if not self.gone:
            self._carrier.close(reset=self.started and self._framing == UNTIL_CLOSE)

    def ends_by_close(self) -> bool:
        """Whether a part of the answer is out of which only the end of the connection will tell that it is whole."""
        return self._open and self._framing == UNTIL_CLOSE

    def hang_up(self) -> None:
        """The caller has gone: nothing more is read or written, and whoever waits for it learns so."""
        self._open = False
        self.gone = True
        error = CallerError("The caller hung up.", reason="caller_gone")
        if self.incoming is not None:
            self.incoming.fail(error)
            self.incoming.release()
        self.congested = False
        if self._drainer is not None and not self._drainer.done():
            self._drainer.set_exception(error)


def last_answer(status: int, lines: bytes, date: bytes, body: bytes) -> bytes:
    """An answer for which there is no exchange, and after which the connection ends."""
    return b"%b%b%b%bContent-Length: %d\r\n\r\n%b" % (
        *(STATUS_LINES[status], lines, date, LAST_ANSWER, len(body)),
        body,
    )
