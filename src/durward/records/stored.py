"""A segment as it lies on the disk: lines as they were written, or, once no more come, compressed. Where both forms are there, they hold
the same, and the plain one is read.

Nobody who reads a segment has to know in which form it is, nor that the form changes while it is read.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from durward.records import layout
from durward.records.frames import Frames


class Stored:
    """An open segment, in whichever form it has. Raises FileNotFoundError where it has none any more, OSError."""

    def __init__(self, writer: Path, number: int) -> None:
        self._frames: Frames | None = None
        self._fd = -1
        try:
            self._fd = os.open(layout.segment(writer, number), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._frames = Frames(layout.compressed(writer, number))

    @property
    def size(self) -> int:
        """Bytes of lines, a torn last one included."""
        return os.fstat(self._fd).st_size if self._frames is None else self._frames.size

    def read(self, count: int, offset: int) -> bytes:
        """Bytes of lines from a place on; fewer only at the end."""
        return os.pread(self._fd, count, offset) if self._frames is None else self._frames.read(count, offset)

    def whole(self) -> int:
        """The bytes up to the last line's end; what follows is a line being written, or torn."""
        end = self.size
        while end:
            begin = max(0, end - layout.BLOCK)
            at = self.read(end - begin, begin).rfind(b"\n")
            if at >= 0:
                return begin + at + 1
            end = begin
        return 0

    def first_line(self) -> bytes:
        """The first line with its end, b"" where there is none yet."""
        count = layout.BLOCK
        while True:
            content = self.read(count, 0)
            end = content.find(b"\n") + 1
            if end or len(content) < count:
                return content[:end]
            count *= 2

    def last_line(self, end: int | None = None) -> bytes:
        """The last whole line with its end, b"" where there is none; of the bytes up to `end`, where a line ends, if it is given."""
        end = self.whole() if end is None else end
        back = min(layout.BLOCK, end)
        while True:
            content = self.read(back, end - back)
            begin = content.rfind(b"\n", 0, -1) + 1
            if begin or back == end:
                return content[begin:]
            back = min(back * 2, end)

    def close(self) -> None:
        """Let go of the file."""
        if self._frames is None:
            os.close(self._fd)
        else:
            self._frames.close()


@contextmanager
def stored(writer: Path, number: int) -> Iterator[Stored]:
    """A segment for the length of a block. Raises as Stored does."""
    opened = Stored(writer, number)
    try:
        yield opened
    finally:
        opened.close()
