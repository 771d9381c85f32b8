"""A writer that died with calls open and others in its reserve, and its mending by one that lives, a step at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from durward.records import layout, recovery
from durward.records.journal import FileJournal
from durward.records.pending import Posted
from tests.records.scribe import Calls, Disk, Watch, after_death, journal

STEPS = 7
"""Of a mending: before and behind the claim, the estate, what is told, and the mark."""


class Mending:
    """Runs in a thread of its own, one of both at a time."""

    def __init__(self, living: FileJournal, data_dir: Path) -> None:
        self._living = living
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._recovery = recovery.Recovery(living, data_dir, self._wait)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._freely = False
        self.over = False
        self._thread.start()

    def _run(self) -> None:
        self._go.acquire()
        self._recovery.look()
        self.over = True
        self._stopped.release()

    def checkpoint(self) -> None:
        if not self._freely:
            self._stopped.release()
            self._go.acquire()

    def _wait(self, posted: Posted) -> bool:
        self.checkpoint()
        while not posted.written.is_set():
            self._living.tick()
        self.checkpoint()
        return True

    def step(self) -> None:
        """On to the next checkpoint."""
        if not self.over:
            self._go.release()
            self._stopped.acquire()

    def finish(self) -> None:
        """On to the end."""
        self._freely = True
        self.step()
        self._thread.join()


@contextmanager
def mending(patch: pytest.MonkeyPatch, folder: Path) -> Iterator[tuple[Path, Mending, set[str]]]:
    """A data directory, the mending that is about to begin, and the calls that had been settled by the one that died."""
    data_dir, watch, disk = folder / "data", Watch(), Disk()
    data_dir.mkdir(parents=True)
    calls = Calls(5)
    dying = FileJournal(data_dir, "dying", watch, write=disk.write)
    openings = [calls.opening() for _ in range(6)]
    for opening in openings:
        dying.intent(opening)
    disk.error = 5
    for opening in openings[:4]:
        dying.settle(calls.closing(opening))
    found = after_death(data_dir)
    disk.mend()
    dying.close()
    watch.now += 1
    with journal(found, watch) as living:
        one = Mending(living, found)
        note, settle = recovery._note, recovery.settle_estate

        def noted(path: Path, name: str) -> None:
            one.checkpoint()
            note(path, name)

        def settled(writer: Path) -> Any:
            one.checkpoint()
            estate = settle(writer)
            one.checkpoint()
            return estate

        patch.setattr(recovery, "to_disk", lambda fd: None)
        patch.setattr(recovery, "entries_to_disk", lambda folder: None)
        patch.setattr(recovery, "_note", noted)
        patch.setattr(recovery, "settle_estate", settled)
        try:
            yield found, one, {opening.id for opening in openings[:4]}
        finally:
            one.finish()
        assert all((writer / layout.RECOVERED).exists() for writer in layout.writers(found / "journal")[:1])
