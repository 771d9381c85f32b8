"""The life of a child that serves a socket: it says when it is ready, obeys the supervisor, and finishes its calls before it ends.

It leaves when it is told to, on SIGTERM or SIGINT, and when the supervisor is gone.
"""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from durward.calls.errors import DurwardError, GateError
from durward.server.control import refusal
from durward.server.edge import Edge
from durward.server.pair import Message, Pair, join

DRAIN_SECONDS = 10.0
"""How long the calls may take where nobody says so."""
WORD_SECONDS = 1.0
"""How long a signal waits for the supervisor's word."""
UNCOLLECTED = 20_000
"""Objects that calls may have made and not given back before the collector looks for cycles: hundreds of calls at once have so many."""

Obey = Callable[[Message], Awaitable[Message]]


class Leave(NamedTuple):
    """How to leave: `delay` seconds go on accepting, so that whoever sends callers here can learn of it, then give the calls `seconds`."""

    seconds: float
    delay: float = 0.0
    succeeded: bool = False
    """Whether another accepts callers at this address already."""


class Life:
    """One life. `obey` does a command and answers it, or raises DurwardError; `begin` runs work beside the calls as long as they last."""

    def __init__(self, name: str, obey: Obey) -> None:
        self._log = logging.getLogger(name)
        self._obey = obey
        self.on_heard: Callable[[Any], None] | None = None
        """Called with what other gates tell."""
        self._pair: Pair | None = None
        self._leave: asyncio.Queue[Leave] = asyncio.Queue()
        self._told = False
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Run work until the last call has ended."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def start(self, edge: Edge, pair_end: socket.socket, listener: socket.socket) -> None:
        """Serve, and say so."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signal)
        await edge.listen(listener)
        self._pair = pair = await join(pair_end, self._hear)
        self.begin(self._notice_orphaned(pair))
        # All that the start has made stays for the life of the process: out of the collector's sight with it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(UNCOLLECTED)
        pair.send({"event": "ready"})

    def tell(self, what: Any) -> None:
        """Let the other gates hear something, if all goes well."""
        if self._pair is not None:
            self._pair.mention({"event": "told", "what": what})

    def _signal(self) -> None:
        # Whoever signals a whole group also signals the supervisor, which says how long the calls may take.
        asyncio.get_running_loop().call_later(WORD_SECONDS, self._leave_untold)

    def _leave_untold(self) -> None:
        if not self._told:
            self._leave.put_nowait(Leave(DRAIN_SECONDS))

    async def leaving(self) -> Leave:
        """Wait until it is time to leave."""
        return await self._leave.get()

    async def linger(self, leave: Leave) -> float:
        """Let `delay` pass while calls come and go. Answers how many seconds they may take then; asked again, only less counts."""
        loop = asyncio.get_running_loop()
        seconds, until = leave.seconds, loop.time() + leave.delay
        while (left := until - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    asked = await self._leave.get()
            except TimeoutError:
                break
            seconds, until = min(seconds, asked.seconds), min(until, loop.time() + asked.delay)
        return seconds

    async def drain(self, edge: Edge, seconds: float, *, succeeded: bool = False) -> None:
        """Let the calls finish. Whoever asks again hurries us only by granting less time: a stop may reach us by several ways."""
        draining = asyncio.ensure_future(edge.drain(seconds, patient=succeeded))
        while not draining.done():
            asked = asyncio.ensure_future(self._leave.get())
            waited_for: list[asyncio.Future[Any]] = [draining, asked]
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                asked.cancel()
            elif asked.result().seconds < seconds:
                draining.cancel()
                seconds = asked.result().seconds
                draining = asyncio.ensure_future(edge.drain(seconds))
        await draining
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def close(self) -> None:
        """Let go of the pair."""
        if self._pair is not None:
            self._pair.close()

    def _hear(self, message: Message) -> None:
        if message.get("do") == "drain":
            self._told = True
            leave = Leave(float(message["seconds"]), float(message.get("delay", 0)), bool(message.get("succeeded")))
            self._leave.put_nowait(leave)
        elif message.get("do") == "ping":
            self._say({}, message)
        elif message.get("do") == "hear":
            if self.on_heard is not None:
                self.on_heard(message.get("what"))
        else:
            self.begin(self._answer(message))

    async def _answer(self, message: Message) -> None:
        try:
            answer = await self._obey(message)
        except DurwardError as error:
            answer = refusal(error)
        except Exception:
            # A bug, or a machine without descriptors; whoever asked must not wait for an answer that never comes.
            self._log.exception("a command failed")
            answer = refusal(GateError("The command failed; the log says why."))
        self._say(answer, message)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("work beside the calls failed", exc_info=error)

    def _say(self, answer: Message, to: Message) -> None:
        if self._pair is not None:
            self._pair.send({**answer, "id": to.get("id")})

    async def _notice_orphaned(self, pair: Pair) -> None:
        await pair.gone.wait()
        self._log.warning("the supervisor is gone; finishing the calls under way")
        self._leave.put_nowait(Leave(DRAIN_SECONDS))
