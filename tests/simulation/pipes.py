"""Connections in memory: two transports with what a network has between them — latency, segments, a window, half-close, reset."""

import asyncio
import contextvars
import socket
from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tests.simulation.loop import Mortal, VirtualLoop

WINDOWS = (1_024, 8_192, 65_536, 262_144, 262_144)
"""Bytes that may be under way, or lie unread at the other side."""
HIGH_WATERS = (256, 2_048, 65_536, 65_536)
"""Bytes that may wait to be sent before the writer is asked to pause."""
HIGH_WATER = 64 * 1024
LONG = 1_200


class Carried(Protocol):
    """What a transport needs of its protocol."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class Weather:
    """How the network of a world is: drawn once, then drawn from for every connection."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.latency = dice.choice((0.0, 0.0001, 0.001, 0.03))
        self.rough = dice.choice((0.0, 0.1, 0.5))
        """How many of the connections bring their bytes in pieces."""


class Pipe:
    """One connection. `near` is the end of whoever connected, `far` that of whoever listened."""

    __slots__ = ("_latency", "_pieces", "dice", "far", "high", "loop", "near", "window")

    def __init__(self, loop: "VirtualLoop", weather: Weather, life: "Mortal | None") -> None:
        dice = weather.dice
        self.loop = loop
        self.dice = dice
        self.window = dice.choice(WINDOWS)
        self.high = dice.choice(HIGH_WATERS)
        self._latency = weather.latency * dice.uniform(0.5, 2.0)
        self._pieces = dice.choice((12, 60, 700)) if dice.random() < weather.rough else 0
        self.near = End(self, life)
        self.far = End(self, None)
        self.near.peer, self.far.peer = self.far, self.near

    def taken_by(self, life: "Mortal | None", mind: contextvars.Context) -> None:
        """In whose name, and in which context, the far end is served."""
        self.far.life = life
        self.far._mind = mind

    def latency(self) -> float:
        """Seconds until a piece arrives."""
        return self._latency * self.dice.uniform(0.8, 1.2)

    def segment(self, left: int) -> int:
        """The most bytes of the next piece, of so many that are left. What is long comes in small pieces only at its end."""
        if not self._pieces:
            return 65_536
        return left - LONG if left > LONG else self.dice.randint(1, self._pieces)


class FakeSocket:
    """What is asked of a transport's socket: how it closes, and whether the other side has gone."""

    _open, _gone = socket.socketpair(), socket.socketpair()
    _gone[1].close()

    def __init__(self, end: "End") -> None:
        self._end = end

    def setsockopt(self, level: int, name: int, value: Any) -> None:
        if (level, name) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._end.lingers = False

    def fileno(self) -> int:
        """For poll: a socket whose peer is there, or one whose peer has closed."""
        end = self._end
        return (self._gone if end.fin_arrived or end.reset_arrived else self._open)[0].fileno()


