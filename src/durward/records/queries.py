"""The questions that listings and the console ask of the index."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from durward.calls.tokens import Tokens
from durward.records import layout
from durward.records.lines import Began, Ended, Record, Refused, read_line, record
from durward.records.merging import Packed, amounts, block_of, key_of, packed_keys, unpacked
from durward.records.places import Places
from durward.records.schema import BLOCK_BITS, INDEX, damaged, open_for_reading, throw_away, unusable
from durward.records.times import EPOCH

By = Literal["agent", "model", "day", "tag"]

SHORT = 8
"""The last characters of an id that are enough to name a call."""
DAY_MS = 86_400_000


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


_Group = tuple[int, int, int, bool]
"""Calls whose spend is added up at once: the numbers of their facts and tags, their day, and whether they cost anything."""


class Index:
    """The index, opened for reading. Without a file everything is empty. Raises GateError `state_unavailable`."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / INDEX
        self._base = open_for_reading(data_dir)
        self._places = None if self._base is None else Places(self._base, data_dir / layout.JOURNAL)

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
            number = block_of(identifier)
        except ValueError:
            return None
        for (calls,) in self._rows("SELECT calls FROM blocks WHERE n = ?", (number,)):
            for call in unpacked(calls):
                if call.id == identifier.encode() and (found := self._record(call)):
                    return found
        return next((found for found in self.open_calls() if found.id == identifier), None)

    def ending_in(self, tail: str) -> list[Record]:
        """Calls whose id ends so; at least 8 hex digits."""
        key = int(tail[-SHORT:], 16)
        near = (call for call in self._packed(0, key) if call.id.endswith(tail.encode()))
        ended = [found for call in near if (found := self._record(call))]
        return ended + [found for found in self.open_calls() if found.id.endswith(tail)]

    def open_calls(self) -> list[Record]:
        """Calls that had not ended when the index was last brought up to date, oldest first."""
        halves = [self._line(place) for (place,) in self._rows("SELECT place FROM waiting", ())]
        opened = [record(half, None) for half in halves if isinstance(half, Began)]
        return sorted(opened, key=lambda found: found.id)

    def spend(self, by: By, since_ms: int = 0) -> list[Spend]:
        """What calls cost, by agent, model, day (UTC) or tag (`name=value`; a call counts for each of its tags, "" for none)."""
        sums = self._sums(by, since_ms)
        facts = {n: rest for n, *rest in self._rows("SELECT n, agent, model, outcome, price_partial FROM facts", ())}
        tags = {0: [""]}
        if by == "tag":
            tags |= {n: _tags(content) for n, content in self._rows("SELECT n, tags FROM tags", ())}
        spent: dict[str, Spend] = {}
        for (fact, tag, day, costly), (count, cost, *tokens) in sums.items():
            agent, model, outcome, partial = facts[fact]
            if outcome == "refused" and not costly:
                continue
            days = [str((EPOCH + timedelta(days=day)).date())]
            for name in {"agent": [agent], "model": [model], "day": days, "tag": tags.get(tag, [""])}[by]:
                row = spent.setdefault(name, Spend(name, 0, Tokens(), 0, 0, 0, 0))
                _add(row, tokens)
                row.unpriced += count if partial else 0
                if outcome == "unknown":
                    row.unknown += count
                    row.unknown_nano += cost
                else:
                    row.calls += count
                    row.cost_nano += cost
        return [spent[name] for name in sorted(spent)]

    def followed(self) -> dict[str, tuple[int, int, bool]]:
        """How far each writer has been read: segment, offset in it, and whether it is done for good."""
        rows = self._rows("SELECT writer, segment, offset, done FROM followed", ())
        return {writer: (segment, offset, bool(done)) for writer, segment, offset, done in rows}

    def _newest(self, wanted: Wanted) -> Iterator[Record]:
        """Calls that may be meant, newest first; whether session and trace are the ones is for whoever reads them."""
        trace = key_of(wanted.trace) if wanted.trace else 0
        session = key_of(wanted.session) if wanted.session else 0
        numbers = self._facts(wanted)
        if numbers is not None and not numbers:
            return
        key = trace or session or (key_of(wanted.agent) if wanted.agent else 0)
        for call in self._packed(wanted.since_ms, key):
            if (
                (numbers is None or call.facts in numbers)
                and (not trace or call.trace == trace)
                and (not session or call.session == session)
                and (found := self._record(call))
            ):
                yield found

    def _facts(self, wanted: Wanted) -> set[int] | None:
        """The numbers of facts that are meant; None for any."""
        names = {"agent": wanted.agent, "model": wanted.model, "outcome": wanted.outcome}
        if names == dict.fromkeys(names):
            return None
        meant = """
            SELECT n FROM facts WHERE (:agent IS NULL OR agent = :agent)
            AND (:model IS NULL OR model = :model) AND (:outcome IS NULL OR outcome = :outcome)
        """
        return {n for (n,) in self._rows(meant, names)}

    def _packed(self, since_ms: int, key: int) -> Iterator[Packed]:
        """Calls in the blocks that hold a key, newest first: those that are meant, and their neighbours. Key 0: all calls."""
        wanted = {"first": since_ms >> BLOCK_BITS, "key": packed_keys({key}) if key else None}
        blocks = "SELECT calls FROM blocks WHERE n >= :first AND (:key IS NULL OR instr(keys, :key)) ORDER BY n DESC"
        first = _stamp(since_ms)
        for (calls,) in self._rows(blocks, wanted):
            yield from sorted((call for call in unpacked(calls) if call.id >= first), reverse=True)

    def _sums(self, by: By, since_ms: int) -> dict[_Group, list[int]]:
        """Calls, cost, and the five kinds of tokens."""
        sums: dict[_Group, list[int]] = {}
        blocks = "SELECT n, calls FROM blocks WHERE n >= ? ORDER BY n"
        first, tagged = _stamp(since_ms), by == "tag"
        for number, calls in self._rows(blocks, (since_ms >> BLOCK_BITS,)):
            # A day begins with a block.
            day = (number << BLOCK_BITS) // DAY_MS if by == "day" else 0
            for raw, facts, tags, _, _, _, _, cost, fresh, cached, cache_write, output, reasoning in amounts(calls):
                if raw < first:
                    continue
                group = facts, tags if tagged else 0, day, cost > 0
                total = sums.get(group)
                if total is None:
                    total = sums[group] = [0] * 7
                total[0] += 1
                total[1] += cost
                total[2] += fresh
                total[3] += cached
                total[4] += cache_write
                total[5] += output
                total[6] += reasoning
        return sums

    def _record(self, call: Packed) -> Record | None:
        """The record of a call, None where its lines are no longer what they were."""
        identifier = call.id.decode()
        began = self._line(call.begun)
        if not isinstance(began, Began) or began.id != identifier:
            return None
        if isinstance(began, Refused):
            return record(began, began.ended())
        ended = self._line(call.ended)
        if not isinstance(ended, Ended) or ended.id != identifier:
            return None
        return record(began, ended)

    def _line(self, place: int) -> Any:
        with self._typed():
            return self._places and read_line(self._places.line(place))

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
            if damaged(error):
                # Whoever keeps it makes it anew.
                throw_away(self._path.parent)
            raise unusable(self._path, error) from error
        except OSError as error:
            raise unusable(Path(error.filename or self._path), error) from error


def _stamp(since_ms: int) -> bytes:
    """What the ids of calls that began then or later are not less than."""
    digits = f"{max(since_ms, 0):012x}"
    return f"{digits[:8]}-{digits[8:]}".encode()


def _tags(content: str) -> list[str]:
    """What a call's tags are counted as."""
    tags = msgspec.json.decode(content, type=dict[str, str])
    return [f"{name}={value}" for name, value in tags.items()] or [""]


def _add(row: Spend, tokens: list[int]) -> None:
    used = row.tokens
    used.input += tokens[0]
    used.cached_input += tokens[1]
    used.cache_write += tokens[2]
    used.output += tokens[3]
    used.reasoning += tokens[4]
