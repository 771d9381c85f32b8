"""One child of the supervisor: started, watched, spoken to, started again, ended. Standard library only."""

import asyncio
import itertools
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from durward.calls.errors import DurwardError, GateError
from durward.server.launch import hand
from durward.server.pair import Message, Pair, join

log = logging.getLogger("supervisor")

STABLE_SECONDS = 1.0
FIRST_SECONDS, LONGEST_SECONDS = 0.1, 5.0
READY_SECONDS = 60.0
FORCE_SECONDS = 2.0
ASKED_AT_ONCE = 4
"""So many questions of a child are answered together; more are told so."""
PULSE_SECONDS, SILENT_SECONDS = 5.0, 30.0
HARMLESS = frozenset(
    (
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "TMPDIR",
        "TZ",
        "USER",
        "VIRTUAL_ENV",
        "NO_COLOR",
        "TERM",
        "COLUMNS",
        "COLORTERM",
    )
)
HARMLESS_PREFIXES = ("LC_", "PYTHON", "LD_", "DYLD_")
ALLOCATOR = {
    # What is larger is given back at once when it is freed; what is smaller stays where it can be used again.
    "MALLOC_MMAP_THRESHOLD_": str(512 * 1024),
    # So much free memory at the end of the heap is kept. glibc's own 128 KiB are less than one large prompt takes, so that every
    # such call gave its pages back and faulted them in again.
    "MALLOC_TRIM_THRESHOLD_": str(8 * 1024 * 1024),
}
"""How glibc's allocator is set in what carries calls. Other allocators do not read it."""

Answer = Callable[[Message], Awaitable[Message]]


def bare_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a child that presents no credential needs of the environment."""
    return {k: v for k, v in environment.items() if k in HARMLESS or k.startswith(HARMLESS_PREFIXES)}


def gate_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The whole environment, and the allocator set for bodies, unless the operator has set anything of it."""
    told = "GLIBC_TUNABLES" in environment or any(name.startswith("MALLOC_") for name in environment)
    return {**environment} if told else {**environment, **ALLOCATOR}


class Program(NamedTuple):
    """What to run: `python -m module PAIR FD…`, where PAIR is the child's end of the socket pair."""

    name: str
    module: str
    fds: tuple[int, ...] = ()
    vital: bool = False
    """Whether it must get ready in its first life, else nothing is kept running."""
    secrets: bool = False
    """Whether it needs the whole environment, because credentials are named there."""
    words: tuple[str, ...] = ()
    """What stands behind the descriptors."""
    takes: bool = False
    """Whether it takes descriptors while it runs; they come by way of a second socket pair, whose end stands behind PAIR."""


class Backoff:
    """How long to wait before a child is started again: not at all, unless it keeps ending before it is ready."""

    def __init__(self) -> None:
        self._early = 0

    def delay(self, ready_for: float | None) -> float:
        """Seconds to wait, after a life that had been ready for so many seconds (None: never)."""
        if ready_for is not None and ready_for >= STABLE_SECONDS:
            self._early = 0
            return 0.0
        self._early += 1
        return 0.0 if self._early == 1 else min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._early - 2, 16))


