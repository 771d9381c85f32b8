"""Follows the journal into `index.db`: one row a call, and how far each writer has been read, in the same transaction.

One process at a time may do this: the office, or a command that holds `data_dir/lock` while no gate runs.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from durward.records import layout
from durward.records.following import READ, Follower, Followers
from durward.records.halves import Beginning, Ending, Half, read_half, read_halves
from durward.records.merging import (
    Block,
    Facts,
    Merged,
    Merger,
    Numbers,
    Pair,
    block_of,
    ids_in,
    pack,
    packed_keys,
)
from durward.records.places import Places
from durward.records.schema import INDEX, damaged, open_for_writing, throw_away, unusable

log = logging.getLogger("index")

BATCH = 4 * 2**20
"""Bytes of lines that one step takes in: some thousand calls, twenty milliseconds. A busy gate writes less between two looks."""

KEEP = """
    INSERT INTO blocks VALUES (?, ?, ?)
    ON CONFLICT (n) DO UPDATE SET keys = CAST(keys || excluded.keys AS BLOB), calls = CAST(calls || excluded.calls AS BLOB)
"""


class Indexer:
    """The index's one writer. Raises GateError `state_unavailable` where the file cannot be used; the next step tries again."""

    def __init__(
        self,
        data_dir: Path,
        told: Callable[[list[Pair]], None] | None = None,
        anew: Callable[[], None] | None = None,
    ) -> None:
        """`told` hears of each call when it is in the index with both halves: once, or once more after `anew` was called."""
        self._told = told
        self._anew = anew
        self._path = data_dir / INDEX
        self._journal = data_dir / layout.JOURNAL
        self._data_dir = data_dir
        self._renewed = False
        """Whether the step under way has begun anew."""
        self._open()
        with self._typed():
            self._load()
        self.is_new = not (self._followers.known or self._followers.done)
        """Whether nothing had been read when this began: there was no index, or none of this version."""

    def _open(self) -> None:
        self._base = open_for_writing(self._data_dir)
        self._file = self._path.stat().st_ino

    def _lost(self) -> bool:
        """Whether somebody has taken the file away, emptied it, or put another in its place."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return True
        return found.st_ino != self._file or not found.st_size

    def _renew(self) -> None:
        """Begin anew: all that the index holds is in the journal."""
        log.warning("%s is lost or damaged, and is made anew from the journal", self._path)
        self._renewed = True
        if self._anew is not None:
            self._anew()
        self._base.close()
        throw_away(self._data_dir)
        self._open()
        self._load()

    def close(self) -> None:
        """Close the file; nothing else may be called after it."""
        self._base.close()

    def step(self, limit: int = BATCH) -> int:
        """Take in new lines, about `limit` bytes of them at most.

        The number of lines where more may wait; 0 where the index now holds all that the journal held when the step began. So
        whoever steps until 0 and then rests does not pay for a transaction a call.
        """
        self._renewed = False
        lines: list[Half] = []
        read: list[Follower] = []
        done: list[Follower] = []
        with self._typed():
            if self._lost():
                self._renew()
            for follower in self._followers.look():
                abandoned = follower.abandoned()
                before = len(read)
                while limit > 0 and (content := follower.read(min(limit, READ))):
                    lines += read_halves(content, self._piece(follower, content))
                    read[before:] = [follower]
                    limit -= len(content)
                if follower.cut:
                    self._renew()
                    return 1
                if limit > 0 and abandoned:
                    done.append(follower)
            if read or done:
                self._take(lines, read, done)
        return len(lines) + 1 if limit <= 0 or self._renewed else 0

    def _piece(self, follower: Follower, content: bytes) -> int:
        """The number of what a follower has just read."""
        number: int = self._last_piece + len(self._pieces) + 1
        at = follower.offset - len(content)
        self._pieces.append((number, follower.writer.name, follower.segment, at, len(content)))
        return number

    def _take(self, lines: list[Half], read: list[Follower], done: list[Follower]) -> None:
        self._base.execute("BEGIN IMMEDIATE")
        merged = self._merger.merge(lines)
        self._base.executemany("INSERT INTO pieces VALUES (?, ?, ?, ?, ?)", self._pieces)
        blocks = pack(merged.pairs, self._numbers)
        self._base.executemany(KEEP, [self._row(number, block) for number, block in blocks.items()])
        self._keep_halves(merged)
        self._base.executemany(
            "INSERT OR REPLACE INTO followed VALUES (?, ?, ?, ?)",
            [(each.writer.name, each.segment, each.offset, each in done) for each in {*read, *done}],
        )
        self._base.execute("COMMIT")
        self._last_piece += len(self._pieces)
        self._pieces.clear()
        for follower in done:
            self._followers.finish(follower)
        if self._told is not None and merged.pairs:
            self._told(merged.pairs)

    def _row(self, number: int, block: Block) -> tuple[int, bytes, bytes]:
        """What is appended to a block: no call a second time."""
        for raw in ids_in(self._calls_in(number)):
            block.calls.pop(raw, None)
        return number, packed_keys(block.keys), b"".join(block.calls.values())

    def _calls_in(self, number: int) -> bytes:
        found = self._base.execute("SELECT calls FROM blocks WHERE n = ?", (number,)).fetchone()
        return bytes(found[0]) if found else b""

    def _keep_halves(self, merged: Merged) -> None:
        halves: list[Half] = [*merged.begun]
        for half in merged.ended:
            if self._has_ended(half.id):
                # The first end that was told stands; this one may have met its beginning already.
                self._merger.ended.pop(half.id, None)
            else:
                halves.append(half)
        self._base.executemany("INSERT INTO waiting VALUES (?)", [(half.place,) for half in halves])
        self._base.executemany("DELETE FROM waiting WHERE place = ?", [(half.place,) for half in merged.joined])

    def _has_ended(self, identifier: str) -> bool:
        try:
            number = block_of(identifier)
        except ValueError:
            return True
        return identifier.encode() in ids_in(self._calls_in(number))

    def _number(self, facts: Facts) -> int:
        found = self._base.execute(
            "SELECT n FROM facts WHERE agent = ? AND model = ? AND outcome = ? AND price_partial = ?", facts
        ).fetchone()
        if found is None:
            found = self._base.execute("INSERT INTO facts VALUES (NULL, ?, ?, ?, ?) RETURNING n", facts).fetchone()
        return int(found[0])

    def _number_tags(self, tags: bytes) -> int:
        # Not looked for: tags that come back after a restart may have a second number.
        return self._base.execute("INSERT INTO tags VALUES (NULL, ?)", (tags.decode(),)).lastrowid or 0

    def _load(self) -> None:
        """Go on where the file says."""
        self._merger = Merger()
        self._numbers = Numbers(self._number, self._number_tags)
        self._followers = Followers(self._journal)
        self._places = Places(self._base, self._journal)
        (self._last_piece,) = self._base.execute("SELECT ifnull(max(n), 0) FROM pieces").fetchone()
        self._pieces: list[tuple[int, str, int, int, int]] = []
        followed = self._base.execute("SELECT writer, segment, offset, done FROM followed").fetchall()
        # The oldest writer first, as they are found on the disk: beginnings come before the ends that recovery gave them.
        for writer, segment, offset, done in sorted(followed, key=_age):
            if done:
                self._followers.done.add(writer)
            else:
                self._followers.known[writer] = Follower(self._journal / writer, segment, offset)
        for (place,) in self._base.execute("SELECT place FROM waiting").fetchall():
            half = read_half(self._places.line(place), place)
            if isinstance(half, Beginning):
                self._merger.begun[half.id] = half
            elif isinstance(half, Ending):
                self._merger.ended[half.id] = half
            else:
                self._base.execute("DELETE FROM waiting WHERE place = ?", (place,))  # its line is gone

    @contextmanager
    def _typed(self) -> Iterator[None]:
        """What fails leaves the file as it was, and the memory as the file is."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            try:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                if damaged(error):
                    self._renew()
                    return
                self._load()
            except (sqlite3.Error, OSError) as further:
                raise unusable(self._path, further) from error
            raise unusable(self._path, error) from error


def _age(followed: tuple[str, int, int, int]) -> tuple[int, str]:
    """When the writer of a row began; names without a moment come first."""
    name = followed[0]
    moment = name.rpartition("-")[2]
    return int(moment) if moment.isdecimal() else 0, name
