"""The HTTP/1.1 edge: accepts callers, hands every request to the app as an Exchange, keeps time for all of them, and drains."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from durward.calls.ports import Clock
from durward.server.accepting import Acceptor, Entry
from durward.server.bounds import Bounds
from durward.server.connection import App, Batch, Connection, OnRefused, Shared, TurnsAway
from durward.server.shares import Shares
from durward.server.turn import Turn

TICK: Final = 0.5
"""Seconds between two looks at all connections. One timer serves them all; deadlines are exact to about this."""
BACKLOG: Final = 4096
SAVING_SECONDS: Final = 5.0
"""How long an idle connection is kept while memory is short."""
AT_ONCE: Final = 16
"""Callers accepted in one turn of the loop. uvloop accepts one a server and turn: with turns of a tenth of a second that is ten a second,
and whoever is not connected yet, a health check too, would wait behind all the others."""
CANCEL_SECONDS: Final = 1.0
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Edge:
    """Serves `app` on one or more listening sockets; make it inside the running loop.

    `app` gets one Exchange a request, in a task of its own, which is cancelled when the caller hangs up. `on_refused(reason, peer)` is
    told of every request that the edge had to answer itself.
    """

    def __init__(
        self, app: App, clock: Clock, bounds: Bounds, on_refused: OnRefused, batch: Batch | None = None
    ) -> None:
        self._clock = clock
        self._shared = Shared(app, bounds, on_refused, batch or Turn().callers)
        self._shared.date = date_line(clock.time())
        self._last = clock.monotonic()
        self._entry = Entry()
        self._shares: Shares | None = None
        self._listeners: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._acceptors: list[Acceptor] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """How many callers are connected."""
        return len(self._shared.connections)

    @property
    def calls(self) -> int:
        """How many calls are in progress."""
        return len(self._shared.calls)

    @property
    def body_bytes(self) -> int:
        """How many bytes of request bodies are held."""
        return self._shared.memory.held

    def bound(self, bounds: Bounds) -> None:
        """Grant from now on what these say. What is in use already stays so."""
        shared = self._shared
        shared.bounds = bounds
        shared.memory.limit = bounds.body_memory
        shared.most_calls = bounds.calls

    def ask_first(self, turns_away: TurnsAway) -> None:
        """Ask this of a call before it begins, where not all may."""
        self._shared.turns_away = turns_away

    def press(self, saves: bool, parts: bool, sheds: bool) -> None:
        """Keep idle connections only a few seconds; end every connection with its answer; ask of each call whether it may begin."""
        shared = self._shared
        shared.parts, shared.sheds = parts, sheds
        if shared.draining:
            return
        before, most = shared.idle_seconds, shared.bounds.idle_seconds
        shared.idle_seconds = min(SAVING_SECONDS, most) if saves else most
        if shared.idle_seconds < before:
            for connection in shared.connections:
                connection.say_farewell()

    def connect(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(self._shared)

    def share(self, shares: Shares) -> None:
        """Accept by turns with other processes that listen on the same sockets; to be said before `listen`."""
        self._shares = shares

    def guard(self, entry: Entry) -> None:
        """Have this done before HTTP, of all who connect from now on. Who is connected stays so."""
        self._entry = entry
        for acceptor in self._acceptors:
            acceptor.entry = entry
        if entry != Entry():
            for server in self._servers:
                server.close()
            self._servers.clear()
            while self._listeners:
                self._acceptors.append(Acceptor(self._listeners.pop(), entry, self._shared, self._shares))

    async def listen(self, listener: socket.socket) -> None:
        """Accept callers on a listening socket, and begin to keep time."""
        if self._entry != Entry() or self._shares is not None:
            self._acceptors.append(Acceptor(listener, self._entry, self._shared, self._shares))
        else:
            made: Callable[[], Any] = self.connect  # an asyncio protocol by its methods, not by its base
            self._listeners.append(listener)
            for _ in range(AT_ONCE):
                server = await self._shared.loop.create_server(made, sock=listener.dup(), backlog=BACKLOG)
                self._servers.append(server)
        if self._timer is None:
            self._timer = self._shared.loop.call_later(TICK, self._beat)

    def _beat(self) -> None:
        self._timer = self._shared.loop.call_later(TICK, self._beat)
        self.tick()

    def tick(self) -> None:
        """Look at every deadline.

        After a pause of the whole process no more than a second counts as passed: the callers have not been slow, we have.
        """
        shared = self._shared
        now = self._clock.monotonic()
        elapsed = min(now - self._last, 2 * TICK)
        self._last = now
        shared.now += elapsed
        shared.date = date_line(self._clock.time())
        for acceptor in self._acceptors:
            acceptor.tick()
        for connection in list(shared.connections):
            connection.tick(elapsed)

    async def drain(self, seconds: float, *, patient: bool = False) -> None:
        """Accept nobody, end every connection with the answer in hand, and wait for the calls; after `seconds` cancel what is left.

        `patient`: connections that idle are left to end with their next answer, as callers would notice nothing of.
        """
        shared = self._shared
        shared.draining = True
        if not patient:
            shared.idle_seconds = shared.bounds.farewell_seconds
        for server in self._servers:
            server.close()
        for acceptor in self._acceptors:
            acceptor.close()
        while self._listeners:
            self._listeners.pop().close()
        for connection in shared.connections:
            connection.say_farewell()
        try:
            async with asyncio.timeout(seconds):
                while shared.connections or shared.calls or shared.admitting:
                    shared.changed.clear()
                    await shared.changed.wait()
        except TimeoutError:
            await self._cut_off()
        if self._timer is not None:
            self._timer.cancel()

    async def _cut_off(self) -> None:
        shared = self._shared
        calls = [*shared.calls, *shared.admitting]
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls, timeout=CANCEL_SECONDS)
        for connection in list(shared.connections):
            connection.transport.abort()


def date_line(seconds: float) -> bytes:
    """The Date of an answer (RFC 9110 §5.6.7) at a Unix time."""
    at = time.gmtime(seconds)
    day, month = DAYS[at.tm_wday], MONTHS[at.tm_mon - 1]
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"Date: {day}, {at.tm_mday:02} {month} {at.tm_year} {clock} GMT\r\n".encode()
