"""The questions that listings and the console ask of the index."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from durward.calls.usage import Tokens
from durward.records.lines import Began, Ended, Record, read_line, record
from durward.records.merging import key_of, packed, row_keys
from durward.records.schema import BLOCK_BITS, INDEX, UNIQUE_BITS, open_for_reading, unusable

By = Literal["agent", "model", "day", "tag"]

SHORT = 8
"""The last characters of an id that are enough to name a call."""
NEVER = 2**63 - 1
"""Behind every row."""
FACTS_OF_BEGINNING = 13


class Wanted(msgspec.Struct, frozen=True):
    """Which calls a listing is about; None: any. They come newest first."""

    since_ms: int = 0
    """Calls that began at this Unix time in milliseconds or later."""
    limit: int | None = None
    agent: str | None = None
    model: str | None = None
    session: str | None = None
    trace: str | None = None
    outcome: str | None = None


class Spend(msgspec.Struct):
    """What calls of one agent, model, day or tag cost together. Calls that were refused cost nothing and are left out."""

    name: str
    calls: int
    """Calls whose end is known; `unknown` ones are counted apart."""
    tokens: Tokens
    cost_nano: int
    unpriced: int
    """Calls among them whose price is not, or not wholly, known: they cost more than `cost_nano` says."""
    unknown: int
    """Calls whose gate died: nobody knows what they used."""
    unknown_nano: int
    """What was set aside for those."""


CALLS = """
    SELECT calls.*, facts.* FROM calls CROSS JOIN facts ON facts.n = calls.facts
    WHERE calls.n BETWEEN :first AND :last AND (:agent IS NULL OR agent = :agent)
    AND (:model IS NULL OR model = :model) AND (:outcome IS NULL OR outcome = :outcome)
    ORDER BY calls.n DESC
"""
SPEND = """
    SELECT
        CASE :by
            WHEN 'agent' THEN agent
            WHEN 'model' THEN model
            WHEN 'day' THEN date((calls.n >> 20) / 1000, 'unixepoch')
            ELSE ifnull(tag.key || '=' || tag.value, '')
        END,
        count(*) FILTER (WHERE outcome <> 'unknown'),
        ifnull(sum(input), 0), ifnull(sum(cached_input), 0), ifnull(sum(cache_write), 0), ifnull(sum(output), 0),
        ifnull(sum(reasoning), 0),
        ifnull(sum(cost) FILTER (WHERE outcome <> 'unknown'), 0),
        count(*) FILTER (WHERE price_partial),
        count(*) FILTER (WHERE outcome = 'unknown'),
        ifnull(sum(cost) FILTER (WHERE outcome = 'unknown'), 0)
    FROM calls CROSS JOIN facts ON facts.n = calls.facts
    LEFT JOIN json_each(CASE :by WHEN 'tag' THEN calls.tags END) AS tag
    WHERE calls.n >= :first AND (outcome <> 'refused' OR cost > 0)
    GROUP BY 1 ORDER BY 1
