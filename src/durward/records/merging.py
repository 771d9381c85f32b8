"""Joins the halves of calls into rows of the index. No I/O; a row costs three microseconds, so the loop is written for that."""

from array import array
from collections.abc import Callable
from zlib import crc32

import msgspec

from durward.records.lines import NO_OBJECT, OPENING_FIELDS, Began, Ended, Line, Refused
from durward.records.schema import BLOCK_BITS, UNIQUE_BITS

Facts = tuple[str | int | bool | None, ...]
"""What few calls differ in: `FACTS` of both halves, in the order of the table's columns."""
Row = tuple[int | str | bytes | None, ...]
"""A row of `calls`, in the order of its columns."""

BEGAN_FACTS = slice(2, 15)
BEGAN_DETAILS = slice(15, OPENING_FIELDS)
ENDED_FACTS = slice(1, 8)
ENDED_DETAILS = slice(8, 14)
NO_TOKENS = (None,) * 5
HIGHEST = 1 << 63
"""What a row's key cannot be any more: a time in the year 2248."""
FACTS_KEPT = 4_096
"""Facts whose numbers are kept in memory."""
CROWD = 64
"""Keys among which rows that claim the same one find another. A power of two, so that they lie in one block."""
UNIQUE = (1 << UNIQUE_BITS) - 1
KEY = (1 << 32) - 1

_values = msgspec.structs.astuple
_encode = msgspec.json.Encoder().encode


Pair = tuple[Began, Ended]


class Merged:
    """What one batch of lines adds to the index."""

    __slots__ = ("begun", "ended", "joined", "pairs")

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self.begun: list[Began] = []
        """Calls whose end is not known yet."""
        self.ended: list[Ended] = []
        """Ends whose beginning is not known yet."""
        self.joined: list[tuple[str, int]] = []
        """Halves (id, 1 for a closing one) that had waited and now stand in a pair."""


class Merger:
    """Keeps the halves that wait for each other."""

    def __init__(self) -> None:
        self.begun: dict[str, Began] = {}
        self.ended: dict[str, Ended] = {}

    def merge(self, lines: list[Line]) -> Merged:
        """Take lines in the order of their chains."""
        merged = Merged()
        pairs = merged.pairs
        begun: dict[str, Began] = {}
        for line in lines:
            if type(line) is Began:
                begun[line.id] = line
            elif isinstance(line, Ended):
                if line.id in begun:
                    pairs.append((begun.pop(line.id), line))
                else:
                    self._end(line, merged)
            elif isinstance(line, Refused):
                pairs.append((line, line.ended()))
        for half in begun.values():
            self._begin(half, merged)
        return merged

    def _begin(self, began: Began, merged: Merged) -> None:
        if began.id in self.ended:
            merged.joined.append((began.id, 1))
            merged.pairs.append((began, self.ended.pop(began.id)))
            return
        # A copy: the raw tags would keep a whole batch of lines in memory.
        began.tags = began.tags.copy()
        self.begun[began.id] = began
        merged.begun.append(began)

    def _end(self, ended: Ended, merged: Merged) -> None:
        if ended.id in self.begun:
            merged.joined.append((ended.id, 0))
            merged.pairs.append((self.begun.pop(ended.id), ended))
            return
        if ended.id not in self.ended:
            ended.attempts = ended.attempts.copy()
            self.ended[ended.id] = ended
            merged.ended.append(ended)


class Rows:
    """Turns pairs into rows. `number` gives facts their row, and the key by which blocks find their agent."""

    def __init__(self, number: Callable[[Facts], tuple[int, int]]) -> None:
        self._number = number
        self._facts: dict[Facts, tuple[int, int]] = {}

    def forget(self) -> None:
        """The numbers of facts may no longer hold."""
        self._facts.clear()

    def make(self, pairs: list[Pair]) -> tuple[list[Row], dict[int, set[int]]]:
        """The rows of calls, and by block the keys of calls in it. What has no UUIDv7 is no call of ours and gets no row."""
        rows: list[Row] = []
        blocks: dict[int, set[int]] = {}
        known = self._facts
        if len(known) > FACTS_KEPT:
            known.clear()
        for began, ended in pairs:
            try:
                number = int(began.id.replace("-", ""), 16)
            except ValueError:
                continue
            key = number >> 80 << UNIQUE_BITS | number & UNIQUE
            if key >= HIGHEST:
                continue
            begin, end = _values(began), _values(ended)
            facts = begin[BEGAN_FACTS] + end[ENDED_FACTS]
            numbered = known.get(facts)
            if numbered is None:
                numbered = known[facts] = self._number(facts)
            at = key >> BLOCK_BITS
            block = blocks.get(at)
            if block is None:
                block = blocks[at] = set()
            block.add(number & KEY)
            block.add(numbered[1])
            if began.trace:
                block.add(crc32(began.trace.encode()))
            if began.session:
                block.add(crc32(began.session.encode()))
            tokens, tags = ended.tokens, began.tags
            rows.append(
                (
                    key,
                    numbered[0],
                    ended.cost_nano,
                    *(NO_TOKENS if tokens is None else _values(tokens)),
                    None if tags is NO_OBJECT else bytes(tags).decode(),
                    _encode((began.id, began.time, begin[BEGAN_DETAILS], end[ENDED_DETAILS])),
                )
            )
        return rows, blocks


def key_of(text: str) -> int:
    """The key by which blocks find a trace, a session or an agent."""
    return crc32(text.encode())


def packed(keys: set[int]) -> bytes:
    """Keys of a block as they are stored: 4 bytes each, in this machine's order."""
    return array("I", keys).tobytes()


def row_keys(identifier: str) -> range:
    """Where a call's row can be: among the 64 keys that differ from its own only in the last bits.

    Raises ValueError for what is no UUIDv7 of our time.
    """
    number = int(identifier.replace("-", ""), 16)
    key = number >> 80 << UNIQUE_BITS | number & UNIQUE
    if len(identifier) != 36 or key >= HIGHEST:
        raise ValueError(f"{identifier} is no call's id")
    return range(key & -CROWD, (key & -CROWD) + CROWD)
