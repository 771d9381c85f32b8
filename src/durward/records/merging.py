"""Joins the halves of calls, and packs them for the index. No I/O; both loops are written to cost little."""

import struct
from array import array
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from durward.calls.usage import Tokens
from durward.records.halves import NO_TAGS, Beginning, Ending, Half, Refusal
from durward.records.schema import BLOCK_BITS

Facts = tuple[str, str, str, bool]
"""What calls are filtered and added up by, and few differ in: agent, model, outcome, and whether a price was missing."""

ID_LENGTH = 36
ID_BYTES = 16
OUR_TIME = 8
"""What the first byte of an id cannot be any more: a time in the year 2248."""
KEPT = 4_096
"""Facts, and tags, whose numbers are kept in memory."""
KEY = (1 << 32) - 1
MOST = (1 << 63) - 1
NO_TOKENS = (0,) * len(Tokens.__struct_fields__)
TIME_SHIFT = 16 + BLOCK_BITS

_values = msgspec.structs.astuple
_call = struct.Struct("<16sIIIIQQqqqqqq")
_id = struct.Struct(">QQ")
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
                if line.id in begun:
                    pairs.append((begun.pop(line.id), line))
                else:
                    self._end(line, merged)
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
    """What is added to a block: keys by which it is found, and calls by the bytes of their ids."""

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
    block, at = Block(), -1
    known = numbers.facts()
    for began, ended in pairs:
        raw = raw_id(began.id)
        if not raw:
            continue
        high, low = _id.unpack(raw)
        if high >> TIME_SHIFT != at:
            at = high >> TIME_SHIFT
            block = blocks.setdefault(at, Block())
        facts = began.agent, began.model, ended.outcome, ended.price_partial
        number, agent = known.get(facts) or numbers.ask(facts)
        trace = crc32(began.trace.encode()) if began.trace else 0
        session = crc32(began.session.encode()) if began.session else 0
        block.keys.update((low & KEY, agent, trace, session))
        tags = 0 if began.tags is NO_TAGS else numbers.tags(began.tags)
        used = NO_TOKENS if ended.tokens is None else _values(ended.tokens)
        cost = ended.cost_nano or 0
        try:
            call = _call.pack(raw, number, tags, trace, session, began.place, ended.place, cost, *used)
        except struct.error:
            bounded = (max(-MOST, min(MOST, amount)) for amount in (cost, *used))
            call = _call.pack(raw, number, tags, trace, session, began.place, ended.place, *bounded)
        block.calls.setdefault(raw, call)
    return blocks


def unpacked(calls: bytes) -> Iterator[Packed]:
    """The calls of a block, in no order."""
    return map(Packed._make, _call.iter_unpack(calls))


def amounts(calls: bytes) -> Iterator[tuple[Any, ...]]:
    """The same as plain tuples, for whoever adds up many."""
    return _call.iter_unpack(calls)


def ids_in(calls: bytes) -> set[bytes]:
    """The ids of a block's calls."""
    return {calls[at : at + ID_BYTES] for at in range(0, len(calls), ROW)}


def key_of(text: str) -> int:
    """The key by which blocks find a trace, a session or an agent."""
    return crc32(text.encode())


def packed_keys(keys: set[int]) -> bytes:
    """Keys of a block as they are stored: 4 bytes each, in this machine's order."""
    return array("I", keys).tobytes()


def raw_id(identifier: str) -> bytes:
    """The bytes of a call's id; b"" for what is no UUIDv7 of our time."""
    try:
        raw = bytes.fromhex(identifier.replace("-", ""))
    except ValueError:
        return b""
    return raw if len(raw) == ID_BYTES and len(identifier) == ID_LENGTH and raw[0] < OUR_TIME else b""


def block_of(raw: bytes) -> int:
    """The number of the block that a call is in."""
    return int.from_bytes(raw[:6]) >> BLOCK_BITS
