"""The gate's writer: every line on the disk, chained, before the method that wrote it returns, or before the turn of the event loop
ends in which it was written, where `later` says so: then nothing else may leave the gate before `commit`.

While the disk takes no more lines, new calls are refused, and calls that are open settle into the reserve. Once a second at most the
writer looks whether it can go on; then the reserve's lines become the segment's next ones, so that the chain has no seam.
Lines survive the death of the process, not of the machine (durability: process).
"""

import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from durward.calls.errors import GateError
from durward.calls.ports import Clock
from durward.calls.record import Closing, Opening
from durward.records import layout
from durward.records.chain import Chain
from durward.records.heads import Signer, signed_bytes
from durward.records.pending import ALL_KEPT, Kept, Parked, Posted
from durward.records.segment import Reserve, Segment, Write
from durward.records.times import time_member, timestamp

SEGMENT_BYTES = 64 * 2**20
PROBE_SECONDS = 1.0
"""How often at most a writer that cannot write looks whether it can again."""
ROOM_BYTES = 2 * 2**20
"""A writer goes on only when the file system has this much left, so that it does not stumble again at the next line."""
POSTED_A_TICK = 500
"""Lines from recovery that one tick writes: some 5 ms of the event loop."""

_encode = msgspec.json.Encoder().encode


