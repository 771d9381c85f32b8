"""The end of the journal as it grows: records of calls as they end, without the index."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from durward.records import layout
from durward.records.following import Follower, Followers
from durward.records.lines import Began, Ended, Record, Refused, read_lines, record

BACK = 4 * 2**20
"""Bytes before the end in which the beginnings of calls are looked for."""
BEGUN_KEPT = 100_000
ENDED_WRITERS = 3
"""Of writers that have ended only the last ones are looked at."""


class Tail:
    """Follows all writers from their ends on. A call that began long before is shown with what its end tells. Raises OSError."""

    def __init__(self, data_dir: Path) -> None:
        self._begun: dict[str, Began] = {}
        self._followers = Followers(data_dir / layout.JOURNAL)
        found = self._followers.look()
        for follower in found[:-ENDED_WRITERS]:
            if follower.abandoned():
                self._followers.finish(follower)
        for follower in self._followers.known.values():
            follower.skip_to_end(BACK)

    def before(self, limit: int) -> list[Record]:
        """The last calls that had ended, oldest first."""
        return list(deque(self.news(), limit))

    def news(self) -> Iterator[Record]:
        """Calls that have ended since the last time."""
        for follower in self._followers.look():
            abandoned = follower.abandoned()
            yield from self._read(follower)
            if abandoned:
                self._followers.finish(follower)

    def _read(self, follower: Follower) -> Iterator[Record]:
        while content := follower.read():
            for line in read_lines(content):
                if type(line) is Began:
                    self._begun[line.id] = line
                elif isinstance(line, Refused):
                    yield record(line, line.ended())
                elif isinstance(line, Ended):
                    began = self._begun.pop(line.id) if line.id in self._begun else Began(line.id)
                    yield record(began, line)
        while len(self._begun) > BEGUN_KEPT:
            del self._begun[next(iter(self._begun))]
