"""Reads a journal while it grows: whole lines only, writer by writer, each from where it was left."""

import time
from pathlib import Path

from durward.records import layout
from durward.records.stored import stored

READ = 128 * 1024
"""Bytes that are read at once, so few that the memory for them is used again; a longer line is read whole."""
SETTLED_SECONDS = 1.0


class Follower:
    """A place in one writer's lines. `segment` 0: before the first segment that is there."""

    __slots__ = ("cut", "offset", "segment", "writer")

    def __init__(self, writer: Path, segment: int = 0, offset: int = 0) -> None:
        self.writer = writer
        self.cut = False
        """Whether what was read is there no more: a writer has taken lines back that a disk did not keep."""
        self._enter(segment, offset)

    def read(self, limit: int = READ) -> bytes:
        """The next whole lines, at most about `limit` bytes of them; b"" where there is none yet. Raises OSError."""
        if not self.segment and not self._find_first():
            return b""
        lines = self._read(limit)
        while not lines and layout.present(self.writer, self.segment + 1):
            # Looked at once more: the last lines may have been written before the next segment was begun.
            lines = self._read(limit)
            if not lines:
                self._enter(self.segment + 1, 0)
                lines = self._read(limit)
        self.offset += len(lines)
        return lines

    def abandoned(self) -> bool:
        """Whether nothing more will ever come: another writer has looked after this one's end."""
        return (self.writer / layout.RECOVERED).exists()

    def skip_to_end(self, back: int) -> None:
        """Go to the first whole line within the last `back` bytes of the last segment."""
        numbers = layout.segments(self.writer)
        if not numbers:
            return
        with stored(self.writer, numbers[-1]) as opened:
            end = opened.whole()
            self._enter(numbers[-1], max(0, end - back))
            if self.offset:
                self.offset += opened.read(min(back, end - self.offset), self.offset).find(b"\n") + 1

    def _enter(self, segment: int, offset: int) -> None:
        self.segment = segment
        self.offset = offset

    def _find_first(self) -> bool:
        numbers = layout.segments(self.writer)
        if numbers:
            self._enter(numbers[0], 0)
        return bool(numbers)

    def _read(self, limit: int) -> bytes:
        with stored(self.writer, self.segment) as opened:
            while (size := opened.size) > self.offset:
                content = opened.read(limit, self.offset)
                end = content.rfind(b"\n") + 1
                if end or len(content) < limit:
                    return content[:end]
                limit *= 2
        self.cut = self.cut or size < self.offset
        return b""


class Followers:
    """All writers of a journal, those included that begin later."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._changed = -1
        self.known: dict[str, Follower] = {}
        self.done: set[str] = set()
        """Writers that need not be looked at again."""

    def look(self) -> list[Follower]:
        """The followers of writers that may have more to tell, the oldest writer first."""
        try:
            changed = self._journal.stat().st_mtime_ns
        except FileNotFoundError:
            return []
        if changed != self._changed:
            for writer in layout.writers(self._journal):
                if writer.name not in self.done and writer.name not in self.known:
                    self.known[writer.name] = Follower(writer)
            # A folder that has changed just now may change again without showing it.
            self._changed = changed if time.time() - changed / 1e9 > SETTLED_SECONDS else -1
        return list(self.known.values())

    def finish(self, follower: Follower) -> None:
        """Nothing more comes from this writer."""
        del self.known[follower.writer.name]
        self.done.add(follower.writer.name)
