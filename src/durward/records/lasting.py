"""The journal whose lines outlive the machine (`durability: disk`): what hangs on a line waits until that line is on the disk.

The lines of one or more turns are a batch: one write, and one fdatasync in a thread. Meanwhile nothing is written; what comes waits
for the next batch. So all that can ever be in doubt is one batch, of which nothing has left the gate yet.

Where fdatasync fails, what it should have written may be lost although the file still shows it, and a second fdatasync would say that
all is well. So the batch is taken back, as if it had not been written, and the chain goes on in another file.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from durward.calls.ports import Clock
from durward.records import layout
from durward.records.chain import GENESIS
from durward.records.heads import Signer
from durward.records.journal import POSTED_A_TICK, PROBE_SECONDS, ROOM_BYTES, FileJournal, unknown
from durward.records.pending import ALL_KEPT, Kept, Parked, Posted
from durward.records.segment import Segment, Write
from durward.records.syncing import Syncing, SyncThread
from durward.records.writer import Calls

STALL_SECONDS = 5.0
"""How long the disk may take. Then nobody waits any longer, and new calls are refused until it has answered."""

# What a batch holds: lines of the segment, ends of calls in the reserve, or what proves that lines can be written again.
LINES, ASIDE, PROOF = range(3)

Entry = tuple[bytes, bytes]


class Mark(NamedTuple):
    """An end of the chain, and of the file it is in."""

    seq: int
    prev: bytes
    number: int
    size: int


class Batch:
    """What is on its way to the disk, since when, and where the chain ended before it."""

    __slots__ = ("before", "begun", "kind", "parked", "posted", "signed", "since")

    def __init__(self, kind: int, before: Mark, since: float) -> None:
        self.kind = kind
        self.before = before
        self.since = since
        self.parked: list[Parked] = []
        self.begun: Calls = {}
        self.posted: list[tuple[Posted, Entry]] = []
        self.signed = 0


class LastingJournal(FileJournal):
    """See the module and `FileJournal`. `syncing` may be replaced before the first line is written."""

    def __init__(
        self,
        data_dir: Path,
        host: str,
        clock: Clock,
        later: Callable[[], None],
        signer: Signer | None = None,
        write: Write = os.write,
    ) -> None:
        super().__init__(data_dir, host, clock, signer, write, later)
        self.on_disk = self._wait
        self.syncing: Syncing = SyncThread()
        self._data_dir = data_dir
        self._batch: Batch | None = None
        self._stalled = False
        self._due = False
        """A tick came while a batch was on its way."""
        self._known = Mark(0, GENESIS, 0, 0)
        """What is known to be on the disk. Of a writer that has begun, nothing is yet."""
        self._spoiled: Segment | None = None
        """The segment that a sync has failed for."""
        self._pending: set[str] = set()
        """Calls with a line that is not known to be on the disk."""
        self._waiting: dict[str, asyncio.Future[None]] = {}

    # What calls wait for.

    async def _wait(self, call: str) -> None:
        if self._stalled:
            raise self._refusal()
        if call not in self._pending:
            return
        self._waiting[call] = waiting = asyncio.get_running_loop().create_future()
        try:
            await waiting
        finally:
            self._waiting.pop(call, None)

    def _park(self, line: Parked) -> None:
        super()._park(line)
        self._pending.add(line[3])

    def _release(self, call: str, kept: bool) -> None:
        """Whoever waits for a call's line goes on, or is told that it is not kept."""
        self._pending.discard(call)
        waiting = self._waiting.get(call)
        if waiting is None or waiting.done():
            return
        if kept:
            waiting.set_result(None)
        else:
            waiting.set_exception(self._refusal())
            waiting.exception()  # Seen: its task may have been cancelled in this very turn.

    # Batches.

    def commit(self) -> Kept:
        """Send what was parked on its way, unless something is. What the turn has written may leave: whoever must not, waits by itself."""
        if self._parked and self._batch is None:
            self._next_batch()
        return ALL_KEPT

    def tick(self) -> None:
        """Due once a second: as `FileJournal.tick`, and ends the wait for a disk that does not answer."""
        batch = self._batch
        if batch is not None:
            self._due = True
            if not self._stalled and self._clock.monotonic() - batch.since >= STALL_SECONDS:
                self._stall()
        elif not self.unavailable():
            self._due = True
            self._next_batch()

    def _stall(self) -> None:
        self._stalled = True
        if not self._failure:
            self._fail(OSError(f"the disk has not answered for {STALL_SECONDS:g} s"))
        for call in list(self._waiting):
            self._release(call, False)

    def _next_batch(self) -> None:
        parked, self._parked = self._parked, []
        if self._failure:
            self._put_aside(parked)
            return
        batch = Batch(LINES, self._end(), self._clock.monotonic())
        batch.parked = parked
        batch.begun, self._begun = self._begun, {}
        due, self._due = self._due, False
        if not (parked or (due and (self._posted or self._head(b"head")))):
            return  # Without a line that will be brought onto the disk no segment is begun: others would hang on its first.
        try:
            # One that is not wholly on the disk is not left for the next.
            segment = self._writer.current() if batch.before == self._known else self._writer.segment
            assert segment is not None
            segment.append(self._writer.chain.lines(self._entries(batch, due)))
        except OSError as error:
            self._fail(error)
            if self._writer.number != batch.before.number:
                self._take_back(batch.before)
            self._take_back_posted(batch)
            self._put_aside(parked)
            return
        self._writer.chain.take()
        self._signed_seq = batch.signed or self._signed_seq
        self._start(batch, segment)

    def _entries(self, batch: Batch, due: bool) -> list[Entry]:
        """The batch's lines: a head first, so that it signs only what is on the disk."""
        now = self._now()
        entries: list[Entry] = []
        if due:
            members = self._head(b"head")
            if members:
                entries.append((b"head", members))
                batch.signed = self._writer.chain.seq + 1
            batch.posted = self._take_posted()
            entries += [(kind, now + members) for _, (kind, members) in batch.posted]
        entries += [(kind, members if end is None else now + members) for kind, members, end, _ in batch.parked]
        return entries

    def _take_posted(self) -> list[tuple[Posted, Entry]]:
        taken: list[tuple[Posted, Entry]] = []
        for posted in list(self._posted):  # recovery may post another one just now
            while posted.lines and len(taken) < POSTED_A_TICK:
                taken.append((posted, posted.lines.popleft()))
        return taken

    def _take_back_posted(self, batch: Batch) -> None:
        for posted, entry in reversed(batch.posted):
            posted.lines.appendleft(entry)

    def _start(self, batch: Batch, segment: Segment) -> None:
        self._batch = batch
        folders: list[Path] = []
        if self._writer.number != self._known.number:
            folder = self.writer
            assert folder is not None
            folders = [folder] if self._known.number else [folder, folder.parent, self._data_dir]
        self.syncing.start(segment.fd, folders, self._through)

    def _end(self) -> Mark:
        writer = self._writer
        size = 0 if writer.segment is None else writer.segment.size
        return Mark(writer.chain.seq, writer.chain.prev, writer.number, size)

    # What became of a batch.

    def _through(self, error: OSError | None) -> None:
        batch, self._batch = self._batch, None
        assert batch is not None
        stalled, self._stalled = self._stalled, False
        if batch.kind == ASIDE:
            for line in batch.parked:
                self._release(line[3], error is None)
        elif error is not None:
            self._lose(batch, error)
        else:
            if stalled or batch.kind == PROOF:
                self._failure = ""
            if batch.kind == PROOF:
                self._proven()
            self._keep(batch)
        self._send_on()

    def _send_on(self) -> None:
        """What came while the last batch was on its way is the next."""
        if self._batch is None and (self._parked or (self._due and not self._failure)):
            self._next_batch()

    def _keep(self, batch: Batch) -> None:
        """The batch is on the disk."""
        self._known = self._end()
        self._count(batch)
        while self._posted and not self._posted[0].lines:
            self._posted.popleft().written.set()
        for line in batch.parked:
            self._release(line[3], True)

    def _count(self, batch: Batch) -> None:
        """The batch's lines stand in the chain."""
        self._open.update(batch.begun)
        for _, _, end, call in batch.parked:
            if end is not None:
                self._open.pop(call, None)

    def _lose(self, batch: Batch, error: OSError) -> None:
        """Nobody knows what of the batch is on the disk."""
        why = f"what was written last could not be brought onto the disk ({error.strerror or error})"
        self._fail(OSError(why))
        try:
            self._take_back(batch.before)
        except OSError:
            # It stands in the chain, and nobody may rely on it; whatever comes goes behind it.
            if batch.kind == PROOF:
                self._proven()
            self._known = self._end()
            self._count(batch)
            for line in batch.parked:
                self._release(line[3], False)
        else:
            self._take_back_posted(batch)
            self._put_aside(batch.parked)
        self._spoiled = self._spoiled or self._writer.segment

    def _take_back(self, before: Mark) -> None:
        """Leave in the files only what is known to be on the disk, and in the chain what was there `before`. Raises OSError."""
        writer, known = self._writer, self._known
        assert writer.segment is not None
        assert writer.folder is not None
        if writer.number == known.number:
            writer.segment.cut_back(known.size)
        else:
            # One that stays is taken away before the next is made.
            with contextlib.suppress(OSError):
                layout.segment(writer.folder, writer.number).unlink(missing_ok=True)
            if self._spoiled is None:
                self._spoiled = writer.segment
            elif writer.segment is not self._spoiled:
                writer.segment.close()
                writer.segment = self._spoiled
        if not known.number:
            before = known
        writer.number = known.number
        writer.chain.seq, writer.chain.prev = before.seq, before.prev
        if self._signed_seq > before.seq:
            self._signed_seq = 0

    def _put_aside(self, parked: list[Parked]) -> None:
        """The disk takes no lines: ends go into the reserve, and that onto the disk."""
        self._begun.clear()
        saved: list[Parked] = []
        for line in parked:
            if self._save(line):
                saved.append(line)
            else:
                self._release(line[3], False)
        reserve = self._writer.reserve
        if saved and reserve is not None:
            self._batch = batch = Batch(ASIDE, self._end(), self._clock.monotonic())
            batch.parked = saved
            self.syncing.start(reserve.fd, [], self._through)

    # Going on.

    def _recovers(self) -> bool:
        """Has a proof under way once a second at most; what comes of it is known later."""
        now = self._clock.monotonic()
        if self._batch is not None or now < self._probe_at:
            return False
        self._probe_at = now + PROBE_SECONDS
        try:
            self._prove()
        except OSError as error:
            self._fail(error)
        return False

    def _prove(self) -> None:
        """Write what waits for the disk to take lines again. Raises OSError, and then nothing of it is in the chain."""
        writer = self._writer
        if writer.segment is None:
            writer.begin()
        before = self._end()
        segment, reserve = writer.segment, writer.reserve
        assert segment is not None
        assert reserve is not None
        if segment.room() < ROOM_BYTES + reserve.used:
            raise OSError("the disk is full")
        lines = reserve.lines()
        if self._spoiled is not None:
            assert writer.folder is not None
            layout.segment(writer.folder, writer.number + 1).unlink(missing_ok=True)
            segment = writer.segment = writer.new_segment(writer.number + 1, lines)
            lines = b""
        entries = [(b"unknown", self._now() + unknown(call, reserved)) for call, reserved in self._lost.items()]
        self._signed_seq = 0
        members = self._head(b"head")
        if members:
            entries.insert(0, (b"head", members))
            self._signed_seq = writer.chain.seq + 1
        try:
            segment.append(lines + writer.chain.lines(entries))
        except OSError:
            if self._spoiled is not None:
                self._take_back(before)
            raise
        writer.chain.take()
        self._start(Batch(PROOF, before, self._clock.monotonic()), segment)

    def _proven(self) -> None:
        """Lines can be written again."""
        reserve = self._writer.reserve
        assert reserve is not None
        reserve.used = 0
        self._lost.clear()
        if self._spoiled is not None:
            self._spoiled.close()
            self._spoiled = None

    def close(self) -> None:
        """As `FileJournal.close`; a disk that does not answer is waited for no longer than twice `STALL_SECONDS`."""
        self.commit()
        if self._finish() and (not self._failure or self._last_try()):
            with contextlib.suppress(OSError):
                self._writer.rotate_at = sys.maxsize  # what comes now comes into one file
                self._write_unknown(dict(self._open))
                self._write_head(b"close")
                segment = self._writer.segment
                assert segment is not None
                self._start(Batch(LINES, self._end(), self._clock.monotonic()), segment)
                if self._finish() and not self._failure:
                    self._writer.drop_reserve()
        self.syncing.close()
        if self._spoiled is not None and self._spoiled is not self._writer.segment:
            self._spoiled.close()
        self._writer.close()
        self._failure = "it is closed"
        self._probe_at = float("inf")

    def _last_try(self) -> bool:
        self._probe_at = 0.0
        self._recovers()
        return self._finish() and not self._failure

    def _finish(self) -> bool:
        """See what is under way, and what comes of it, through; False where the disk does not answer."""
        while self._batch is not None:
            if not self.syncing.finish(STALL_SECONDS):
                return False
        return True
