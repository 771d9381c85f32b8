"""One HTTP/1.1 connection to an origin: at most one exchange at a time, and reused only when nothing can be left over from the last."""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, cast

from durward.calls.errors import CallerError, GateError, UpstreamError
from durward.calls.origin import Timeouts
from durward.protocols.framing import LAST_CHUNK, Chunks, Counted, FramingError, UntilClose, frame
from durward.protocols.http1_answer import AnswerHead, Recurring, malformed, read_head
from durward.upstreams.answer import Answer, Holding
from durward.upstreams.stale import Stale

TICK: Final = 0.25
"""Seconds between two looks at the deadlines; a deadline is met up to two of them late, never early."""
NEVER: Final = math.inf
INTERIM_ANSWERS: Final = 16
"""The most 1xx answers before the final one."""
IDLE_SECONDS: Final = 4
"""How long an idle connection is kept where the server does not say: shorter than any common server's own limit (5 s)."""
IDLE_SECONDS_MOST: Final = 60
JOINED_BYTES: Final = 16 * 1024
"""Up to this size a body is written in one piece with its head."""

Batch = Callable[[asyncio.BaseTransport], asyncio.Transport]
"""Makes the transport that a connection writes to out of the one that the loop gave it."""
Body = bytes | Callable[[], Awaitable[bytes]]

_content_length = re.compile(rb"\r\ncontent-length:[\t ]*+([0-9]++)[\t ]*+\r\n", re.IGNORECASE).search
_chunked = re.compile(rb"\r\ntransfer-encoding:[\t ]*+chunked[\t ]*+\r\n", re.IGNORECASE).search


def as_given(transport: asyncio.BaseTransport) -> asyncio.Transport:
    """The loop's own transport; uvloop's are no subclass of asyncio's."""
    return cast(asyncio.Transport, transport)


class Ticks:
    """The coarse time that the deadlines of a pool are counted from."""

    __slots__ = ("batch", "holding", "now")

    def __init__(self, now: float, batch: Batch = as_given) -> None:
        self.now = now
        self.batch = batch
        self.holding = Holding()

    def after(self, seconds: float) -> float:
        """A deadline at least `seconds` away."""
        return self.now + seconds + TICK


class Owner(Protocol):
    """The pool that a connection belongs to."""

    def release(self, connection: "Connection") -> None:
        """The exchange is over and left nothing behind; the connection may be given to another."""

    def gone(self, connection: "Connection") -> None:
        """The connection is closed."""