class Child:
    """A child process that is started again whenever it ends, until it is told to end."""

    def __init__(self, program: Program, answer: Answer | None = None) -> None:
        """`answer` does what the child asks of us; what takes time there holds up nothing else."""
        self.name = program.name
        self.pid: int | None = None
        self.ready = asyncio.Event()
        self.on_told: Callable[[Any], None] | None = None
        """Called with what the child tells unasked; it is not ours to understand."""
        self._fds = program.fds
        self._program = program
        self._handing: socket.socket | None = None
        self._pair: Pair | None = None
        self._ready_since: float | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._ending = False
        self.lives = 0
        """How often it was started."""
        self._answer = answer
        self._answering: set[asyncio.Task[None]] = set()
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._numbers = itertools.count()

    def start(self) -> "asyncio.Task[None]":
        """Keep the program running. The task ends when the child does after `end`, or where its first life never got ready."""
        self._ending = False
        self._keeping = asyncio.ensure_future(self._keep())
        return self._keeping

    async def ask(self, message: Message, seconds: float) -> Message:
        """Say something to the child and wait for its answer. Raises GateError `stopping` if it ends first, TimeoutError."""
        async with asyncio.timeout(seconds):
            await self.ready.wait()
            number = next(self._numbers)
            answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            self._asked[number] = answer
            try:
                self._say({**message, "id": number})
                return await answer
            finally:
                del self._asked[number]

    async def give(self, fd: int, message: Message, seconds: float) -> Message:
        """As `ask`, with a descriptor that belongs to the message, for a program that `takes` them. Raises OSError besides."""
        async with asyncio.timeout(seconds):
            await self.ready.wait()
        if self._handing is None:
            raise GateError(f"The {self.name} ended before it answered.", reason="stopping")
        hand(self._handing, fd)
        return await self.ask(message, seconds)

    def replace(self, old: int, new: int) -> None:
        """Give its next life another descriptor."""
        self._fds = tuple(new if fd == old else fd for fd in self._fds)

    async def end(self, seconds: float, delay: float = 0.0, *, succeeded: bool = False) -> None:
        """Tell the child to go on for `delay`, then to finish within `seconds`; end it by force a little later.

        `succeeded`: another is in its place already. A second call with less time hurries it.
        """
        self._ending = True
        if self._keeping is None:
            return
        if self.pid is None:
            self._keeping.cancel()
        self._say({"do": "drain", "seconds": seconds, "delay": delay, "succeeded": succeeded})
        await asyncio.wait([self._keeping], timeout=delay + seconds + FORCE_SECONDS)
        if self.pid is not None:
            log.warning("%s did not end in time; ending it by force", self.name)
            self.kill()
            await asyncio.wait([self._keeping])

    async def _keep(self) -> None:
        backoff = Backoff()
        lived = not self._program.vital
        while True:
            ended, ready_for = await self._live()
            if self._ending or (ready_for is None and not lived):
                return
            lived = True
            delay = backoff.delay(ready_for)
            log.warning("%s %s; starting it again%s", self.name, ended, f" in {delay:.1f} s" if delay else "")
            await asyncio.sleep(delay)

    async def _live(self) -> tuple[str, float | None]:
        """One life: how it ended, and for how many seconds the child had been ready, None for never."""
        try:
            process, pair = await self._spawn()
        except OSError as error:
            return f"could not be started ({error})", None
        self.pid = process.pid
        self._pair = pair
        self.lives += 1
        pulse = asyncio.ensure_future(self._watch_pulse())
        try:
            ended = _ending(await process.wait())
            return ended, None if self._ready_since is None else time.monotonic() - self._ready_since
        finally:
            pulse.cancel()
            self._forget()
            pair.close()
            await pair.gone.wait()

    async def _spawn(self) -> tuple[asyncio.subprocess.Process, Pair]:
        ours, theirs = socket.socketpair()
        handing, taking = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with theirs, taking:
            fds = (theirs.fileno(), *([taking.fileno()] if self._program.takes else []), *self._fds)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", self._program.module, *map(str, fds), *self._program.words),
                pass_fds=fds,
                start_new_session=True,  # Ctrl-C in a terminal reaches the supervisor alone.
                stdin=asyncio.subprocess.DEVNULL,
                env=(gate_environment if self._program.secrets else bare_environment)(os.environ),
            )
        self._handing = handing
        return process, await join(ours, self._hear)

    def _forget(self) -> None:
        self.pid = self._ready_since = None
        self._pair = None
        if self._handing is not None:
            self._handing.close()
            self._handing = None
        self.ready.clear()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(GateError(f"The {self.name} ended before it answered.", reason="stopping"))

    async def _watch_pulse(self) -> None:
        """End a child by force that is not ready in time, or no longer answers."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self.ready.wait()
            while True:
                await asyncio.sleep(PULSE_SECONDS)
                await self.ask({"do": "ping"}, SILENT_SECONDS)
        except TimeoutError:
            log.error("%s (pid %s) does not answer; ending it by force", self.name, self.pid)
            self.kill()

    def _hear(self, message: Message) -> None:
        if "ask" in message:
            self._hear_asked(message)
            return
        if message.get("event") == "told":
            if self.on_told is not None:
                self.on_told(message.get("what"))
            return
        if message.get("event") == "ready":
            self._ready_since = time.monotonic()
            self.ready.set()
            if self.lives > 1:
                log.info("%s is ready again (pid %s)", self.name, self.pid)
        answer = self._asked.get(message.get("id", -1))
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _hear_asked(self, message: Message) -> None:
        if self._answer is None or len(self._answering) >= ASKED_AT_ONCE:
            self._say({"to": message["ask"], "error": "not now"})
            return
        task = asyncio.ensure_future(self._reply(self._answer, message))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _reply(self, answer: Answer, message: Message) -> None:
        try:
            answered = await answer(message)
        except DurwardError as error:
            answered = {"error": error.message}
        self._say({**answered, "to": message["ask"]})

    def mention(self, message: Message) -> None:
        """Say what needs no answer and may be dropped: it is, unless the child is ready and reads."""
        if self._pair is not None and self.ready.is_set():
            self._pair.mention(message)

    def _say(self, message: Message) -> None:
        if self._pair is not None:
            self._pair.send(message)

    def kill(self) -> None:
        """End this life by force."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def _ending(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
