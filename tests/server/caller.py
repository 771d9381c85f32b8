"""A clock that a test moves, and a caller on a real connection to an edge in the same loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, Self

from durward.server.bounds import Bounds
from durward.server.connection import App
from durward.server.edge import TICK, Edge

BOUNDS = Bounds()
NOON = 1_795_262_400.0  # 2026-11-21T12:00:00Z


class HeldClock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.passed = 0.0

    def time(self) -> float:
        return NOON + self.passed

    def monotonic(self) -> float:
        return self.passed


class HangsUp(Protocol):
    """Whoever is connected."""

    def hang_up(self) -> None: ...


class House:
    """An edge on a loopback port, its clock, and what it had to refuse."""

    def __init__(self, app: App, bounds: Bounds) -> None:
        self.clock = HeldClock()
        self.refused: list[str] = []
        self.edge = Edge(app, self.clock, bounds, lambda reason, peer: self.refused.append(reason))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.listener.getsockname()
        self.callers: list[HangsUp] = []

    def let_pass(self, seconds: float) -> None:
        """Let time pass for the edge, tick by tick."""
        for _ in range(round(seconds / TICK)):
            self.clock.passed += TICK
            self.edge.tick()

    async def call(self) -> "Caller":
        caller = await Caller.connect(self.address)
        self.callers.append(caller)
        return caller


@asynccontextmanager
async def house(app: App, bounds: Bounds = BOUNDS) -> AsyncIterator[House]:
    opened = House(app, bounds)
    bugs: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, event: bugs.append(event["exception"]))
    await opened.edge.listen(opened.listener)
    try:
        yield opened
    finally:
        await opened.edge.drain(0)
        for caller in opened.callers:
            caller.hang_up()
    if bugs:
        raise bugs[0]


class Caller:
    """The other end of a connection: writes bytes, reads answers."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._got = b""

    @classmethod
    async def connect(cls, address: tuple[str, int]) -> Self:
        end = socket.socket()
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(end, address)
        except OSError:
            end.close()
            raise
        return cls(end)

    async def say(self, data: bytes, piece: int = 0) -> None:
        """Send `data`, whole or in pieces of so many bytes, each of which the other side reads by itself."""
        for at in range(0, len(data), piece or len(data)):
            await self._loop.sock_sendall(self._end, data[at : at + (piece or len(data))])
            if piece:
                await asyncio.sleep(0)

    async def hear(self, until: bytes) -> bytes:
        """What comes, up to and with `until`."""
        while until not in self._got:
            more = await self._loop.sock_recv(self._end, 65536)
            assert more, f"closed before {until!r}; heard {self._got!r}"
            self._got += more
        at = self._got.index(until) + len(until)
        heard, self._got = self._got[:at], self._got[at:]
        return heard

    async def hear_all(self) -> bytes:
        """What comes until the other side ends the connection."""
        while more := await self._loop.sock_recv(self._end, 65536):
            self._got += more
        heard, self._got = self._got, b""
        return heard

    def fall_silent(self) -> None:
        """Say no more, and read on."""
        self._end.shutdown(socket.SHUT_WR)

    def hang_up(self) -> None:
        self._end.close()
