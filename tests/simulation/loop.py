"""An event loop on virtual time: when nothing is ready, time jumps to the next timer. No I/O, no threads, the same from the same seed.

Connections run between ends in memory (`pipes.py`): `create_server` listens at an address that only this loop knows, and
`create_connection` finds it there. What would run in a thread runs here, a seeded while later.
"""

import asyncio
import contextvars
import selectors
import socket
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from tests.simulation.pipes import Pipe, Weather

Result = TypeVar("Result")

STEPS = 60_000
"""Turns of the loop that a world may take: one that lives on without coming to an end fails instead of hanging."""
RESOLUTION = 1e-7
THREAD_SECONDS = 0.004
"""The longest that a thread takes for a piece of work."""
EPOCH = 1_795_000_000.0
"""Unix time at which every world begins."""

LIFE: contextvars.ContextVar["Mortal | None"] = contextvars.ContextVar("LIFE", default=None)
"""To whom the code that runs belongs: a gate's life, or nobody's."""


class Stuck(AssertionError):
    """The world does not come to an end."""


class Mortal:
    """Somebody whose timers end with it, and whose connections then break."""

    dead: bool
    tasks: list["asyncio.Task[Any]"]
    """What was begun in its name."""


class _Time(selectors.BaseSelector):
    """In the place of a selector: waiting makes time pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.steps += 1
        if self.steps > STEPS:
            raise Stuck(f"{STEPS} turns of the loop, and no end")
        if timeout is None:
            raise Stuck("nobody is ready and nobody waits for a time")
        self.now += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise NotImplementedError

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise NotImplementedError

    def get_map(self) -> dict[Any, selectors.SelectorKey]:
        return {}


class VirtualClock:
    """The Clock of everybody in a world."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def time(self) -> float:
        return EPOCH + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()


class Listener:
    """An address where somebody may listen. Stands for a listening socket: any of those that serve it gets a connection."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.served: list[_Server] = []
        # A socket is duplicated, to be served in another way later.
        self.dup: Callable[[], Listener] = lambda: self
        self.mood: Callable[[], float] = lambda: 0.0
        """Asked at every connection: seconds that it takes longer; raises OSError where it is refused."""

    def close(self) -> None:
        """Whoever held it lets go of it."""


class _Server:
    """What `create_server` gives back."""

    def __init__(self, listener: Listener, made: Callable[[], Any], life: Mortal | None) -> None:
        self.made = made
        self.life = life
        self.taken = contextvars.copy_context()
        self._listener = listener
        listener.served.append(self)

    def close(self) -> None:
        if self in self._listener.served:
            self._listener.served.remove(self)


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module. Everything that is chosen is chosen by `dice`."""

    def __init__(self, dice: Random) -> None:
        super().__init__()
        self._selector = self._time = _Time()
        self._clock_resolution = RESOLUTION
        self._dice = dice
        self._names: dict[str, list[str]] = {}
        self._places: dict[str, Listener] = {}
        self.weather = Weather(dice)
        self.pipes: list[Pipe] = []
        self.forgets = 0.0
        """How many names are not found."""
        self.faults: list[BaseException | str] = []
        """What the loop was told of and nobody caught."""
        self.set_exception_handler(self._note)
        self.set_task_factory(self._task)
        self.nobody = contextvars.Context()
        """Where nobody's life is."""

    # Time.

    def time(self) -> float:
        return self._time.now

    @property
    def steps(self) -> int:
        """Turns so far."""
        return self._time.steps

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        raise AssertionError("a thread in a world without threads")

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        life = LIFE.get() if context is None else context.get(LIFE)
        if life is not None and life.dead:
            timer.cancel()
        return timer

    def run_in_executor(self, executor: Any, func: Callable[..., Result], *args: Any) -> asyncio.Future[Result]:  # type: ignore[override]
        """Run it here, a while later."""
        done: asyncio.Future[Result] = self.create_future()
        life = LIFE.get()

        def run() -> None:
            if life is not None and life.dead:
                return
            try:
                result = func(*args)
            except Exception as error:
                if not done.cancelled():
                    done.set_exception(error)
            else:
                if not done.cancelled():
                    done.set_result(result)

        self.call_later(self._dice.uniform(0.0, THREAD_SECONDS), run)
        return done

    def _note(self, loop: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
        life = LIFE.get()
        if life is None or not life.dead:
            self.faults.append(told.get("exception") or str(told["message"]))

    @staticmethod
    def _task(loop: asyncio.AbstractEventLoop, work: Any, **words: Any) -> "asyncio.Task[Any]":
        task = asyncio.Task(work, loop=loop, **words)
        life = LIFE.get()
        if life is not None:
            life.tasks.append(task)
        return task

    # The network.

    def break_off(self, life: Mortal) -> None:
        """Its process is gone: nobody listens in its name, and its connections break."""
        for listener in self._places.values():
            listener.served = [server for server in listener.served if server.life is not life]
        for pipe in self.pipes:
            for end in (pipe.near, pipe.far):
                if end.life is life:
                    end.die()

    def name(self, host: str, *addresses: str) -> None:
        """Have a name resolve to these addresses."""
        self._names[host] = list(addresses)

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> list[Any]:
        await asyncio.sleep(self._dice.uniform(0.0, THREAD_SECONDS))
        found = self._names.get(host)
        if not found or self._dice.random() < self.forgets:
            raise socket.gaierror(socket.EAI_NONAME, "the name is not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in found]

    def place(self, address: str) -> Listener:
        """The listener of an address, made when first asked for."""
        if address not in self._places:
            self._places[address] = Listener(address)
        return self._places[address]

    def places(self) -> list[Listener]:
        """Every address that anybody has asked for."""
        return list(self._places.values())

    def serve(self, listener: Listener, made: Callable[[], Any]) -> _Server:
        """Have `made` serve the connections to a listener from now on, in the name of whoever asks."""
        return _Server(listener, made, LIFE.get())

    async def create_server(self, protocol_factory: Any, *_: Any, sock: Any = None, **__: Any) -> Any:
        assert isinstance(sock, Listener), "a world has no sockets"
        return self.serve(sock, protocol_factory)

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> tuple[Any, Any]:
        """Connect to whoever listens at `host:port`. Raises ConnectionRefusedError."""
        pipe = Pipe(self, self.weather, LIFE.get())
        listener = self.place(f"{host}:{port}")
        await asyncio.sleep(pipe.latency() + listener.mood())
        served = listener.served
        if not served:
            raise ConnectionRefusedError(111, "Connection refused")
        server = self._dice.choice(served)
        pipe.taken_by(server.life, server.taken)
        self.pipes.append(pipe)
        protocol = protocol_factory()
        pipe.near.carry(protocol)
        # The other side learns of it in its own name, a moment later.
        self.call_soon(self._accept, pipe, server, context=server.taken)
        return pipe.near, protocol

    @staticmethod
    def _accept(pipe: Pipe, server: _Server) -> None:
        if not (server.life is not None and server.life.dead):
            pipe.far.carry(server.made())


def run(loop: VirtualLoop, work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, and close the loop."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
