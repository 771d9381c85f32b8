"""One writer's files: its folder and its lock, the chain through its segments, and the reserve beside them."""

import fcntl
import os
from pathlib import Path

import msgspec

from durward.calls.ports import Clock
from durward.records import layout
from durward.records.chain import Chain
from durward.records.segment import Reserve, Segment, Write
from durward.records.times import timestamp

SEGMENT_BYTES = 64 * 2**20
OVERTIME_BYTES = 2**20
"""How much longer a full segment goes on where there can be no other, before the next try."""

Calls = dict[str, int | None]
"""Calls that are open, and what was set aside for each."""

_encode = msgspec.json.Encoder().encode


class Writer:
    """See the module. Nothing is there before `begin`, which is called until it succeeds once."""

    __slots__ = (
        *("_clock", "_folder", "_host", "_lock", "_write", "calls", "chain", "folder", "number", "reserve"),
        *("rotate_at", "segment"),
    )

    def __init__(self, data_dir: Path, host: str, clock: Clock, write: Write) -> None:
        self._folder = data_dir / layout.JOURNAL
        self._host = host
        self._clock = clock
        self._write = write
        self._lock: int | None = None
        self.folder: Path | None = None
        """This writer's own, once it has one."""
        self.chain = Chain("")
        self.segment: Segment | None = None
        self.reserve: Reserve | None = None
        self.number = 0
        """Of the segment."""
        self.rotate_at = SEGMENT_BYTES
        self.calls: Calls = {}
        """Those whose beginning is in the chain and whose end is not."""

    @property
    def name(self) -> str:
        assert self.folder is not None
        return self.folder.name

    def begin(self) -> None:
        """Make what is not there yet, and the first segment. Raises OSError; what was made is kept for the next try."""
        if self.folder is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder = self._make_folder()
        if self._lock is None:
            self._lock = os.open(self.folder / layout.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # Blocks only while a recovery that found the folder looks whether it is ours.
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        if self.reserve is None:
            self.reserve = Reserve(self.folder / layout.RESERVE, self._write)
        self.chain = Chain(self.folder.name)
        self.segment = self.new_segment(1)

    def _make_folder(self) -> Path:
        moment = int(self._clock.time() * 1000)
        while True:
            folder = self._folder / layout.writer_name(self._host, moment)
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                moment += 1
            else:
                return folder

    def append(self, kind: bytes, members: bytes) -> None:
        """Write the next line. Raises OSError, and nothing has been written then."""
        self.current().append(self.chain.line(kind, members))
        self.chain.take()

    def current(self) -> Segment:
        """The segment that the next line goes to."""
        segment = self.segment
        assert segment is not None
        return self._rotate(segment) if segment.size >= self.rotate_at else segment

    def _rotate(self, full: Segment) -> Segment:
        """The next segment; the full one goes on a little longer where there can be none."""
        try:
            segment = self.segment = self.new_segment(self.number + 1)
        except OSError:
            self.rotate_at = full.size + OVERTIME_BYTES
            return full
        full.close()
        self.rotate_at = SEGMENT_BYTES
        return segment

    def new_segment(self, number: int, before: bytes = b"") -> Segment:
        """A segment that begins with the chain's hash at the end of the one before, and with the calls that are open.

        `before` are lines that are in the chain already, and in no segment yet. Raises OSError.
        """
        assert self.folder is not None
        path = layout.segment(self.folder, number)
        segment = Segment(path, self._write)
        members = {
            "time": timestamp(self._clock.time()),
            "segment": number,
            "digest": self.chain.prev.decode() if number > 1 else "",
            "open": self.calls,
        }
        try:
            segment.append(before + self.chain.line(b"open", _encode(members)[1:-1]))
        except OSError:
            segment.close()
            path.unlink()
            raise
        self.chain.take()
        self.number = number
        return segment

    def drop_reserve(self) -> None:
        """The chain is complete: what could still come needs no room. Raises OSError."""
        assert self.folder is not None
        (self.folder / layout.RESERVE).unlink()

    def close(self) -> None:
        """Let go of everything."""
        if self.segment is not None:
            self.segment.close()
        if self.reserve is not None:
            self.reserve.close()
        if self._lock is not None:
            os.close(self._lock)
        self.segment = self.reserve = self._lock = None
