"""A connection without a network: a test delivers bytes to it and sees what it does to its transport."""

import asyncio
import re
import socket
import struct
from collections.abc import Iterable
from typing import Any

from durward.calls.errors import CallerError
from durward.calls.ports import Exchange
from durward.server.bounds import Bounds
from durward.server.connection import HIGH_WATER, App, Connection
from durward.server.edge import TICK, Edge
from tests.server.caller import BOUNDS, HeldClock

GET = b"GET /%d HTTP/1.1\r\nHost: gate\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: gate\r\nContent-Length: %d\r\n\r\n"
DATE = b"Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"

READ_BYTES = 64 * 1024
"""The most that one read brings here."""


class HeldSocket:
    """What is asked of the socket beneath."""

    def __init__(self) -> None:
        self.resets = False
        """Whether what is unsent is thrown away with the close."""

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        assert (level, name, value) == (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.resets = True


class HeldTransport(asyncio.Transport):
    """Keeps what is written. With `stuck` the other side reads nothing until `take`."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.stuck = False
        self._reading = True
        self._ended = False
        self._closed = False
        self._aborted = False
        self._unsent = 0
        self._protocol: Connection | None = None
        self.socket = HeldSocket()

    def carry(self, protocol: Connection) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 4242), "socket": self.socket}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert {self._ended, self._closed} == {False}, "nothing may be written any more"
        self.written += data
        if self.stuck:
            before, self._unsent = self._unsent, self._unsent + len(data)
            if before <= HIGH_WATER < self._unsent and self._protocol is not None:
                self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def take(self, count: int) -> None:
        """The other side reads so many bytes of those that are stuck."""
        before, self._unsent = self._unsent, self._unsent - count
        if self._unsent <= HIGH_WATER // 4 < before and self._protocol is not None:
            self._protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert (high, low) == (HIGH_WATER, None)

    def pause_reading(self) -> None:
        assert self._reading
        self._reading = False

    def resume_reading(self) -> None:
        assert not self._reading
        self._reading = True

    def is_reading(self) -> bool:
        return self._reading

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._ended = True

    def ended(self) -> bool:
        """Half-closed: no more will be written."""
        return self._ended

    def aborted(self) -> bool:
        return self._aborted

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._close()

    def abort(self) -> None:
        self._aborted = True
        self._close()

    def _close(self) -> None:
        if not self._closed and self._protocol is not None:
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)
        self._closed = True


class Line:
    """One connection of an edge that serves `app`. What the app raises, the edge reports; `bugs` keeps it, or the test fails by it."""

    def __init__(self, app: App, bounds: Bounds = BOUNDS, edge: Edge | None = None) -> None:
        self.clock = HeldClock()
        self.refused: list[tuple[str, str]] = []
        self.edge = edge or Edge(app, self.clock, bounds, lambda reason, peer: self.refused.append((reason, peer)))
        self.bugs: list[BaseException] | None = None
        asyncio.get_running_loop().set_exception_handler(self._report)
        self.transport = HeldTransport()
        self.connection = self.edge.connect()
        self.transport.carry(self.connection)

    def _report(self, loop: asyncio.AbstractEventLoop, event: dict[str, Any]) -> None:
        if self.bugs is None:
            failed.append(event["exception"])
        else:
            self.bugs.append(event["exception"])

    @property
    def written(self) -> bytes:
        return self.transport.written

    async def deliver(self, data: bytes) -> None:
        """Let `data` arrive, as far as the connection is read, and everything happen that follows from it."""
        while data:
            assert self.transport.is_reading(), "delivered to a connection that is not read"
            piece, data = data[:READ_BYTES], data[READ_BYTES:]
            self.connection.data_received(piece)
        await settle()

    async def let_pass(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            self.clock.passed += TICK
            self.edge.tick()
        await settle()

    async def hang_up(self) -> None:
        self.connection.eof_received()
        self.transport.close()
        await settle()


failed: list[BaseException] = []


async def settle() -> None:
    """Let every task run as far as it can without anything new from outside."""
    for _ in range(10):
        await asyncio.sleep(0)
    if failed:
        raise failed.pop()


class Waiting:
    """An app whose calls wait to be let go, and then answer with their target."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.cancelled: list[bytes] = []
        self.asked = asyncio.Event()
        self._gates: list[asyncio.Event] = []

    async def __call__(self, exchange: Exchange) -> None:
        target = exchange.head.target
        self.begun.append(target)
        self._gates.append(asyncio.Event())
        self.asked.set()
        try:
            await self._gates[-1].wait()
        except asyncio.CancelledError:
            self.cancelled.append(target)
            raise
        exchange.send(200, b"", target)

    async def let_go(self) -> None:
        self._gates[-1].set()
        await settle()


async def echo(exchange: Exchange) -> None:
    try:
        exchange.send(200, b"", exchange.head.target + await exchange.body(10**6))
    except CallerError as error:
        exchange.send(error.status, b"", b"")


def statuses(line: Line) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", line.written)]
