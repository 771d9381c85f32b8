"""A gate as far as its journal sees it: calls that wait for their lines, on a disk that a test moves."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path

from durward.calls.errors import GateError
from durward.calls.record import Closing, Opening
from durward.records.lasting import LastingJournal
from durward.records.pending import ALL_KEPT
from tests.records.platter import Platter
from tests.records.scribe import Calls, Disk, Watch, content, kinds


class World:
    """A journal on a platter, and calls that wait for it as the gate's do."""

    def __init__(self, data_dir: Path, *, signed: bool = False) -> None:
        data_dir.mkdir()
        self.data_dir = data_dir
        self.disk = Disk()
        self.watch = Watch()
        self.platter = Platter(data_dir)
        self.journal = LastingJournal(data_dir, "test", self.watch, nothing, None, self.disk.write)
        self.journal.syncing = self.platter
        self.calls = Calls()
        self.went: set[str] = set()
        """Calls that went upstream."""
        self.seen: set[str] = set()
        """Calls whose callers have the answer to the end."""
        self.refused: set[str] = set()
        self.open: list[Opening] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> Opening:
        opening = self.calls.opening()
        self._run(self._call(opening))
        return opening

    async def _call(self, opening: Opening) -> None:
        begun = False
        try:
            self.journal.intent(opening)
            begun = True
            await self._wait(opening.id)
        except GateError:
            self.refused.add(opening.id)
            if begun:
                self._settle_quietly(self.calls.closing(opening, outcome="refused", status=503))
            return
        self.went.add(opening.id)
        self.open.append(opening)

    def end(self, opening: Opening) -> None:
        self.open.remove(opening)
        self._run(self._end(opening))

    async def _end(self, opening: Opening) -> None:
        try:
            self.journal.settle(self.calls.closing(opening))
            await self._wait(opening.id)
        except GateError:
            return
        self.seen.add(opening.id)

    def refuse(self) -> None:
        opening = self.calls.opening()
        try:
            self.journal.refused(opening, self.calls.refusal(opening))
        except GateError:
            self.refused.add(opening.id)

    def _settle_quietly(self, closing: Closing) -> None:
        try:
            self.journal.settle(closing)
        except GateError:
            assert not self.journal._forgotten & {closing.id}

    async def _wait(self, call: str) -> None:
        assert self.journal.on_disk is not None
        await self.journal.on_disk(call)

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def turn(self) -> None:
        """What is ready runs, and the turn of the loop ends."""
        for _ in range(4):
            await asyncio.sleep(0)
            assert self.journal.commit() is ALL_KEPT

    async def through(self, error: int = 0) -> None:
        self.platter.through(error)
        await self.turn()

    async def through_all(self) -> None:
        while self.platter.busy:
            await self.through()

    def kinds(self) -> list[str]:
        return kinds(content(self.journal))


def nothing() -> None:
    """The turns of these tests end by themselves."""
