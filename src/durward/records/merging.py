"""Joins the halves of calls, and packs them for the index. No I/O; both loops are written to cost little."""

import struct
from array import array
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from durward.calls.tokens import Tokens
from durward.records.halves import NO_TAGS, Beginning, Ending, Half, Refusal

Facts = tuple[str, str, str, bool]
"""What calls are filtered and added up by, and few differ in: agent, model, outcome, and whether a price was missing."""

ID_LENGTH = 36
STAMP = 11
"""Characters of an id that name its block: the digits of its milliseconds but the last two."""
OUR_TIME = "8"
"""What an id's first digit cannot be any more: a time in the year 2248."""
KEPT = 4_096
"""Facts, and tags, whose numbers are kept in memory."""
MOST = (1 << 63) - 1
NO_TOKENS = Tokens()

_call = struct.Struct("<36sIIIIQQqqqqqq")
_pack = _call.pack
ROW = _call.size


class Packed(NamedTuple):
    """A call as a block holds it."""

    id: bytes
    facts: int
    tags: int
    """Their number, 0 for none."""
    trace: int
    session: int
    """Keys, 0 for none."""
    begun: int
    ended: int
    """Places of the lines."""
    cost: int
    input: int
    cached_input: int
    cache_write: int
    output: int
    reasoning: int


Pair = tuple[Beginning, Ending]


class Merged:
    """What one batch of lines adds to the index."""

    __slots__ = ("begun", "ended", "joined", "pairs")

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self.begun: list[Beginning] = []
        """Calls whose end is not known yet."""
        self.ended: list[Ending] = []
        """Ends whose beginning is not known yet."""
        self.joined: list[Half] = []
        """Halves that had waited and now stand in a pair."""


class Merger:
    """Keeps the halves that wait for each other."""

    def __init__(self) -> None:
        self.begun: dict[str, Beginning] = {}
        self.ended: dict[str, Ending] = {}

    def merge(self, lines: list[Half]) -> Merged:
        """Take lines in the order of their chains."""
        merged = Merged()
        pairs = merged.pairs
        begun: dict[str, Beginning] = {}
        for line in lines:
            if type(line) is Beginning:
                begun[line.id] = line
            elif isinstance(line, Ending):
                began = begun.pop(line.id, None)
                if began is None:
                    self._end(line, merged)
                else:
                    pairs.append((began, line))
            elif isinstance(line, Refusal):
                pairs.append((line, line.ending()))
        for half in begun.values():
            self._begin(half, merged)
        return merged

    def _begin(self, began: Beginning, merged: Merged) -> None:
        if began.id in self.ended:
            ended = self.ended.pop(began.id)
            merged.joined.append(ended)
            merged.pairs.append((began, ended))
            return
        if began.tags is not NO_TAGS:
            # A copy: the raw tags would keep a whole batch of lines in memory.
            began.tags = began.tags.copy()
        self.begun[began.id] = began
        merged.begun.append(began)

    def _end(self, ended: Ending, merged: Merged) -> None:
        if ended.id in self.begun:
            began = self.begun.pop(ended.id)
            merged.joined.append(began)
            merged.pairs.append((began, ended))
            return
        if ended.id not in self.ended:
            self.ended[ended.id] = ended
            merged.ended.append(ended)


class Block:
    """What is added to a block: keys by which it is found, and calls by their ids."""

    __slots__ = ("calls", "keys")

    def __init__(self) -> None:
        self.keys: set[int] = set()
        self.calls: dict[bytes, bytes] = {}


class Numbers:
    """Numbers of what few calls differ in, each asked for once."""

    def __init__(self, of_facts: Callable[[Facts], int], of_tags: Callable[[bytes], int]) -> None:
        self._of_facts = of_facts
        self._of_tags = of_tags
        self._facts: dict[Facts, tuple[int, int]] = {}
        self._tags: dict[bytes, int] = {}

    def facts(self) -> dict[Facts, tuple[int, int]]:
        """Those of facts that are known already, and the keys of their agents."""
        if len(self._facts) > KEPT:
            self._facts.clear()
        return self._facts

    def ask(self, facts: Facts) -> tuple[int, int]:
        """That of facts which are not known yet."""
        numbered = self._facts[facts] = self._of_facts(facts), key_of(facts[0])
        return numbered

    def tags(self, tags: msgspec.Raw) -> int:
        """That of a call's tags."""
        content = bytes(tags)
        number = self._tags.get(content)
        if number is None:
            if len(self._tags) > KEPT:
                self._tags.clear()
            number = self._tags[content] = self._of_tags(content)
        return number


def pack(pairs: list[Pair], numbers: Numbers) -> dict[int, Block]:
    """Calls by their blocks. What has no UUIDv7 is no call of ours and is left out."""
    blocks: dict[int, Block] = {}
    keys: set[int] = set()
    calls: dict[bytes, bytes] = {}
    at = ""
    known = numbers.facts()
    for began, ended in pairs:
        name = began.id
        raw = name.encode()
        try:
            key = int(name[-8:], 16)
            if name[:STAMP] != at or len(raw) != ID_LENGTH:
                block = blocks.setdefault(block_of(name), Block())
                keys, calls, at = block.keys, block.calls, name[:STAMP]
        except ValueError:
            continue
        facts = began.agent, began.model, ended.outcome, ended.price_partial
        number, agent = known.get(facts) or numbers.ask(facts)
        trace = session = tags = 0
        keys.add(key)
        keys.add(agent)
        if began.trace:
            trace = crc32(began.trace.encode())
            keys.add(trace)
        if began.session:
            session = crc32(began.session.encode())
            keys.add(session)
        if began.tags is not NO_TAGS:
            tags = numbers.tags(began.tags)
        used = ended.tokens or NO_TOKENS
        try:
            # fmt: off
            call = _pack(
                raw, number, tags, trace, session, began.place, ended.place,
                ended.cost_nano or 0, used.input, used.cached_input, used.cache_write, used.output, used.reasoning,
            )
            # fmt: on
        except struct.error:
            amounts = ended.cost_nano or 0, *msgspec.structs.astuple(used)
            bounded = (max(-MOST, min(MOST, amount)) for amount in amounts)
            call = _pack(raw, number, tags, trace, session, began.place, ended.place, *bounded)
        calls.setdefault(raw, call)
    return blocks


def unpacked(calls: bytes) -> Iterator[Packed]:
    """The calls of a block, in no order."""
    return map(Packed._make, _call.iter_unpack(calls))


def amounts(calls: bytes) -> Iterator[tuple[Any, ...]]:
    """The same as plain tuples, for whoever adds up many."""
    return _call.iter_unpack(calls)


def ids_in(calls: bytes) -> set[bytes]:
    """The ids of a block's calls."""
    return {calls[at : at + ID_LENGTH] for at in range(0, len(calls), ROW)}


def key_of(text: str) -> int:
    """The key by which blocks find a trace, a session or an agent."""
    return crc32(text.encode())


def packed_keys(keys: set[int]) -> bytes:
    """Keys of a block as they are stored: 4 bytes each, in this machine's order."""
    return array("I", keys).tobytes()


def block_of(identifier: str) -> int:
    """The number of the block that a call is in. Raises ValueError for what is no UUIDv7 of our time."""
    if len(identifier) != ID_LENGTH or not identifier.isascii() or not "0" <= identifier[0] < OUR_TIME:
        raise ValueError(f"{identifier} is no call's id")
    return int(identifier[:8] + identifier[9:STAMP], 16)
