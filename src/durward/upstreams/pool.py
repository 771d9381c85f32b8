"""The pool: keep-alive connections an origin, bounded, watched by one coarse tick."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from durward.calls.errors import GateError, UpstreamError
from durward.calls.origin import Origin, Timeouts
from durward.calls.ports import Clock
from durward.calls.retries import RetryBudget, RetryBudgets
from durward.upstreams.answer import Answer, Holding
from durward.upstreams.connection import TICK, Batch, Body, Connection, Ticks, as_given
from durward.upstreams.dialing import Dialer, Factory, unreachable
from durward.upstreams.proxying import OutboundProxy
from durward.upstreams.resolution import Names
from durward.upstreams.stale import Stale

Dial = Callable[[Origin, Factory], Awaitable[Connection]]


class Bounds:
    """Of one origin: connections that may idle, connections in all, calls that may wait for one."""

    __slots__ = ("connections", "idle", "waiting")

    def __init__(self, idle: int = 1024, connections: int = 10_000, waiting: int = 1024) -> None:
        self.idle = idle
        self.connections = connections
        self.waiting = waiting


BOUNDS: Final = Bounds()


class Counts:
    """What a pool has done since it was made.

    `reused`: exchanges begun on a connection that had carried one; `retried`: those of them that had to be begun again on another;
    `refused`: calls that got no connection because of a bound.
    """

    __slots__ = ("opened", "refused", "retried", "reused")

    def __init__(self) -> None:
        self.opened = 0
        self.reused = 0
        self.retried = 0
        self.refused = 0


class _Wait:
    """One task waits, until `deadline`, for a connection, or for leave to open one (None)."""

    __slots__ = ("deadline", "error", "future")

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline: float, error: Exception) -> None:
        self.future: asyncio.Future[Connection | None] = loop.create_future()
        self.deadline = deadline
        self.error = error

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def unclaimed(self) -> bool:
        """True where something was given and its taker was cancelled before it could take it."""
        return self.future.done() and not self.future.cancelled() and self.future.exception() is None


class OriginPool:
    """All connections to one origin; what is sent through it cannot go elsewhere."""

    def __init__(
        self, origin: Origin, dial: Dial, bounds: Bounds, ticks: Ticks, counts: Counts, retries: RetryBudget
    ) -> None:
        self.way: Callable[[Origin], str] = _directly
        """What an error says of the way to the origin."""
        self.retries = retries
        self._origin = origin
        self._name = f"{origin.host}:{origin.port}"
        self._dial = dial
        self._bounds = bounds
        self._ticks = ticks
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._connections: dict[Connection, None] = {}  # the one that was opened first first
        self.idle: list[Connection] = []
        """The most lately used last; it is taken first, so that the others can expire."""
        self.connecting = 0
        self._queue: dict[_Wait, None] = {}
        self._dials: dict[_Wait, None] = {}

    @property
    def active(self) -> int:
        return len(self._connections) - len(self.idle)

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def take(self) -> Connection | None:
        """An idle connection, no longer idle. Those whose time is up are gone since the last tick."""
        if not self.idle:
            return None
        self._counts.reused += 1
        return self.idle.pop()

    async def acquire(self, seconds: float) -> Connection:
        """A connection that is free now, or freed or opened within `seconds`.

        Raises UpstreamError `upstream_unreachable`, GateError `overloaded` where a bound stands in the way.
        """
        if len(self._connections) + self.connecting >= self._bounds.connections:
            freed = await self._queued(seconds)
            if freed is not None:
                self._counts.reused += 1
                return freed
        else:
            self.connecting += 1
        try:
            connection = await self._opened(seconds)
            self._counts.opened += 1
            if not connection.closed:
                self._connections[connection] = None
            return connection
        finally:
            self.connecting -= 1
            self._grant()

    def release(self, connection: Connection) -> None:
        """Its exchange is over: whoever waits first gets it, else it idles."""
        wait = self._next_waiting()
        if wait is not None:
            wait.future.set_result(connection)
            return
        connection.deadline = self._ticks.now + connection.idle_seconds
        self.idle.append(connection)
        if len(self.idle) > self._bounds.idle:
            self.idle[0].abort()

    def gone(self, connection: Connection) -> None:
        """It is closed: whoever waits first may open another."""
        if connection in self._connections:
            del self._connections[connection]
            if connection in self.idle:
                self.idle.remove(connection)
            self._grant()

    def tick(self) -> None:
        """Act on every deadline that has passed."""
        now = self._ticks.now
        for connection in [each for each in self._connections if each.deadline <= now]:
            connection.expire()
        for wait in [each for each in (*self._queue, *self._dials) if each.deadline <= now]:
            wait.fail(wait.error)

    def close(self, error: UpstreamError) -> None:
        """End everything at once; who waits gets `error`."""
        for wait in (*self._queue, *self._dials):
            wait.fail(error)
        for connection in list(self._connections):
            connection.fail(error)

    def in_use(self) -> bool:
        return bool(self._connections or self.connecting or self._queue)

    def _next_waiting(self) -> _Wait | None:
        while self._queue:
            wait = next(iter(self._queue))
            del self._queue[wait]
            if not wait.future.done():
                return wait
        return None

    def _grant(self) -> None:
        """Give leave to open connections, as far as the bound allows."""
        while self._queue and len(self._connections) + self.connecting < self._bounds.connections:
            wait = self._next_waiting()
            if wait is not None:
                self.connecting += 1
                wait.future.set_result(None)

    async def _queued(self, seconds: float) -> Connection | None:
        text = f"All {self._bounds.connections} connections to {self._name} are in use."
        if len(self._queue) >= self._bounds.waiting:
            self._counts.refused += 1
            raise GateError(text, reason="overloaded")
        wait = _Wait(self._loop, self._ticks.after(seconds), GateError(text, reason="overloaded"))
        self._queue[wait] = None
        try:
            return await wait.future
        except asyncio.CancelledError:
            if wait.unclaimed():
                self._take_back(wait.future.result())
            raise
        except GateError:
            self._counts.refused += 1
            raise
        finally:
            self._queue.pop(wait, None)

    def _take_back(self, unclaimed: Connection | None) -> None:
        if unclaimed is None:
            self.connecting -= 1
            self._grant()
        elif not unclaimed.closed:
            self.release(unclaimed)

    async def _opened(self, seconds: float) -> Connection:
        late = unreachable(self._origin, f"no connection{self.way(self._origin)} in {seconds:g} s")
        wait = _Wait(self._loop, self._ticks.after(seconds), late)
        dialing = self._loop.create_task(self._dialed())

        def settle(dialing: asyncio.Task[Connection]) -> None:
            error = None if dialing.cancelled() else dialing.exception()
            if wait.future.done():
                _close_unused(dialing)
            elif dialing.cancelled():
                wait.future.cancel()
            elif error is not None:
                wait.future.set_exception(error)
            else:
                wait.future.set_result(dialing.result())

        dialing.add_done_callback(settle)
        self._dials[wait] = None
        try:
            connection = await wait.future
            assert connection is not None
            return connection
        except asyncio.CancelledError:
            if wait.unclaimed():
                _close_unused(dialing)
            raise
        finally:
            self._dials.pop(wait, None)
            dialing.cancel()

    async def _dialed(self) -> Connection:
        return await self._dial(self._origin, lambda: Connection(self._name, self, self._ticks, self._loop))


def _directly(origin: Origin) -> str:
    return ""


def _close_unused(dialing: asyncio.Task[Connection]) -> None:
    if not dialing.cancelled() and dialing.exception() is None:
        dialing.result().abort()


class PooledUpstreams:
    """The `Upstreams` port over real connections. Used from one event loop, which it needs only from the first `send` on."""

    def __init__(
        self,
        clock: Clock,
        ca_file: str | None = None,
        bounds: Bounds = BOUNDS,
        dial: Dial | None = None,
        batch: Batch | None = None,
        budgets: RetryBudgets | None = None,
    ) -> None:
        """`budgets` are those of whoever else tries upstreams again."""
        self._budgets = budgets or RetryBudgets()
        self.counts = Counts()
        self._clock = clock
        self._bounds = bounds
        self._dialer = Dialer(Names(clock), ca_file)
        self._dial = dial or self._dialer.dial
        self._ticks = Ticks(clock.monotonic(), batch or as_given)
        self._pools: dict[Origin, OriginPool] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def send(
        self,
        origin: Origin,
        head: bytes,
        body: Body,
        timeouts: Timeouts,
        confirm: Callable[[], None] | None = None,
    ) -> Answer:
        """See `Upstreams.send`. Raises GateError `overloaded`, `stopping` besides, and whatever `body` and `confirm` raise."""
        if self._timer is None:
            self._start()
        pool = self._pools.get(origin) or self._pool(origin)
        connection = pool.take() or await self._confirmed(pool, timeouts.connect, confirm)
        replayable = isinstance(body, bytes)
        while True:
            waiter = connection.exchange(head, body, timeouts)
            try:
                return await waiter
            except asyncio.CancelledError:
                connection.give_up(waiter)
                raise
            except Stale:
                if not replayable or not pool.retries.take(self._ticks.now):
                    raise
            # Nothing of an answer came, and this connection had served before: it was closed while it idled. Once more, once.
            replayable = False
            self.counts.retried += 1
            connection = await self._confirmed(pool, timeouts.connect, confirm)

    @staticmethod
    async def _confirmed(pool: OriginPool, seconds: float, confirm: Callable[[], None] | None) -> Connection:
        """A connection that had to be waited for, if the call may still go."""
        connection = await pool.acquire(seconds)
        try:
            if confirm is not None:
                confirm()
        except GateError:
            if not connection.closed:
                pool.release(connection)
            raise
        return connection

    @property
    def holding(self) -> Holding:
        """What is held of answers that are read whole, and its bound."""
        return self._ticks.holding

    def trust(self, ca_file: str | None) -> None:
        """Trust the authorities of this file besides the system's; holds for connections that are opened from now on."""
        self._dialer.trust(ca_file)

    def go_through(self, proxy: OutboundProxy | None) -> None:
        """Reach origins through this proxy, None: directly; holds for connections that are opened from now on."""
        self._dialer.go_through(proxy)

    def tick(self) -> None:
        """Look at every deadline. The event loop calls it while there is anything to look at."""
        self._ticks.now = self._clock.monotonic()
        for origin, pool in list(self._pools.items()):
            pool.tick()
            if not pool.in_use():
                del self._pools[origin]

    def pools(self) -> list[dict[str, str | int]]:
        """How the connections to each origin stand, for metrics."""
        return [
            {
                "origin": f"{origin.host}:{origin.port}",
                "active": pool.active,
                "idle": len(pool.idle),
                "connecting": pool.connecting,
                "waiting": pool.waiting,
            }
            for origin, pool in self._pools.items()
        ]

    def close(self) -> None:
        """Close every connection at once; calls in progress end with `upstream_cut`, later ones with `stopping`."""
        self._closed = True
        for pool in list(self._pools.values()):
            pool.close(UpstreamError("The gate is stopping.", reason="upstream_cut"))
        self._pools.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __repr__(self) -> str:
        pools = self._pools.values()
        text = f"{sum(pool.active for pool in pools)} active, {sum(len(pool.idle) for pool in pools)} idle"
        if connecting := sum(pool.connecting for pool in pools):
            text += f", {connecting} connecting"
        if waiting := sum(pool.waiting for pool in pools):
            text += f", {waiting} waiting"
        return text

    def _pool(self, origin: Origin) -> OriginPool:
        pool = self._pools[origin] = OriginPool(
            origin, self._dial, self._bounds, self._ticks, self.counts, self._budgets.of(origin)
        )
        pool.way = self._dialer.way
        return pool

    def _start(self) -> None:
        if self._closed:
            raise GateError("The gate is stopping.", reason="stopping")
        self._ticks.now = self._clock.monotonic()
        self._timer = asyncio.get_running_loop().call_later(TICK, self._on_timer)

    def _on_timer(self) -> None:
        self.tick()
        self._timer = asyncio.get_running_loop().call_later(TICK, self._on_timer) if self._pools else None