class End(asyncio.Transport):
    """One side of a pipe, as its protocol sees it."""

    def __init__(self, pipe: Pipe, life: "Mortal | None") -> None:
        self.pipe = pipe
        self.life = life
        self.peer: End
        self.spy: Callable[[bytes], None] | None = None
        """Told of everything that is handed to this end, before it leaves."""
        self.protocol: Carried | None = None
        self.ended_at: float | None = None
        """When this side closed, or learned that it is closed."""
        self.gone_at: float | None = None
        """When this side's protocol was told that the other has gone."""
        self.given = 0
        self.delivered = 0
        self.delivered_at = 0.0
        self.lingers = True
        self.fin_arrived = False
        self.reset_arrived = False
        self._loop = pipe.loop
        self._mind: contextvars.Context | None = None
        self._out = bytearray()
        self._under_way = 0
        self._last_at = 0.0
        self._posted: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._inbox: deque[bytes] = deque()
        self._marks: deque[tuple[int, Callable[[], None]]] = deque()
        self._reading = True
        self._full = False
        self._high = pipe.high
        self._eof_wanted = False
        self._fin_sent = False
        self._eof_told = False
        self._closing = False
        self._closed = False

    def carry(self, protocol: Any) -> None:
        """Begin to serve a protocol; what happens to it happens in the context that is current now."""
        self.protocol = protocol
        if self._mind is None:
            self._mind = contextvars.copy_context()
        protocol.connection_made(self)

    @property
    def _still(self) -> bool:
        return self._closed or (self.life is not None and self.life.dead)

    # Writing.

    def write(self, data: Any) -> None:
        if self._still or self._closing or self._eof_wanted or not data:
            return
        if self.spy is not None:
            self.spy(bytes(data))
        self.given += len(data)
        self._out += data
        self._push()
        if self.reset_arrived:
            self._lose(BrokenPipeError(32, "Broken pipe"))
        elif len(self._out) > self._high and not self._full and self.protocol is not None:
            self._full = True
            self.protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def _push(self) -> None:
        """Send as much as the window takes."""
        pipe, out = self.pipe, self._out
        while out and self._under_way < pipe.window:
            count = min(len(out), pipe.window - self._under_way, pipe.segment(len(out)))
            piece = bytes(out[:count])
            del out[:count]
            self._under_way += count
            self._post(self.peer._arrive, piece)
        if not out and (self._eof_wanted or (self._closing and not self._fin_sent)):
            self._send_fin()

    def _post(self, what: Callable[..., None], *words: Any) -> None:
        """Have something happen at the other side, behind all that went before."""
        self._last_at = at = max(self._last_at, self._loop.time() + self.pipe.latency())
        self._posted.append((what, words))
        # Of timers for one moment none is the first: each brings what was posted first.
        # What comes to somebody who is gone comes to the kernel.
        dead = self.peer.life is not None and self.peer.life.dead
        self._loop.call_at(at, self._bring, context=self._loop.nobody if dead else self.peer._mind)

    def _bring(self) -> None:
        what, words = self._posted.popleft()
        what(*words)

    def _send_fin(self) -> None:
        if not self._fin_sent:
            self._fin_sent = True
            self._post(self.peer._fin)
        if self._closing and not self._closed:
            self._end(None)

    def _relieve(self) -> None:
        """The other side has read some."""
        if self._still:
            return
        self._push()
        if self._full and len(self._out) <= self._high // 4 and self.protocol is not None:
            self._full = False
            self.protocol.resume_writing()

    # Reading.

    def _arrive(self, piece: bytes) -> None:
        if self._still or self._closing:
            # Nobody reads any more: whoever still writes is told so.
            if not self.peer._still:
                self._loop.call_later(self.pipe.latency(), self.peer._reset, context=self.peer._mind)
            return
        self._inbox.append(piece)
        self._deliver()

    def _deliver(self) -> None:
        protocol = self.protocol
        if protocol is None:
            # The other side was quicker than the acceptance of its connection.
            self._loop.call_soon(self._deliver, context=self._mind)
            return
        while self._inbox and self._reading and not (self._closing or self._still):
            piece = self._inbox.popleft()
            self.delivered += len(piece)
            self.delivered_at = self._loop.time()
            peer = self.peer
            peer._under_way -= len(piece)
            if peer._out:
                self._loop.call_soon(peer._relieve, context=peer._mind)
            marks = self._marks
            protocol.data_received(piece)
            while marks and marks[0][0] <= self.delivered:
                marks.popleft()[1]()
        if self._reading and not (self._inbox or self._closing or self._still):
            self._tell_end(protocol)

    def _tell_end(self, protocol: Carried) -> None:
        if self.reset_arrived:
            self._lose(ConnectionResetError(104, "Connection reset by peer"))
        elif self.fin_arrived and not self._eof_told:
            self._eof_told = True
            self._note_gone()
            if not protocol.eof_received():
                self.close()

    def _note_gone(self) -> None:
        if self.gone_at is None:
            self.gone_at = self._loop.time()

    def _fin(self) -> None:
        self.fin_arrived = True
        if not (self._still or self._closing):
            self._deliver()

    def _reset(self) -> None:
        if self._still:
            return
        self.reset_arrived = True
        self._inbox.clear()
        if self._reading or self._closing:
            self._lose(ConnectionResetError(104, "Connection reset by peer"))

    def when_taken(self, told: Callable[[], None]) -> None:
        """Call `told` when the other side's protocol has had all that was written here so far."""
        peer = self.peer
        if peer.delivered >= self.given:
            told()
        else:
            peer._marks.append((self.given, told))

    # Ending.

    def _lose(self, error: Exception) -> None:
        """The connection broke."""
        if not self._closed:
            self._note_gone()
            self._out.clear()
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        self._closing = self._closed = True
        if self.ended_at is None:
            self.ended_at = self._loop.time()
        if self.protocol is not None and not (self.life is not None and self.life.dead):
            self._loop.call_soon(self.protocol.connection_lost, error, context=self._mind)

    def close(self) -> None:
        if self._still or self._closing:
            return
        self._closing = True
        self.ended_at = self._loop.time()
        if self._inbox:
            self.abort()
        elif not self._out:
            self._send_fin()

    def abort(self) -> None:
        if self._still:
            return
        self._leave()
        self._end(None)

    def _leave(self) -> None:
        """Let the other side know, as the kernel does: by a reset where something was left unread, or where that was asked for."""
        self._out.clear()
        if self._inbox or not self.lingers:
            self._post(self.peer._reset)
        elif not self._fin_sent:
            self._fin_sent = True
            self._post(self.peer._fin)
        self._inbox.clear()

    def die(self) -> None:
        """Its process is gone: the other side learns of it, the protocol here of nothing."""
        if not self._closed:
            self._leave()
            self._closing = self._closed = True
            if self.ended_at is None:
                self.ended_at = self._loop.time()

    def write_eof(self) -> None:
        if self._still or self._closing or self._eof_wanted:
            return
        self._eof_wanted = True
        if not self._out:
            self._send_fin()

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self._closing or self._closed

    # What else is asked of a transport.

    def get_write_buffer_size(self) -> int:
        return len(self._out)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = min(self.pipe.high, HIGH_WATER if high is None else high)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            if not (self._still or self._closing):
                self._loop.call_soon(self._deliver, context=self._mind)

    def is_reading(self) -> bool:
        return self._reading

    def get_protocol(self) -> Any:
        return self.protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername":
            return ("192.0.2.1", 40_000)
        return FakeSocket(self) if name == "socket" else default