class Connection:
    """An `asyncio.Protocol`. Carries one exchange after another; closed for good at the first irregularity."""

    __slots__ = (
        *("_answer", "_asked_head", "_between", "_held", "_interim", "_owner", "_paused", "_persistent", "_pump"),
        *(
            "_reader",
            "_recurring",
            "_sent",
            "_size",
            "_ticks",
            "_timeouts",
            "_transport",
            "_used",
            "_waiter",
            "_writable",
        ),
        *("closed", "deadline", "holding", "idle_seconds", "loop", "name"),
    )

    def __init__(self, name: str, owner: Owner, ticks: Ticks, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.loop = loop
        self.closed = False
        self.deadline = NEVER
        self.idle_seconds = IDLE_SECONDS
        self._owner = owner
        self._ticks = ticks
        self.holding = ticks.holding
        self._timeouts = Timeouts()
        self._between = NEVER
        self._used = False
        self._waiter: asyncio.Future[Answer] | None = None
        self._answer: Answer | None = None
        self._reader: Chunks | Counted | UntilClose | None = None
        self._pump: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._sent = False
        self._size = 0  # of the request, as far as it was handed to the transport
        self._asked_head = False
        self._persistent = False
        self._interim = 0
        self._held = b""
        self._recurring = Recurring()

    # What a pool asks of it.

    def exchange(self, head: bytes, body: Body, timeouts: Timeouts) -> "asyncio.Future[Answer]":
        """Write a request; the answer comes with its final head. Whoever stops waiting must `give_up`."""
        waiter: asyncio.Future[Answer] = self.loop.create_future()
        if self.closed:
            waiter.set_exception(self._cut(None))
            return waiter
        self._waiter = waiter
        self._timeouts = timeouts
        self._between = timeouts.between_chunks + TICK
        self._interim = 0
        self._asked_head = head.startswith(b"HEAD ")
        if isinstance(body, bytes):
            self._sent = True
            self._size = len(head) + len(body)
            self.deadline = self._ticks.after(timeouts.first_byte)
            if len(body) <= JOINED_BYTES:
                self._transport.write(head + body)
            else:
                self._transport.writelines((head, body))
        else:
            self._sent = False
            self._size = len(head)
            self.deadline = NEVER
            self._transport.write(head)
            self._pump = self.loop.create_task(self._send(head, body))
            self._pump.add_done_callback(self._pumped)
        return waiter

    def abort(self) -> None:
        """Close at once, so that the upstream sees it. Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        self.deadline = NEVER
        self._transport.abort()
        if self._pump is not None:
            self._pump.cancel()
        self._owner.gone(self)

    def give_up(self, waiter: "asyncio.Future[Answer]") -> None:
        """The task that waited for an exchange's answer was cancelled."""
        if waiter.cancelled():
            self.abort()
        elif waiter.exception() is None:
            waiter.result().cancel()  # it had come already, and the connection may serve another exchange by now

    def fail(self, error: BaseException) -> None:
        """Close at once; who waits gets `error`."""
        answer, waiter = self._answer, self._waiter
        self._answer = self._waiter = self._reader = None
        self.abort()
        if answer is not None:
            answer.failed(error)
        elif waiter is not None and not waiter.done():
            waiter.set_exception(error)

    def expire(self) -> None:
        """The deadline has passed."""
        if self._answer is None and self._waiter is None:
            self.abort()
            return
        seconds = self._timeouts.between_chunks if self._answer else self._timeouts.first_byte
        self.fail(UpstreamError(f"{self.name} sent nothing for {seconds:g} s.", reason="upstream_silent"))

    def pause(self) -> None:
        """Read no more; the upstream is not to blame for the silence."""
        if not self._paused and not self.closed:
            self._paused = True
            self._transport.pause_reading()
            self.deadline = NEVER

    def resume(self) -> None:
        """Read on."""
        if self._paused and not self.closed:
            self._paused = False
            self._transport.resume_reading()
            self.deadline = self._ticks.after(self._timeouts.between_chunks)

    # What the event loop tells it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._ticks.batch(transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is not None:
            self._read_body(self._answer, data)
        elif self._waiter is not None:
            if self._transport.get_write_buffer_size() >= self._size:
                # Not a byte of the request has left: this belongs to what was asked before, perhaps by somebody else.
                self.fail(self._unasked())
            else:
                self._read_head(data)
        else:
            self.abort()  # nothing was asked

    def eof_received(self) -> None:
        answer = self._answer
        if answer is not None and isinstance(self._reader, UntilClose):
            self._persistent = False
            self._finish(answer)
        elif not self.closed:
            self.fail(self._cut(None))

    def connection_lost(self, exc: Exception | None) -> None:
        # Without a proper end of the stream before it: a reset, or TLS that was not closed, so that anybody could have cut it.
        if not self.closed:
            self.fail(self._cut(exc))

    def pause_writing(self) -> None:
        self._writable = self.loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # Reading.

    def _read_head(self, data: bytes) -> None:
        searched = len(self._held)
        if searched:
            data = self._held + data
        try:
            head = read_head(data, self._asked_head, searched, self._recurring)
            while head is not None and head.status < 200:
                self._pass_interim(head)
                data = data[head.end :]
                head = read_head(data, self._asked_head)
        except UpstreamError as error:
            self.fail(error)
            return
        if head is None:
            self._held = data
        else:
            self._held = b""
            self._begin(head, data[head.end :])

    def _pass_interim(self, head: AnswerHead) -> None:
        """Pass over an answer that is not the final one (RFC 9110 §15.2)."""
        self._interim += 1
        if head.status == 101:
            raise malformed("it switches protocols unasked")
        if self._interim > INTERIM_ANSWERS:
            raise malformed(f"more than {INTERIM_ANSWERS} interim answers")

    def _begin(self, head: AnswerHead, rest: bytes) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            self.abort()  # given up in this turn of the loop
            return
        answer = Answer(head, self)
        self._persistent = head.persistent
        self.idle_seconds = IDLE_SECONDS if head.idle is None else min(head.idle - 1, IDLE_SECONDS_MOST)
        length = head.length
        if length is not None and len(rest) == length:
            # Nearly always: head and body came in one read.
            if rest:
                answer.brought([rest])
            self._finish(answer)
        else:
            self._reader = Chunks() if head.chunked else UntilClose() if length is None else Counted(length)
            self._answer = answer
            self._read_body(answer, rest)
        waiter.set_result(answer)

    def _read_body(self, answer: Answer, data: bytes) -> None:
        reader = self._reader
        assert reader is not None
        try:
            pieces = reader.feed(data)
        except FramingError as error:
            self.fail(malformed(str(error)))
            return
        if reader.ended:
            if reader.rest:
                self._persistent = False
            answer.brought(pieces)
            self._finish(answer)
            return
        if not self._paused:
            self.deadline = self._ticks.now + self._between
        answer.brought(pieces)

    def _finish(self, answer: Answer) -> None:
        """The answer is complete; the connection is free, or closed if anything of this exchange could reach into the next."""
        self._answer = self._reader = None
        self.deadline = NEVER
        if self._persistent and self._sent and self.idle_seconds > 0 and not self._transport.get_write_buffer_size():
            self._used = True
            self._owner.release(self)
        else:
            self.abort()
        answer.finished()

    def _unasked(self) -> UpstreamError:
        if self._used:
            return Stale(f"{self.name} sent something before it was asked.")
        return malformed("it came before it was asked for")

    def _cut(self, error: Exception | None) -> UpstreamError:
        if self._answer is not None:
            when = "in the middle of its answer"
        elif self._held or self._interim:
            when = "before its answer had a whole head"
        else:
            when = "before it answered"
        text = f"{self.name} closed the connection {when}"
        text += f" ({error.strerror or type(error).__name__})." if isinstance(error, OSError) else "."
        if self._used and self._answer is None and not self._held and not self._interim:
            return Stale(text)
        return UpstreamError(text, reason="upstream_cut")

    # Writing a body that comes in pieces.

    async def _send(self, head: bytes, body: Callable[[], Awaitable[bytes]]) -> None:
        declared = _content_length(head)
        left = int(declared[1]) if declared else None
        if left is None and not _chunked(head):
            raise GateError("A request head announced no body, and one followed.")
        while piece := await body():
            if left is not None:
                left -= len(piece)
                if left < 0:
                    raise GateError("A request body was longer than its head announced.")
            framed = piece if left is not None else frame(piece)
            self._size += len(framed)
            self._transport.write(framed)
            await self._drain()
        if left:
            raise GateError("A request body was shorter than its head announced.")
        if left is None:
            self._transport.write(LAST_CHUNK)
        await self._drain()
        self._sent = True
        if self._waiter is not None:
            self.deadline = self._ticks.after(self._timeouts.first_byte)

    async def _drain(self) -> None:
        """Wait while the upstream reads slower than we write. Waiting for the caller has no deadline here: the edge has one."""
        if self._writable is None:
            return
        if self._waiter is not None:
            self.deadline = self._ticks.after(self._timeouts.first_byte)
        await self._writable
        if self._waiter is not None:
            self.deadline = NEVER

    def _pumped(self, pump: "asyncio.Task[None]") -> None:
        self._pump = None
        if self.closed:
            if not pump.cancelled():
                pump.exception()  # the answer came first, or failed first: that is what is told
        elif pump.cancelled():
            self.fail(CallerError("The caller gave up its request.", reason="caller_gone"))
        elif (error := pump.exception()) is not None:
            self.fail(error)
