"""Getting onto the disk what was written, beside the event loop: fdatasync takes milliseconds, and has no upper bound."""

import asyncio
import fcntl
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

Sync = Callable[[int], None]
"""`to_disk`, or what a test puts in its place."""
Done = Callable[[OSError | None], None]
"""Told how it went, in the thread of the event loop."""

FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)


class Syncing(Protocol):
    """How files get onto the disk. One at a time: nothing is started before `done` was called."""

    def start(self, file: int, folders: list[Path], done: Done) -> None:
        """Begin to get a file, and then the entries of folders, onto the disk."""

    def finish(self, seconds: float) -> bool:
        """Wait for what was started, and have `done` called; False if it is not through by then."""

    def close(self) -> None:
        """Nothing more will be started."""


def to_disk(fd: int) -> None:
    """Return when all that was written to a file, or entered into a folder, is on the disk. Raises OSError."""
    if FULL_SYNC is not None:
        # Where fsync leaves it in the drive's own memory (macOS).
        fcntl.fcntl(fd, FULL_SYNC)
    elif stat.S_ISDIR(os.fstat(fd).st_mode):
        os.fsync(fd)
    else:
        os.fdatasync(fd)


def entries_to_disk(folder: Path, sync: Sync = to_disk) -> None:
    """The same for what was entered into a folder: without it a new file may be nameless after a power cut. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(fd)
    finally:
        os.close(fd)


class _Errand:
    """One sync: what to do, and what became of it."""

    __slots__ = ("done", "error", "file", "folders", "loop", "through", "told")

    def __init__(self, file: int, folders: list[Path], done: Done) -> None:
        self.file = file
        self.folders = folders
        self.done = done
        self.loop = asyncio.get_running_loop()
        self.error: OSError | None = None
        self.through = threading.Event()
        self.told = False

    def tell(self) -> None:
        if not self.told:
            self.told = True
            self.done(self.error)


class SyncThread:
    """A `Syncing` with a thread of its own, which no exit of the process waits for: a disk may never answer."""

    def __init__(self, sync: Sync = to_disk) -> None:
        self._sync = sync
        self._errands: SimpleQueue[_Errand | None] = SimpleQueue()
        self._last: _Errand | None = None
        self._runs = False

    def start(self, file: int, folders: list[Path], done: Done) -> None:
        """See `Syncing`."""
        if not self._runs:
            self._runs = True
            threading.Thread(target=self._run, name="syncing", daemon=True).start()
        self._last = errand = _Errand(file, folders, done)
        self._errands.put(errand)

    def finish(self, seconds: float) -> bool:
        """See `Syncing`."""
        errand = self._last
        if errand is None:
            return True
        if not errand.through.wait(seconds):
            return False
        errand.tell()
        return True

    def close(self) -> None:
        """See `Syncing`."""
        self._errands.put(None)

    def _run(self) -> None:
        while (errand := self._errands.get()) is not None:
            try:
                self._sync(errand.file)
                for folder in errand.folders:
                    entries_to_disk(folder, self._sync)
            except OSError as error:
                errand.error = error
            errand.through.set()
            try:
                errand.loop.call_soon_threadsafe(errand.tell)
            except RuntimeError:
                return  # The loop has closed: nobody is left to be told.
