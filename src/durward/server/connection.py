"""One caller's connection: cuts heads and bodies out of the bytes, serves one request at a time, and ends as RFC 9112 §9 wants."""

import asyncio
import select
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final

from durward.calls.errors import CallerError, DurwardError, GateError
from durward.calls.ports import Exchange, RequestHead
from durward.protocols.forwarded import TrustedProxies
from durward.protocols.http import write_error
from durward.protocols.http1 import Manner, Repeatable, head_end, read_head, repeatable
from durward.server.body import WAITING_BYTES, BodyMemory, RequestBody
from durward.server.bounds import Bounds
from durward.server.exchange import CallerExchange, last_answer
from durward.server.refusals import turn_away
from durward.server.turn import Batched

AHEAD_BYTES: Final = 32 * 1024
AHEAD_HEADS: Final = 16
"""How much a caller may send ahead of the call in progress before its connection is no longer read."""
REST_SECONDS: Final = 1.0
"""How long a connection is not read after a call on it was turned away: who does not wait as he was told costs nothing meanwhile."""
HIGH_WATER: Final = 64 * 1024
NEVER: Final = float("inf")
RESET: Final = struct.pack("ii", 1, 0)
PEER_CLOSED: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR

App = Callable[[Exchange], Awaitable[None]]
OnRefused = Callable[[str, str], None]
TurnsAway = Callable[[Exchange, bool], bool]
"""Whether a call must not begin; it has been answered then. The second word: too many are in progress."""
Batch = Callable[[asyncio.BaseTransport], Batched]
"""Makes the transport that a connection writes to out of the one that the loop gave it."""


class Shared:
    """What the connections of one edge share. Who is `admitting` is connected, and not yet heard.

    `now` is time as the edge counts it, exact to a tick, so that nobody asks a clock per chunk. While it `sheds`, or more than
    `most_calls` are in progress, `turns_away` is asked before a call begins, and answers those that must not; while it `parts`,
    connections end with their answer.
    """

    __slots__ = (
        *("admitting", "app", "batch", "bounds", "calls", "changed", "connections", "date", "draining", "idle_seconds"),
        *("loop", "memory", "most_calls", "now", "on_refused", "parts", "sheds", "turns_away"),
    )

    def __init__(self, app: App, bounds: Bounds, on_refused: OnRefused, batch: Batch) -> None:
        self.app = app
        self.batch = batch
        self.bounds = bounds
        self.on_refused = on_refused
        self.loop = asyncio.get_running_loop()
        self.memory = BodyMemory(bounds.body_memory)
        # In the order in which they came, so that what happens to several of them at once happens in one order.
        self.connections: dict[Connection, None] = {}
        self.calls: dict[asyncio.Task[None], None] = {}
        self.admitting: dict[asyncio.Task[None], None] = {}
        self.changed = asyncio.Event()
        self.draining = False
        self.most_calls = bounds.calls
        self.idle_seconds = bounds.idle_seconds
        self.turns_away: TurnsAway = turn_away
        self.sheds = False
        self.parts = False
        self.now = 0.0
        self.date = b""