"""


class Index:
    """The index, opened for reading. Without a file everything is empty. Raises GateError `state_unavailable`."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / INDEX
        self._base = open_for_reading(data_dir)

    def close(self) -> None:
        """Close the file; nothing else may be called after it."""
        if self._base is not None:
            self._base.close()

    def calls(self, wanted: Wanted) -> Iterator[Record]:
        """Calls that have ended, newest first."""
        left = wanted.limit
        for found in self._newest(wanted):
            if left == 0:
                return
            if wanted.session in (None, found.session) and wanted.trace in (None, found.trace):
                yield found
                left = None if left is None else left - 1

    def call(self, identifier: str) -> Record | None:
        """One call by its id, ended or open."""
        try:
            keys = row_keys(identifier)
        except ValueError:
            return None
        rows = self._rows(
            "SELECT calls.*, facts.* FROM calls CROSS JOIN facts ON facts.n = calls.facts WHERE calls.n BETWEEN ? AND ?",
            (keys.start, keys.stop - 1),
        )
        ended = next((found for row in rows if (found := _record(row)).id == identifier), None)
        return ended or next((found for found in self.open_calls() if found.id == identifier), None)

    def ending_in(self, tail: str) -> list[Record]:
        """Calls whose id ends so; at least 8 hex digits."""
        key = packed({int(tail[-SHORT:], 16)})
        ended = [found for found in self._in_blocks(key, Wanted()) if found.id.endswith(tail)]
        return ended + [found for found in self.open_calls() if found.id.endswith(tail)]

    def open_calls(self) -> list[Record]:
        """Calls that had not ended when the index was last brought up to date, oldest first."""
        rows = self._rows("SELECT line FROM halves WHERE closing = 0 ORDER BY id", ())
        halves = (read_line(line) for (line,) in rows)
        return [record(half, None) for half in halves if isinstance(half, Began)]

    def spend(self, by: By, since_ms: int = 0) -> list[Spend]:
        """What calls cost, by agent, model, day (UTC) or tag (`name=value`; a call counts for each of its tags, "" for none)."""
        rows = self._rows(SPEND, {"by": by, "first": since_ms << UNIQUE_BITS})
        return [
            Spend(name, count, Tokens(*tokens), cost, unpriced, unknown, unknown_nano)
            for name, count, *tokens, cost, unpriced, unknown, unknown_nano in rows
        ]

    def followed(self) -> dict[str, tuple[int, int, bool]]:
        """How far each writer has been read: segment, offset in it, and whether it is done for good."""
        rows = self._rows("SELECT writer, segment, offset, done FROM followed", ())
        return {writer: (segment, offset, bool(done)) for writer, segment, offset, done in rows}

    def _newest(self, wanted: Wanted) -> Iterator[Record]:
        narrow = wanted.trace or wanted.session or wanted.agent
        if narrow is not None:
            yield from self._in_blocks(packed({key_of(narrow)}), wanted)
            return
        for row in self._rows(CALLS, _filters(wanted) | {"first": wanted.since_ms << UNIQUE_BITS, "last": NEVER}):
            yield _record(row)

    def _in_blocks(self, key: bytes, wanted: Wanted) -> Iterator[Record]:
        """Calls in the blocks that hold a key, newest first: those that are meant, and their neighbours."""
        first = wanted.since_ms << UNIQUE_BITS
        blocks = "SELECT n FROM blocks WHERE n >= ? AND instr(keys, ?) ORDER BY n DESC"
        for (block,) in self._rows(blocks, (first >> BLOCK_BITS, key)):
            span = {"first": max(first, block << BLOCK_BITS), "last": (block + 1 << BLOCK_BITS) - 1}
            for row in self._rows(CALLS, _filters(wanted) | span):
                yield _record(row)

    def _rows(self, query: str, values: Any) -> Iterator[tuple[Any, ...]]:
        if self._base is None:
            return
        with self._typed():
            yield from self._base.execute(query, values)

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise unusable(self._path, error) from error


def _filters(wanted: Wanted) -> dict[str, Any]:
    return {"agent": wanted.agent, "model": wanted.model, "outcome": wanted.outcome}


_Details = tuple[
    str,
    str,
    tuple[str, str, str, str, str, str, int | None, msgspec.Raw],
    tuple[float, float | None, int, int, str, msgspec.Raw],
]
_details = msgspec.json.Decoder(_Details)


def _record(row: tuple[Any, ...]) -> Record:
    """The record of a row of CALLS; the halves are put together as the index took them apart."""
    cost, tokens, details, facts = row[2], row[3:8], row[9], row[12:]
    identifier, time, own_beginning, own_end = _details.decode(details)
    began = Began(identifier, time, *facts[:FACTS_OF_BEGINNING], *own_beginning)
    used = None if tokens[0] is None else Tokens(*tokens)
    ended = Ended(identifier, *(*facts[FACTS_OF_BEGINNING:], *own_end, cost, used))
    ended.estimated = bool(ended.estimated)
    return record(began, ended)
