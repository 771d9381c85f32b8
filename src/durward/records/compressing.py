"""Compresses segments to which no more lines come, a little at a time, and brings one back where recovery has to write to it.

A segment is always there as a whole in one form at least: the new form is written beside it, on the disk before it gets its name,
and read back before the old one goes.
"""

import errno
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from durward.records import layout
from durward.records.chain import read_link
from durward.records.frames import FRAME, Damaged, Frames, packed, table
from durward.records.stored import stored

log = logging.getLogger("office")

LOOK_SECONDS = 60.0
"""Between two looks at all writers."""
FRAMES_A_STEP = 4
SMALLEST = 4_096
"""Bytes of a segment that takes no less room when it is compressed."""
COOL_SECONDS = 120.0
"""So long a segment must have been left alone: a writer whose disk fails may yet take its last lines back."""


class Compressor:
    """Works through a journal. One process does this at a time, and only while `layout.upkeep` is its own."""

    def __init__(self, data_dir: Path, now: Callable[[], float] = time.time) -> None:
        """`now`: the Unix time."""
        self._data_dir = data_dir
        self._now = now
        self._work: Iterator[None] = iter(())
        self._look_at = 0.0
        self._trouble = ""

    def step(self) -> bool:
        """Do a millisecond or two of work. Whether there is more to do at once. What fails is said once, and tried at the next look."""
        try:
            return self._step()
        except OSError as error:
            if self._trouble != str(error):
                log.warning("a segment cannot be compressed yet: %s", error)
            self._trouble = str(error)
            return False

    def _step(self) -> bool:
        for _ in self._work:
            return True
        now = self._now()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        self._work = self._all(now - COOL_SECONDS)
        return True

    def _all(self, before: float) -> Iterator[None]:
        """One pass over what can be compressed now; a step at each `yield`."""
        journal = self._data_dir / layout.JOURNAL
        for writer in layout.writers(journal):
            for number in closed(writer, before):
                with layout.upkeep(journal) as ours:
                    if not ours:
                        return
                    if layout.segment(writer, number).exists():
                        yield from compress(writer, number)


def closed(writer: Path, before: float) -> Iterator[int]:
    """Segments in their plain form that nobody will ever append to or cut: of a writer that lives, those last written to `before`."""
    numbers = layout.segments(writer)
    over = (writer / layout.RECOVERED).exists()
    for number in numbers if over else numbers[:-1]:
        plain = layout.segment(writer, number)
        if plain.exists() and plain.stat().st_size > SMALLEST and (over or _left_alone(writer, number, before)):
            yield number


def _left_alone(writer: Path, number: int, before: float) -> bool:
    """Whether the chain goes on in the next segment, just behind this one's last line: that there is a next one does not say so."""
    if layout.segment(writer, number).stat().st_mtime >= before:
        return False
    with stored(writer, number) as this, stored(writer, number + 1) as following:
        end, begin = read_link(this.last_line()), read_link(following.first_line())
        return end is not None and begin is not None and begin.prev == end.hash and this.whole() == this.size


def compress(writer: Path, number: int) -> Iterator[None]:
    """Compress a segment, a step between two `yield`s. Raises OSError, and the segment is as it was."""
    plain, whole = layout.segment(writer, number), layout.compressed(writer, number)
    part = whole.with_name(f".{whole.name}")
    _see_room(plain)
    sizes = []
    try:
        with plain.open("rb") as source, _made(part) as file:
            while content := source.read(FRAME):
                frame = packed(content)
                file.write(frame)
                sizes.append((len(frame), len(content)))
                if len(sizes) % FRAMES_A_STEP == 0:
                    yield
            file.write(table(sizes))
            file.flush()
            os.fsync(file.fileno())
        yield from _same(plain, part)
        part.replace(whole)
        _onto_disk(writer)
        plain.unlink()
    finally:
        part.unlink(missing_ok=True)


def _see_room(plain: Path) -> None:
    """Raises OSError where the disk has not twice a segment's bytes left: the last room belongs to new lines."""
    found = os.statvfs(plain)
    if found.f_bavail * found.f_frsize < 2 * plain.stat().st_size:
        raise OSError(errno.ENOSPC, "the disk has too little room", str(plain))


def _same(plain: Path, part: Path) -> Iterator[None]:
    """Raises Damaged where what was written is not read back."""
    frames = Frames(part)
    try:
        with plain.open("rb") as source:
            at = 0
            while content := source.read(FRAME):
                if frames.read(len(content), at) != content:
                    raise Damaged(part)
                at += len(content)
                yield
        if at != frames.size:
            raise Damaged(part)
    finally:
        frames.close()


def expand(writer: Path, number: int) -> Path:
    """A segment in its plain form, into which it is brought back where it was compressed. Raises OSError."""
    plain, whole = layout.segment(writer, number), layout.compressed(writer, number)
    if plain.exists():
        return plain
    part = plain.with_name(f".{plain.name}")
    frames = Frames(whole)
    try:
        with _made(part) as file:
            for at in range(0, frames.size, FRAME):
                file.write(frames.read(FRAME, at))
            file.flush()
            os.fsync(file.fileno())
    finally:
        frames.close()
    part.replace(plain)
    _onto_disk(writer)
    whole.unlink()
    return plain


def _made(path: Path) -> BinaryIO:
    """A new file for its owner alone, over whatever a crash has left there."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")


def _onto_disk(folder: Path) -> None:
    """What was renamed in a folder outlives the machine."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