class Connection:
    """An `asyncio.Protocol` (see the module). `tick` is to be called every half second."""

    __slots__ = (
        *(
            "_ahead",
            "_closing",
            "_deadline",
            "_discarded",
            "_exchange",
            "_paused",
            "_peer",
            "_last",
            "_rest",
            "_seen",
            "_served",
            "_shared",
        ),
        *("_task", "_trusted", "_unsent", "congested", "transport"),
    )

    transport: Batched

    def __init__(self, shared: Shared, peer: str = "", trusted: TrustedProxies | None = None) -> None:
        """`peer` is the caller's address where another one is known than that of the socket; `trusted`, where `peer` is a proxy's."""
        self.congested = False
        self._shared = shared
        self._peer = peer
        self._trusted = trusted
        self._exchange: CallerExchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._ahead = b""  # read, and not yet any request's
        self._last: Repeatable | None = None
        self._seen = 0  # how much of it cannot be the end of a head
        self._served = False
        self._paused = False
        self._closing = False
        self._discarded = 0
        self._deadline = NEVER
        self._rest: float = NEVER  # until when it is not read, since a call on it was turned away
        self._unsent: float = NEVER  # what waited for the caller to read when the deadline was set

    @property
    def date(self) -> bytes:
        return self._shared.date

    @property
    def draining(self) -> bool:
        return self._shared.draining or self._shared.parts

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        shared = self._shared
        self.transport = shared.batch(transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        if not self._peer:
            peer = transport.get_extra_info("peername")
            self._peer = peer[0] if isinstance(peer, tuple) else ""
        shared.connections[self] = None
        self._deadline = shared.now + shared.bounds.head_seconds
        most = shared.bounds.connections
        if len(shared.connections) > most:
            self._refuse(GateError("Too many connections are open.", reason="overloaded"))
        if len(shared.connections) > most + most // 10 + 1:
            self.transport.abort()  # even saying no has its bound

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if self._closing:
            self._discard(len(data))
        elif exchange is None:
            if self.congested:
                self._keep_ahead(data)
            else:
                self._open(self._ahead + data if self._ahead else data, self._seen)
        elif (incoming := exchange.incoming) is None or incoming.ended:
            self._keep_ahead(data)
        else:
            if behind := incoming.feed(data):
                self._keep_ahead(behind)
            if incoming.failure is not None or (incoming.waiting > WAITING_BYTES and not incoming.awaited):
                self._pause()

    def _discard(self, count: int) -> None:
        self._discarded += count
        if self._discarded > self._shared.bounds.linger_bytes:
            self.transport.abort()

    def _hold_ahead(self, data: bytes) -> None:
        """Keep what was read before its time. It counts as bodies do: one read can bring a quarter of a megabyte."""
        self._shared.memory.held += len(data) - len(self._ahead)
        self._ahead = data

    def _keep_ahead(self, data: bytes) -> None:
        self._hold_ahead(self._ahead + data)
        if self._shared.memory.held > self._shared.memory.limit:
            self.transport.abort()  # of what the gate holds too much in all, this is nobody's call yet
        if len(self._ahead) > AHEAD_BYTES or self._ahead.count(b"\r\n\r\n") >= AHEAD_HEADS:
            self._pause()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def read_on(self) -> None:
        """Read the connection again."""
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    def _open(self, data: bytes, seen: int) -> None:
        """Start the request whose head opens `data`, if it has come whole."""
        shared = self._shared
        try:
            again = self._last.again(data) if self._last is not None and not seen else None
            end = again[2] if again is not None else head_end(data, seen)
            if not end:
                if self._served and not seen:
                    self._deadline = shared.now + shared.bounds.head_seconds
                self._hold_ahead(data)
                self._seen = len(data)
                return
            head, manner = again[:2] if again is not None else self._read(data, end)
        except CallerError as error:
            self._refuse(error)
            return
        if self._ahead:
            self._hold_ahead(b"")
        self._seen = 0
        behind = data[end:]
        incoming = None
        if head.length != 0:
            incoming = RequestBody(head.length, shared.memory, self.read_on)
            if behind:
                behind = incoming.feed(behind)
            if incoming.failure is not None:
                incoming.release()
                self._refuse(incoming.failure)
                return
        if behind:
            self._keep_ahead(behind)
        self._served = True
        self._deadline = NEVER
        peer = self._peer if self._trusted is None else self._trusted.caller(self._peer, data, end)
        self._exchange = exchange = CallerExchange(self, peer, head, manner, incoming)
        # With a name, since asyncio would make one up for every task.
        self._task = task = asyncio.Task(self._serve(exchange), loop=shared.loop, name="call")
        shared.calls[task] = None

    def _read(self, data: bytes, end: int) -> tuple[RequestHead, Manner]:
        head, manner = read_head(data, end)
        self._last = repeatable(data, end, head, manner)
        return head, manner

    async def _serve(self, exchange: CallerExchange) -> None:
        shared = self._shared
        full = len(shared.calls) > shared.most_calls
        try:
            if (full or shared.sheds) and shared.turns_away(exchange, full):
                self._rest = shared.now + REST_SECONDS
            else:
                await shared.app(exchange)
        except Exception as error:
            # The app answers for its errors itself; this one is a bug, and neither the connection nor the others pay for it.
            shared.loop.call_exception_handler({"message": "A call failed", "exception": error})
        finally:
            self._finish(exchange)

    def _finish(self, exchange: CallerExchange) -> None:
        shared = self._shared
        if self._task is not None:
            shared.calls.pop(self._task, None)
        self._exchange = self._task = None
        if exchange.incoming is not None:
            exchange.incoming.release()
        if shared.draining:
            shared.changed.set()
        if exchange.gone:
            return
        if not exchange.ended:
            self._answer_for(exchange)
        if not exchange.persistent:
            self.close()
        elif self._rest < NEVER:
            self._pause()
        elif not self._closing:
            self._next()

    def _answer_for(self, exchange: CallerExchange) -> None:
        """The app has left the answer open."""
        shared = self._shared
        error = GateError("The call ended without an answer.", reason="stopping" if shared.draining else "internal")
        shared.on_refused(error.reason, exchange.peer)
        if exchange.started:
            exchange.abort()
        else:
            rendered = write_error(error, "")
            exchange.send(rendered.status, rendered.lines, rendered.body)

    def _next(self) -> None:
        """Turn to the next request, unless the caller is still to read the answer before."""
        if self.congested:
            return
        self.read_on()
        if self._ahead:
            ahead = self._ahead
            self._hold_ahead(b"")
            self._open(ahead, 0)
        else:
            self._unsent = NEVER
            self._deadline = self._shared.now + self._shared.idle_seconds

    def _refuse(self, error: DurwardError) -> None:
        """Answer what never became a call."""
        self._shared.on_refused(error.reason, self._peer)
        rendered = write_error(error, "")
        self.transport.write(last_answer(rendered.status, rendered.lines, self.date, rendered.body))
        self.close()

    def close(self, *, reset: bool = False) -> None:
        """End the connection behind what was written; what still comes is read and thrown away for a while, lest the answer be lost.

        With `reset` at once, and so that the caller sees a failure (RFC 9112 §9.6).
        """
        transport = self.transport
        if self._closing or transport.is_closing():
            return
        self._closing = True
        self._hold_ahead(b"")
        self._unsent = NEVER
        self._deadline = self._shared.now + self._shared.bounds.linger_seconds
        if reset:
            self._reset()
        elif transport.can_write_eof():
            transport.write_eof()
            self.read_on()
        else:
            transport.close()

    def _reset(self) -> None:
        """Close at once. What the caller has not taken is thrown away, by the system too, which would go on offering it."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()

    def pause_writing(self) -> None:
        self.congested = True
        if self._exchange is not None:
            self._exchange.congested = True
        self._unsent = float(self.transport.get_write_buffer_size())
        self._deadline = self._shared.now + self._shared.bounds.reader_seconds

    def resume_writing(self) -> None:
        self.congested = False
        if self._exchange is not None:
            self._deadline = NEVER
            self._exchange.relieve()
        elif not self._closing:
            self._next()

    def tick(self, elapsed: float) -> None:
        """So many seconds have passed."""
        if self._rest < NEVER:
            if self._shared.now >= self._rest:
                self._rest = NEVER
                if self._exchange is None and not self._closing:
                    self._next()
        elif self._shared.now >= self._deadline:
            self._expire()
        elif self._paused and self._peer_closed():
            self.transport.abort()
        elif self._exchange is not None and (incoming := self._exchange.incoming) is not None:
            incoming.wait(elapsed, self._shared.bounds)

    def _peer_closed(self) -> bool:
        """Whether the caller has gone. A connection that is not read does not tell; its socket does, once all has come (on Linux)."""
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket"), PEER_CLOSED)
        return bool(poll.poll(0))

    def _expire(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        bounds = self._shared.bounds
        if unsent and self._unsent - unsent >= bounds.slowest * bounds.reader_seconds:
            self._unsent = float(unsent)  # the caller reads, if slowly
            self._deadline = self._shared.now + bounds.reader_seconds
        elif unsent or self._closing:
            self._reset()
        elif self._ahead:
            self._refuse(CallerError("The head did not come in time.", reason="request_timeout"))
        else:
            self.close()

    def say_farewell(self) -> None:
        """The edge drains, or is short of memory: an idle connection stays a moment for the request that may be on its way."""
        if self._exchange is None and not self._ahead and not self._closing:
            self._deadline = min(self._deadline, self._shared.now + self._shared.idle_seconds)

    def eof_received(self) -> None:
        # Whoever says no more may still read: to it half an answer must not look like a whole one.
        deceptive = self._exchange is not None and self._exchange.ends_by_close()
        self._hang_up()
        if deceptive:
            self.close(reset=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hang_up()
        self._closing = True
        self._hold_ahead(b"")
        self._shared.connections.pop(self, None)
        if self._shared.draining:
            self._shared.changed.set()

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._shared.calls.pop(task, None)

    def _hang_up(self) -> None:
        """The caller has gone: its call is cancelled at once, unless it was answered already."""
        exchange, task = self._exchange, self._task
        if exchange is None or task is None or exchange.gone:
            return
        exchange.hang_up()
        if not exchange.ended:
            # A task that never ran does not reach the end of `_serve`.
            task.add_done_callback(self._forget)
            task.cancel()
