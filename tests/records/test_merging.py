"""Halves find each other in whatever order they come, and a call can be found by whatever names it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.tokens import Tokens
from durward.records.halves import Beginning, Ending, Half, read_half
from durward.records.merging import (
    Facts,
    Merger,
    Numbers,
    block_of,
    ids_in,
    key_of,
    pack,
    packed_keys,
    unpacked,
)
from durward.records.schema import BLOCK_BITS
from tests.records.scribe import Calls


def halves(count: int) -> list[tuple[Beginning, Ending]]:
    calls = Calls()
    pairs = []
    for number in range(count):
        opening = calls.opening()
        began = read_half(msgspec.json.encode({"type": "intent"} | msgspec.to_builtins(opening)), 2 * number)
        closing = msgspec.to_builtins(calls.closing(opening))
        ended = read_half(msgspec.json.encode({"type": "settle"} | closing), 2 * number + 1)
        assert isinstance(began, Beginning)
        assert isinstance(ended, Ending)
        pairs.append((began, ended))
    return pairs


@given(st.data())
def test_every_call_is_paired_once_in_any_order_and_any_batches(data: st.DataObject) -> None:
    pairs = halves(6)
    lines: list[Half] = data.draw(st.permutations([half for pair in pairs for half in pair]))
    merger = Merger()
    paired, waiting = [], set()
    while lines:
        size = data.draw(st.integers(1, len(lines)))
        merged = merger.merge(lines[:size])
        lines = lines[size:]
        paired += [(began.id, ended.id) for began, ended in merged.pairs]
        waiting |= {half.place for half in (*merged.begun, *merged.ended)}
        joined = {half.place for half in merged.joined}
        assert waiting >= joined
        waiting -= joined
        assert waiting == {half.place for half in (*merger.begun.values(), *merger.ended.values())}
    assert sorted(paired) == sorted((began.id, began.id) for began, _ in pairs)
    assert not waiting


def numbers() -> Numbers:
    """Every facts have number 7, and all tags 9."""
    return Numbers(lambda facts: 7, lambda tags: 9)


def test_a_call_is_in_the_block_of_its_time_and_is_found_there() -> None:
    ((began, ended),) = halves(1)
    began.session, began.tags = "s", msgspec.Raw(b'{"team":"care"}')
    ((number, block),) = pack([(began, ended)], numbers()).items()
    assert number == int(began.id.replace("-", "")[:12], 16) >> BLOCK_BITS
    assert number == block_of(began.id)
    assert block.keys == {int(began.id[-8:], 16), key_of("support"), key_of(began.trace), key_of("s")}
    assert len(packed_keys(block.keys)) == 16
    ((raw, content),) = block.calls.items()
    assert ids_in(content * 2) == {raw} == {began.id.encode()}
    (call,) = unpacked(content)
    assert call == (raw, 7, 9, key_of(began.trace), key_of("s"), 0, 1, 1_234, 10, 2, 0, 5, 1)


def test_amounts_that_no_row_holds_are_cut() -> None:
    ((began, ended),) = halves(1)
    ended.cost_nano, ended.tokens = 2**70, Tokens(input=-(2**70), output=3)
    (block,) = pack([(began, ended)], numbers()).values()
    (call,) = unpacked(b"".join(block.calls.values()))
    assert (call.cost, call.input, call.output) == (2**63 - 1, 1 - 2**63, 3)


def test_a_call_that_is_told_twice_counts_once_as_it_was_told_first() -> None:
    ((began, ended),) = halves(1)
    again = Ending(began.id, cost_nano=5)
    (block,) = pack([(began, ended), (began, again)], numbers()).values()
    (call,) = unpacked(b"".join(block.calls.values()))
    assert call.cost == 1_234


def test_facts_and_tags_are_asked_for_once() -> None:
    asked: list[Facts | bytes] = []

    def number(what: Facts | bytes) -> int:
        asked.append(what)
        return len(asked)

    kept = Numbers(number, number)
    pairs = halves(3)
    for began, _ in pairs[1:]:
        began.tags = msgspec.Raw(b'{"a":"b"}')
    for _ in range(2):
        pack(pairs, kept)
    assert asked == [("support", "gpt-4o-mini", "ok", False), b'{"a":"b"}']


@pytest.mark.parametrize("identifier", ["", "id", "g" * 36, "ffffffff-ffff-7fff-bfff-ffffffffffff", "01" * 16])
def test_what_is_no_id_of_our_time_is_left_out(identifier: str) -> None:
    ((began, ended),) = halves(1)
    began.id = identifier
    assert pack([(began, ended)], numbers()) == {}
    with pytest.raises(ValueError):  # noqa: PT011
        block_of(identifier)
