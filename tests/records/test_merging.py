"""Halves find each other in whatever order they come, and a row can be found by whatever names its call."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.records.lines import Began, Ended, Line, read_line
from durward.records.merging import CROWD, Facts, Merger, Rows, key_of, packed, row_keys
from durward.records.schema import BLOCK_BITS
from tests.records.scribe import Calls


def halves(count: int) -> list[tuple[Began, Ended]]:
    calls = Calls()
    pairs = []
    for _ in range(count):
        opening = calls.opening()
        began = read_line(msgspec.json.encode({"type": "intent"} | msgspec.to_builtins(opening)))
        ended = read_line(msgspec.json.encode({"type": "settle"} | msgspec.to_builtins(calls.closing(opening))))
        assert isinstance(began, Began)
        assert isinstance(ended, Ended)
        pairs.append((began, ended))
    return pairs


@given(st.data())
def test_every_call_is_paired_once_in_any_order_and_any_batches(data: st.DataObject) -> None:
    pairs = halves(6)
    lines: list[Line] = data.draw(st.permutations([half for pair in pairs for half in pair]))
    merger = Merger()
    paired, waiting = [], set()
    while lines:
        size = data.draw(st.integers(1, len(lines)))
        merged = merger.merge(lines[:size])
        lines = lines[size:]
        paired += [(began.id, ended.id) for began, ended in merged.pairs]
        waiting |= {(half.id, 0) for half in merged.begun} | {(half.id, 1) for half in merged.ended}
        assert waiting >= set(merged.joined)
        waiting -= set(merged.joined)
        assert waiting == {(name, 0) for name in merger.begun} | {(name, 1) for name in merger.ended}
    assert sorted(paired) == sorted((began.id, began.id) for began, _ in pairs)
    assert not waiting


def numbered(facts: Facts) -> tuple[int, int]:
    return 7, key_of(str(facts[0]))


def test_a_row_begins_with_its_time_and_is_found_in_its_block() -> None:
    ((began, ended),) = halves(1)
    began.session = "s"
    (row,), blocks = Rows(numbered).make([(began, ended)])
    key = row[0]
    assert isinstance(key, int)
    assert key >> 20 == int(began.id.replace("-", "")[:12], 16)
    assert key in row_keys(began.id)
    ((block, keys),) = blocks.items()
    assert block == key >> BLOCK_BITS
    assert keys == {int(began.id[-8:], 16), key_of("support"), key_of(began.trace), key_of("s")}
    assert packed({key_of("s")}) in [packed(keys)[at : at + 4] for at in range(0, len(packed(keys)), 4)]


def test_facts_are_asked_for_once_until_they_are_forgotten() -> None:
    asked: list[Facts] = []

    def number(facts: Facts) -> tuple[int, int]:
        asked.append(facts)
        return len(asked), 0

    rows = Rows(number)
    pairs = halves(3)
    rows.make(pairs)
    assert len(asked) == 1
    assert asked[0] == (
        *("support", "", "", "", "openai_chat", "generate", "read", "", "", "allow", "work", "gpt-4o-mini", ""),
        *("ok", 200, "", "openai", "gpt-4o-mini-2026", False, False),
    )
    rows.forget()
    rows.make(pairs)
    assert len(asked) == 2


@pytest.mark.parametrize("identifier", ["", "id", "g" * 36, "ffffffff-ffff-7fff-bfff-ffffffffffff"])
def test_what_is_no_id_of_our_time_gets_no_row(identifier: str) -> None:
    ((began, ended),) = halves(1)
    began.id = identifier
    assert Rows(numbered).make([(began, ended)]) == ([], {})
    with pytest.raises(ValueError):  # noqa: PT011
        row_keys(identifier)


@given(st.integers(0, 2**43 - 1), st.binary(min_size=10, max_size=10), st.integers(0, CROWD - 1))
def test_rows_that_stand_beside_their_own_key_stay_in_their_block(moment: int, rest: bytes, turn: int) -> None:
    number = moment << 80 | int.from_bytes(rest, "big")
    text = f"{number:032x}"
    identifier = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    keys = row_keys(identifier)
    own = number >> 80 << 20 | number & (1 << 20) - 1
    assert own in keys
    assert own ^ turn in keys
    assert keys.start >> BLOCK_BITS == keys[-1] >> BLOCK_BITS
