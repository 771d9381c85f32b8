"""The disk under a journal: it takes lines, for a while it does not, and a gate may die at any write."""

import asyncio
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol

from durward.records.syncing import Done
from tests.simulation.truth import Truth

NOTHING = 10**9
SYNC_SECONDS = 0.02
"""The longest that the disk takes."""


class Trouble(NamedTuple):
    """A while in which the disk takes nothing: how it says so, from when to when."""

    kind: str
    begin: float
    end: float

    def meets(self, fd: int) -> bool:
        """Whether this file feels it. A full disk leaves the room that is ours already."""
        appends = bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND)
        return appends or self.kind in ("broken", "torn")


class Writer(Protocol):
    """A life that may end with a write."""

    dead: bool
    writes_left: int

    def die(self) -> None:
        """At once."""


class SeededSync:
    """A `Syncing` without a thread: what was written is on the disk a while later, and only then is it noted."""

    def __init__(self, disk: "Disk", loop: asyncio.AbstractEventLoop, dice: Random) -> None:
        self._disk = disk
        self._loop = loop
        self._dice = dice
        self._timer: asyncio.TimerHandle | None = None
        self._done: Done | None = None

    def start(self, file: int, folders: list[Path], done: Done) -> None:
        """See `Syncing`."""
        self._done = done
        self._timer = self._loop.call_later(self._dice.uniform(0.0, SYNC_SECONDS), self._end)

    def _end(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            self._disk.note()
            done(None)

    def finish(self, seconds: float) -> bool:
        """See `Syncing`."""
        if self._timer is not None:
            self._timer.cancel()
        self._end()
        return True

    def close(self) -> None:
        """See `Syncing`."""


class Disk:
    """One disk for all lives of a world."""

    def __init__(self, truth: Truth, dice: Random, troubles: list[Trouble], lasting: bool) -> None:
        self._lasting = lasting
        self._unnoted = b""
        self._truth = truth
        self._dice = dice
        self._troubles = troubles

    def writing(self, life: Writer) -> Callable[[int, bytes], int]:
        """The `write` port of one life. With its last write it dies: before, within, or behind it."""

        def write(fd: int, data: bytes) -> int:
            if life.dead:
                return len(data)  # nobody is there to write, or to be told
            life.writes_left -= 1
            if life.writes_left == 0:
                self.put(fd, data[: self._dice.choice((0, len(data) // 2, len(data)))])
                life.die()
                return len(data)
            now = self._truth.now()
            for trouble in self._troubles:
                if trouble.begin <= now < trouble.end and trouble.meets(fd):
                    return self._fail(trouble, fd, data)
            return self.put(fd, data)

        return write

    def put(self, fd: int, data: bytes) -> int:
        """Take these bytes."""
        if data:
            os.write(fd, data)
            self._unnoted += data[: data.rfind(b"\n") + 1]
            if not self._lasting:
                self.note()
        return len(data)

    def note(self) -> None:
        """What was written is where it cannot be lost."""
        self._truth.wrote(self._unnoted)
        self._unnoted = b""

    def _fail(self, trouble: Trouble, fd: int, data: bytes) -> int:
        self._truth.note(f"disk: {trouble.kind}")
        if trouble.kind == "short":
            part = data[: self._dice.randint(0, len(data) - 1)]
            return os.write(fd, part) if part else 0
        if trouble.kind == "torn":
            os.write(fd, data[: len(data) // 2])
        raise OSError(errno.ENOSPC if trouble.kind == "full" else errno.EIO, "the disk takes nothing")

    @property
    def troubled(self) -> bool:
        """Whether the disk has any trouble in this world."""
        return bool(self._troubles)
