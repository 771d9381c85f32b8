"""Follows the journal into `index.db`: one row a call, and how far each writer has been read, in the same transaction.

One process at a time may do this: the office, or a command that holds `data_dir/lock` while no gate runs.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec

from durward.records import layout
from durward.records.following import READ, Follower, Followers
from durward.records.lines import Began, Ended, Line, Unknown, read_line, read_lines
from durward.records.merging import CROWD, Facts, Merged, Merger, Row, Rows, key_of, packed, row_keys
from durward.records.schema import INDEX, open_for_writing, unusable

BATCH = 2**20
"""Bytes of lines that one step takes in: a thousand calls, ten milliseconds."""

_encode = msgspec.json.Encoder().encode


class Indexer:
    """The index's one writer. Raises GateError `state_unavailable` where the file cannot be used; the next step tries again."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / INDEX
        self._journal = data_dir / layout.JOURNAL
        self._base = open_for_writing(data_dir)
        with self._typed():
            self._load()

    def close(self) -> None:
        """Close the file; nothing else may be called after it."""
        self._base.close()

    def step(self, limit: int = BATCH) -> int:
        """Take in new lines, about `limit` bytes of them at most.

        The number of lines where more may wait; 0 where the index now holds all that the journal held when the step began. So
        whoever steps until 0 and then rests does not pay for a transaction a call.
        """
        lines: list[Line] = []
        read: list[Follower] = []
        done: list[Follower] = []
        with self._typed():
            for follower in self._followers.look():
                abandoned = follower.abandoned()
                before = len(read)
                while limit > 0 and (content := follower.read(min(limit, READ))):
                    lines += read_lines(content)
                    read[before:] = [follower]
                    limit -= len(content)
                if limit > 0 and abandoned:
                    done.append(follower)
            if read or done:
                self._take(lines, read, done)
        return len(lines) + 1 if limit <= 0 else 0

    def _take(self, lines: list[Line], read: list[Follower], done: list[Follower]) -> None:
        self._base.execute("BEGIN IMMEDIATE")
        merged = self._merger.merge(lines)
        rows, blocks = self._rows.make(merged.pairs)
        self._insert(rows)
        self._base.executemany(
            "INSERT INTO blocks VALUES (?, ?) ON CONFLICT (n) DO UPDATE SET keys = CAST(keys || excluded.keys AS BLOB)",
            [(block, packed(keys)) for block, keys in blocks.items()],
        )
        self._keep_halves(merged)
        self._base.executemany(
            "INSERT OR REPLACE INTO followed VALUES (?, ?, ?, ?)",
            [(each.writer.name, each.segment, each.offset, each in done) for each in {*read, *done}],
        )
        self._base.execute("COMMIT")
        for follower in done:
            self._followers.finish(follower)

    def _insert(self, rows: list[Row]) -> None:
        written = self._base.executemany("INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        if written.rowcount < len(rows):
            for row in rows:
                self._insert_beside(row)

    def _insert_beside(self, row: Row) -> None:
        """Give a row the next free key, unless it has one: two calls of one millisecond may claim the same."""
        first, *rest = row
        assert isinstance(first, int)
        for key in (first ^ turn for turn in range(CROWD)):
            found = self._base.execute("SELECT details FROM calls WHERE n = ?", (key,)).fetchone()
            if found is None:
                self._base.execute("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (key, *rest))
            if found is None or _id_in(found[0]) == _id_in(row[-1]):
                return

    def _keep_halves(self, merged: Merged) -> None:
        halves = [(half.id, 0, _encode(half)) for half in merged.begun]
        for half in merged.ended:
            if self._has_ended(half.id):
                # The first end that was told stands.
                del self._merger.ended[half.id]
            else:
                halves.append((half.id, 1, _encode(half)))
        self._base.executemany("INSERT OR REPLACE INTO halves VALUES (?, ?, ?)", halves)
        self._base.executemany("DELETE FROM halves WHERE id = ? AND closing = ?", merged.joined)

    def _has_ended(self, identifier: str) -> bool:
        try:
            keys = row_keys(identifier)
        except ValueError:
            return True
        near = self._base.execute("SELECT details FROM calls WHERE n >= ? AND n < ?", (keys.start, keys.stop))
        return any(_id_in(details) == identifier.encode() for (details,) in near)

    def _number(self, facts: Facts) -> tuple[int, int]:
        key = blake2b(_encode(facts), digest_size=16).digest()
        found = self._base.execute("SELECT n FROM facts WHERE key = ?", (key,)).fetchone()
        if found is None:
            found = self._base.execute(
                "INSERT INTO facts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING n",
                (key, *facts),
            ).fetchone()
        return found[0], key_of(str(facts[0]))

    def _load(self) -> None:
        """Go on where the file says."""
        self._merger = Merger()
        self._rows = Rows(self._number)
        self._followers = Followers(self._journal)
        for writer, segment, offset, done in self._base.execute("SELECT writer, segment, offset, done FROM followed"):
            if done:
                self._followers.done.add(writer)
            else:
                self._followers.known[writer] = Follower(self._journal / writer, segment, offset)
        for (content,) in self._base.execute("SELECT line FROM halves"):
            half = read_line(content)
            if isinstance(half, Began):
                self._merger.begun[half.id] = half
            elif isinstance(half, Ended | Unknown):
                self._merger.ended[half.id] = half

    @contextmanager
    def _typed(self) -> Iterator[None]:
        """What fails leaves the file as it was, and the memory as the file is."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            try:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                self._load()
            except sqlite3.Error as further:
                raise unusable(self._path, further) from error
            raise unusable(self._path, error) from error


def _id_in(details: object) -> bytes:
    """The id in a row's details, which begin `["…"`."""
    assert isinstance(details, bytes)
    return details[2:38]
