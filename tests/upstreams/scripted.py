"""An upstream that does exactly what a test says, over real loopback sockets; and a clock that stands still."""

import asyncio
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Self, cast

import pytest

from durward.calls.errors import DurwardError
from durward.calls.origin import Origin, Timeouts
from durward.upstreams.answer import Answer
from durward.upstreams.connection import Body, Connection
from durward.upstreams.pool import BOUNDS, Bounds, PooledUpstreams

GET = b"GET / HTTP/1.1\r\nHost: upstream\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: upstream\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TIMEOUTS = Timeouts(connect=5.0, first_byte=10.0, between_chunks=20.0)
LIMIT = 2**20


def post(body: bytes) -> bytes:
    """The head of a request with this body."""
    return b"POST / HTTP/1.1\r\nHost: upstream\r\nContent-Length: %d\r\n\r\n" % len(body)


class SetClock:
    """Monotonic time that moves only when a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Peer(asyncio.Protocol):
    """The upstream's end of one connection."""

    def __init__(self, made: "Callable[[Peer], None]") -> None:
        self._made = made
        self.received = b""
        self.closed = False
        self.error: Exception | None = None
        self._changed = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._made(self)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.error = exc
        self._changed.set()

    async def request(self, end: bytes = b"\r\n\r\n") -> bytes:
        """All that was received, as soon as it ends in `end`; the next call sees only what comes later."""
        while not self.received.endswith(end):
            await self._change()
        received, self.received = self.received, b""
        return received

    async def some(self) -> None:
        """Wait until anything was received, and read no more."""
        while not self.received:
            await self._change()
        self.transport.pause_reading()

    def send(self, data: bytes) -> None:
        """Write, unless the other end has hung up already."""
        if not self.closed:
            self.transport.write(data)

    def close(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        """Close so that the other end gets a RST."""
        if self.closed:
            return
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.transport.abort()

    async def gone(self) -> None:
        """Wait until the other end has closed."""
        while not self.closed:
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class Rig:
    """A pool, a clock and one scripted upstream."""

    def __init__(self, bounds: Bounds = BOUNDS) -> None:
        self.clock = SetClock()
        self.pool = PooledUpstreams(self.clock, bounds=bounds)
        self.accepted: list[Peer] = []
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: Peer(self._accept), "127.0.0.1", 0)
        self.origin = Origin("http", "127.0.0.1", self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pool.close()
        self._server.close()
        for peer in self.accepted:
            peer.transport.abort()
            await peer.gone()
        await turns(3)

    def _accept(self, peer: Peer) -> None:
        self.accepted.append(peer)
        self._peers.put_nowait(peer)

    def close(self) -> None:
        """Refuse new connections."""
        self._server.close()

    def only_connection(self) -> Connection:
        """The pool's end of the one connection there is."""
        (connection,) = self.pool._pools[self.origin]._connections
        return connection

    def ask(self, head: bytes = GET, body: Body = b"", timeouts: Timeouts = TIMEOUTS) -> asyncio.Task[Answer]:
        """A call on its way."""
        return asyncio.create_task(self.pool.send(self.origin, head, body, timeouts))

    async def peer(self) -> Peer:
        """The upstream's end of the next connection that is opened."""
        return await self._peers.get()

    async def asked(self, head: bytes = GET) -> tuple[asyncio.Task[Answer], Peer]:
        """A call whose request has come whole over a new connection."""
        call = self.ask(head)
        peer = await self.peer()
        await peer.request()
        return call, peer

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.pool.tick()


async def turns(count: int) -> None:
    """Let the event loop go around."""
    for _ in range(count):
        await asyncio.sleep(0)


def deliver(connection: Connection, data: bytes) -> None:
    """Have a connection read `data` now, as the event loop would."""
    connection.data_received(data)


async def ok(call: asyncio.Task[Answer], peer: Peer) -> None:
    """The upstream answers, and the call ends well."""
    peer.send(OK)
    answer = await call
    assert await answer.whole(LIMIT) == b"ok"


async def reason(call: asyncio.Task[Answer]) -> str:
    """Why a call ended badly."""
    with pytest.raises(DurwardError) as caught:
        await call
    return caught.value.reason
