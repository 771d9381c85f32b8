"""One life of a gate: the real call path over the world's loop, clock, dice and disk; it begins, changes, drains, or is killed."""

import asyncio
import contextlib
import os
from pathlib import Path
from random import Random

from durward.calls.errors import DurwardError
from durward.config.settings import Settings
from durward.records.journal import FileJournal
from durward.records.lasting import LastingJournal
from durward.records.pending import Posted
from durward.records.recovery import EVERY_SECONDS, Recovery
from durward.server.bounds import Bounds
from durward.server.call_path import CallPath, Machine
from durward.server.edge import Edge
from durward.server.gate import BEAT_SECONDS
from tests.simulation.disk import NOTHING
from tests.simulation.loop import LIFE, Listener, Mortal, VirtualClock, VirtualLoop
from tests.simulation.traffic import ENVIRONMENT
from tests.simulation.truth import Truth

TICKS = 5
ROUNDS = 8


class Killed(BaseException):
    """Ends what a dead life was in the middle of."""


class SeededRandom:
    """The Random port of a world."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice

    def bytes(self, count: int) -> bytes:
        return self._dice.randbytes(count)


class Life(Mortal):
    """A gate from its start to its end. What `server/gate.py` does as a process, done by a task."""

    def __init__(self, loop: VirtualLoop, truth: Truth, name: str, letter: str) -> None:
        self.dead = False
        self.name = name
        self.letters: list[tuple[float, str]] = [(loop.time(), letter)]
        """The configurations it went by, with the moments from which on."""
        self.started = asyncio.Event()
        self.over = asyncio.Event()
        self.drain = asyncio.Event()
        self.seconds = 0.0
        self.succeeded = False
        """Whether another gate serves already when this one drains."""
        self.drained_at: float | None = None
        self.writer = ""
        self.path: CallPath
        self.edge: Edge
        self.tasks = []
        self._loop = loop
        self._truth = truth
        self.writes_left = NOTHING
        """How many writes are left to it."""
        self._dies_mending = 0

    def machine(self, dice: Random) -> Machine:
        """What it leans on, but for the disk."""
        return Machine(VirtualClock(self._loop), SeededRandom(dice), ENVIRONMENT, "simulated")

    def die_mending(self, writes: int) -> None:
        """Have it die while it looks after an earlier one, with so many lines of it written at most."""
        self._dies_mending = writes

    async def run(self, settings: Settings, machine: Machine, listener: Listener) -> None:
        """Serve until told to drain."""
        LIFE.set(self)
        self.path = path = CallPath(settings, machine)
        if path.journal.writer is not None:
            self.writer = path.journal.writer.name
        self.edge = edge = path.edge(Bounds())
        beat = self._loop.create_task(self._beat(path))
        await edge.listen(listener)  # type: ignore[arg-type]  # the loop knows it
        mend = self._loop.create_task(self._mend(path.journal, Path(settings.data_dir)))
        self.started.set()
        self._truth.note(f"{self.name} serves, {self.letters[-1][1]}")
        await self.drain.wait()
        path.gateway.stopping = not self.succeeded
        self._truth.note(f"{self.name} drains for {self.seconds:g} s")
        await edge.drain(self.seconds, patient=self.succeeded)
        self.drained_at = self._loop.time()
        for work in (beat, mend):
            work.cancel()
        await asyncio.wait((beat, mend))
        self._check_left()
        path.close()
        self._truth.note(f"{self.name} is closed")
        self.over.set()

    def _check_left(self) -> None:
        edge = self.edge
        watched = len(self.path.gateway.pulse._relays)
        left = {"connections": edge.connections, "calls": edge.calls, "body bytes": edge.body_bytes, "streams": watched}
        for what, count in left.items():
            if count:
                self._truth.violate("left over", f"{self.name} has drained and has {count} {what}")

    async def change(self, settings: Settings, letter: str) -> None:
        """Take over other settings, as the gate does when it is told to."""
        LIFE.set(self)
        try:
            await self.path.take_over(await asyncio.to_thread(self.path.prepared, settings))
        except DurwardError as error:
            self._truth.note(f"{self.name} refuses {letter}: {error.message}")
            return
        self.letters.append((self._loop.time(), letter))
        self._truth.note(f"{self.name} goes by {letter}")

    async def _beat(self, path: CallPath) -> None:
        while True:
            path.journal.unavailable()
            await asyncio.sleep(BEAT_SECONDS)
            path.beat()

    async def _mend(self, journal: FileJournal, folder: Path) -> None:
        recovery = Recovery(journal, folder, self._written)
        with contextlib.suppress(Killed):
            while True:
                await asyncio.sleep(0.01)
                if not journal.unavailable():
                    recovery.look()
                await asyncio.sleep(EVERY_SECONDS)

    def _written(self, posted: Posted) -> bool:
        """Bring posted lines onto the disk, or die of it: nobody else can run meanwhile, so there is nothing to wait for."""
        for _ in range(TICKS):
            if self._dies_mending:
                self.writes_left = self._dies_mending
            journal = self.path.journal
            journal.tick()
            if isinstance(journal, LastingJournal):
                journal.syncing.finish(0.0)
            if self.dead:
                raise Killed
            if posted.written.is_set():
                return True
        self.die()
        raise Killed

    def die(self) -> None:
        """At once, wherever it is. What lies in its memory is gone; what it has open is closed in a moment."""
        if not self.dead:
            self.dead = True
            self._truth.note(f"{self.name} dies")
            self._loop.call_soon(self._bury, context=self._loop.nobody)

    def _bury(self) -> None:
        self._loop.break_off(self)
        if hasattr(self, "path"):
            forget(self.path)
        self._end_tasks(ROUNDS)
        self.over.set()

    def _end_tasks(self, rounds: int) -> None:
        """End what was begun in its name, also what that begins before it learns of it."""
        for task in [*self.tasks, *(self.edge._shared.calls if hasattr(self, "edge") else ())]:
            task.cancel()
        if rounds:
            self._loop.call_soon(self._end_tasks, rounds - 1, context=self._loop.nobody)

    def letters_at(self, time: float, slack: float) -> set[str]:
        """The configurations that it may have gone by at a moment known to `slack` seconds."""
        found = {letter for since, letter in self.letters if abs(since - time) <= slack}
        before = [letter for since, letter in self.letters if since <= time]
        return found | set(before[-1:])


def forget(path: CallPath) -> None:
    """Close what the kernel closes when a process ends."""
    writer = path.journal._writer
    for fd in (writer._lock, *(held.fd for held in (writer.segment, writer.reserve) if held is not None)):
        if fd is not None:
            os.close(fd)
    path._state.close()