class FileJournal:
    """The journal of one gate; all methods but `post` belong to one thread.

    Making one never fails for want of room or rights: it is then `unavailable` until it can begin.
    """

    def __init__(
        self,
        data_dir: Path,
        host: str,
        clock: Clock,
        signer: Signer | None = None,
        write: Write = os.write,
        later: Callable[[], None] | None = None,
    ) -> None:
        """`later` has `commit` called before anything leaves the gate; without it every line is written at once."""
        self._later = later
        self._parked: list[Parked] = []
        self._folder = data_dir / layout.JOURNAL
        self._host = host
        self._clock = clock
        self._signer = signer
        self._write = write
        self._lock: int | None = None
        self._chain = Chain("")
        self._segment: Segment | None = None
        self._reserve: Reserve | None = None
        self._number = 0
        self._rotate_at = SEGMENT_BYTES
        self._open: dict[str, int | None] = {}
        self._begun: dict[str, int | None] = {}  # their intents are parked; they are open once these are written
        self._lost: dict[str, int | None] = {}
        self._forgotten: set[str] = set()
        """Calls under way whose intent could not be kept."""
        self._posted: deque[Posted] = deque()
        self._signed_seq = 0
        self._failure = ""
        self._probe_at = 0.0
        self.writer: Path | None = None
        """This writer's folder, once it has one."""
        self._try_begin()

    # Calls.

    def intent(self, opening: Opening) -> None:
        """A call is about to go upstream. Raises GateError `journal_unavailable`."""
        self._put(b"intent", _encode(opening)[1:-1], opening.id)
        (self._open if self._later is None else self._begun)[opening.id] = opening.reserved_nano

    def confirm(self, call: str) -> None:
        """For a call that had to wait before it goes upstream. Raises GateError `journal_unavailable` where its intent was not kept."""
        if call in self._forgotten:
            raise self._refusal()

    def settle(self, closing: Closing) -> None:
        """An intent's end. Raises GateError `journal_unavailable` where even the reserve is full; the call will then be `unknown`."""
        if self._forgotten and closing.id in self._forgotten:
            self._forgotten.discard(closing.id)
            raise self._refusal()  # its intent could not be kept: nothing of the call went anywhere
        members = _closing(closing)
        if self._later is not None and (self._parked or not self._failure):
            # Behind what is parked, also where that will not be kept: its beginning may be there.
            self._park((b"settle", members, closing, closing.id))
            return
        if self._failure:
            self._set_aside(closing, members)
        else:
            try:
                self._append(b"settle", self._now() + members)
            except OSError as error:
                self._fail(error)
                self._set_aside(closing, members)
        self._open.pop(closing.id, None)

    def refused(self, opening: Opening, closing: Closing) -> None:
        """A call that went nowhere. Raises GateError `journal_unavailable`."""
        ending = _closing(closing)
        self._put(b"refused", _encode(opening)[1:-1] + ending[ending.index(b',"outcome":') :], opening.id)

    def unavailable(self) -> bool:
        """True while new calls cannot be recorded."""
        return bool(self._failure) and not self._recovers()

    # What the gate does beside calls.

    def tick(self) -> None:
        """Due once a second: signs a head if anything was written since the last one, and writes what recovery has posted."""
        if self.unavailable():
            return
        try:
            self._write_posted()
            self._write_head(b"head")
        except OSError as error:
            self._fail(error)

    def post(self, lines: Iterable[tuple[bytes, bytes]]) -> Posted:
        """Have lines written at the next ticks, from any thread; each is a type and its members without `time`."""
        posted = Posted(lines)
        self._posted.append(posted)
        return posted

    def close(self) -> None:
        """The last line of the chain, and the end of this writer. A chain that cannot be ended now is ended by recovery."""
        self.commit()
        if not self.unavailable():
            with contextlib.suppress(OSError):
                self._write_unknown(self._open)
                self._write_head(b"close")
                assert self.writer is not None
                (self.writer / layout.RESERVE).unlink()
        for held in (self._segment, self._reserve):
            if held is not None:
                held.close()
        if self._lock is not None:
            os.close(self._lock)
        self._segment = self._reserve = self._lock = None
        self._failure = "it is closed"
        self._probe_at = float("inf")

    # Writing.

    def commit(self) -> Kept:
        """Write what was parked in this turn, in one piece."""
        parked, self._parked = self._parked, []
        if not parked:
            return ALL_KEPT
        begun, self._begun = self._begun, {}
        now = self._now()
        try:
            if self._failure:
                raise OSError(self._failure)
            segment = self._current()
            entries = [(kind, members if end is None else now + members) for kind, members, end, _ in parked]
            segment.append(self._chain.lines(entries))
        except OSError as error:
            if not self._failure:
                self._fail(error)
            return self._rescue(parked)
        self._chain.take()
        self._open.update(begun)
        for _, _, end, call in parked:
            if end is not None:
                self._open.pop(call, None)
        return ALL_KEPT

    def _current(self) -> Segment:
        """The segment that the next line goes to."""
        segment = self._segment
        assert segment is not None
        return self._rotate(segment) if segment.size >= self._rotate_at else segment

    def _rescue(self, parked: list[Parked]) -> Kept:
        """The disk takes no lines: ends go into the reserve, beginnings are forgotten, for nothing of their calls has left yet."""
        beginnings = ends = True
        for kind, members, closing, call in parked:
            if closing is None:
                if kind == b"intent":
                    self._forgotten.add(call)
                    beginnings = False
            elif call in self._forgotten:
                # It began and ended within the turn, and neither is kept.
                self._forgotten.discard(call)
                ends = False
            else:
                try:
                    self._set_aside(closing, members)
                    self._open.pop(call, None)
                except GateError:
                    ends = False
        return Kept(beginnings, ends)

    def _park(self, line: Parked) -> None:
        if not self._parked and self._later is not None:
            self._later()
        self._parked.append(line)

    def _put(self, kind: bytes, members: bytes, call: str) -> None:
        if self._failure and not self._recovers():
            raise self._refusal()
        if self._later is not None:
            self._park((kind, members, None, call))
            return
        try:
            self._append(kind, members)
        except OSError as error:
            self._fail(error)
            raise self._refusal() from error

    def _append(self, kind: bytes, members: bytes) -> None:
        self._current().append(self._chain.line(kind, members))
        self._chain.take()

    def _set_aside(self, closing: Closing, members: bytes) -> None:
        """Settle into the reserve. What does not even fit there becomes `unknown` as soon as lines can be written again."""
        try:
            if self._reserve is None:
                raise OSError("there is no reserve")
            self._reserve.append(self._chain.line(b"settle", self._now() + members))
        except OSError as error:
            if closing.id in self._open:
                self._lost[closing.id] = self._open.pop(closing.id)
            raise self._refusal() from error
        self._chain.take()

    def _write_head(self, kind: bytes) -> None:
        chain = self._chain
        if chain.seq == self._signed_seq and kind == b"head":
            return
        time = timestamp(self._clock.time())
        members = b'"time":"%b"' % time.encode()
        if self._signer is not None:
            message = signed_bytes(self._name(), chain.seq, chain.prev.decode(), time)
            members += b',"key":"%b","signature":"%b"' % (
                self._signer.public.encode(),
                self._signer.sign(message).encode(),
            )
        elif kind == b"head":
            return
        self._append(kind, members)
        self._signed_seq = chain.seq

    def _write_posted(self) -> None:
        for _ in range(POSTED_A_TICK):
            if not self._posted:
                return
            posted = self._posted[0]
            if posted.lines:
                kind, members = posted.lines[0]
                self._append(kind, self._now() + members)
                posted.lines.popleft()
            if not posted.lines:
                self._posted.popleft()
                posted.written.set()

    def _write_unknown(self, calls: dict[str, int | None]) -> None:
        for call in list(calls):
            self._append(b"unknown", self._now() + unknown(call, calls[call]))
            del calls[call]

    # Beginning, going on, turning over.

    def _try_begin(self) -> None:
        try:
            self._begin()
        except OSError as error:
            self._fail(error)

    def _begin(self) -> None:
        if self.writer is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.writer = self._make_writer()
        if self._lock is None:
            self._lock = os.open(self.writer / layout.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # Blocks only while a recovery that found the folder looks whether it is ours.
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        if self._reserve is None:
            self._reserve = Reserve(self.writer / layout.RESERVE, self._write)
        self._chain = Chain(self.writer.name)
        self._segment = self._new_segment(1)

    def _make_writer(self) -> Path:
        moment = int(self._clock.time() * 1000)
        while True:
            writer = self._folder / layout.writer_name(self._host, moment)
            try:
                writer.mkdir(mode=0o700)
            except FileExistsError:
                moment += 1
            else:
                return writer

    def _rotate(self, full: Segment) -> Segment:
        """The next segment; the full one goes on a little longer where there can be none."""
        try:
            self._segment = self._new_segment(self._number + 1)
        except OSError:
            self._rotate_at = full.size + 2**20
            return full
        full.close()
        self._rotate_at = SEGMENT_BYTES
        return self._segment

    def _new_segment(self, number: int) -> Segment:
        """A segment that begins with the chain's hash at the end of the one before, and with the calls that are open."""
        assert self.writer is not None
        path = layout.segment(self.writer, number)
        segment = Segment(path, self._write)
        members = {
            "time": timestamp(self._clock.time()),
            "segment": number,
            "digest": self._chain.prev.decode() if number > 1 else "",
            "open": self._open,
        }
        try:
            segment.append(self._chain.line(b"open", _encode(members)[1:-1]))
        except OSError:
            segment.close()
            path.unlink()
            raise
        self._chain.take()
        self._number = number
        return segment

    def _fail(self, error: OSError) -> None:
        self._failure = error.strerror or str(error)
        self._probe_at = self._clock.monotonic() + PROBE_SECONDS

    def _refusal(self) -> GateError:
        return GateError(f"The journal cannot be written: {self._failure}.", reason="journal_unavailable")

    def _recovers(self) -> bool:
        """Whether lines can be written again; looked at once a second at most."""
        now = self._clock.monotonic()
        if now < self._probe_at:
            return False
        self._probe_at = now + PROBE_SECONDS
        try:
            self._go_on()
        except OSError as error:
            self._fail(error)
            return False
        self._failure = ""
        return True

    def _go_on(self) -> None:
        proven = self._segment is None or bool(self._lost)
        if self._segment is None:
            self._begin()
        segment, reserve = self._segment, self._reserve
        assert segment is not None
        assert reserve is not None
        if segment.room() < ROOM_BYTES + reserve.used:
            raise OSError("the disk is full")
        if reserve.used:
            segment.append(reserve.lines())
            reserve.used = 0
            proven = True
        self._write_unknown(self._lost)
        if not proven:
            # A disk that fails tells so only when it is written to.
            self._signed_seq = 0
            self._write_head(b"head")

    def _now(self) -> bytes:
        return time_member(self._clock.time())

    def _name(self) -> str:
        assert self.writer is not None
        return self.writer.name


def unknown(call: str, reserved: int | None) -> bytes:
    """The members of an `unknown` line: nobody knows what the call used, so what was set aside for it counts."""
    return _encode(Closing(call, "unknown", cost_nano=reserved))[1:-1]


def _closing(closing: Closing) -> bytes:
    members = _encode(closing)[1:-1]
    if closing.usage is not None and (members.find(b"\n") >= 0 or members.find(b"\r") >= 0):
        # Only between the tokens of the provider's usage object; a line must not have them.
        members = members.replace(b"\n", b" ").replace(b"\r", b" ")
    return members
