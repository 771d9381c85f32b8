"""Calls that belong together: a tree by their spans, and bars over their time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.cli import story
from durward.cli.story import BAR, bar, rows, span_of, tree
from durward.records.lines import Began, Ended, Record, record
from durward.records.times import milliseconds, timestamp

BEGIN = 1_795_000_000_000


def call(
    number: int, parent: int | None = None, at: int = 0, took: float = 100.0, first: float | None = None
) -> Record:
    began = Began(
        f"01a1fd11-6a19-7000-8000-{number:012x}",
        timestamp((BEGIN + at) / 1000 + 0.0001),
        resource=f"model/m{number}",
        parent="" if parent is None else f"8000{parent:012x}",
    )
    return record(began, Ended(began.id, "ok", 200, duration_ms=took, first_byte_ms=first))


def test_a_calls_span_is_the_end_of_its_id() -> None:
    assert span_of(call(1)) == "8000000000000001"


def test_calls_stand_below_the_call_within_which_they_were_made() -> None:
    records = [call(1), call(2, 1, 10), call(3, 2, 20), call(4, 1, 30), call(5, None, 40), call(6, 99, 50)]
    assert [(place.branch, place.record.resource) for place in tree(records[::-1])] == [
        ("", "model/m1"),
        ("├ ", "model/m2"),
        ("│ └ ", "model/m3"),
        ("└ ", "model/m4"),
        ("", "model/m5"),
        ("", "model/m6"),
    ]


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 5)), unique_by=lambda pair: pair[0]))
def test_every_call_is_shown_once_whoever_it_claims_as_parent(pairs: list[tuple[int, int | None]]) -> None:
    records = [call(number, parent) for number, parent in pairs]
    assert sorted(place.record.id for place in tree(records)) == sorted(record.id for record in records)


def drawn(record: Record, length: float) -> str:
    return bar(record, BEGIN, length).plain.ljust(BAR)


@pytest.mark.parametrize(
    "made,text",
    [
        (call(1, took=1600.0, first=800.0), "────────━━━━━━━━"),
        (call(1, at=800, took=800.0, first=0.0), "        ━━━━━━━━"),
        (call(1, at=800, took=400.0), "        ────    "),
        (call(1, at=1600, took=0.0, first=0.0), "               ━"),
        (call(1, took=1600.0, first=1600.0), "───────────────━"),
        (call(1, took=1.0, first=0.5), "━               "),
    ],
)
def test_a_bar_is_thin_until_the_first_byte_and_thick_behind_it(made: Record, text: str) -> None:
    assert drawn(made, 1600.0) == text


@given(st.integers(0, 10_000), st.floats(0, 10_000), st.none() | st.floats(0, 10_000))
def test_a_bar_never_leaves_its_place(at: int, took: float, first: float | None) -> None:
    made = call(1, at=at, took=took, first=first)
    text = bar(made, BEGIN, max(1.0, milliseconds(made.time) - BEGIN + took)).plain
    assert 1 <= len(text) <= BAR
    assert text.strip()


def test_rows_share_one_scale_and_the_chosen_call_stands_out() -> None:
    records = [call(1, took=1000.0, first=0.0), call(2, 1, 500, 500.0, 0.0)]
    first, second = rows(records, records[1].id)
    assert first[3].plain == "━" * BAR
    assert second[3].plain == " " * 8 + "━" * 8
    assert second[0].plain == "└ m2"
    assert [span.style for span in second[0].spans] == ["dim", "bold"]
    assert len(first) == len(story.COLUMNS)


def test_a_call_that_is_still_open_has_its_place() -> None:
    began = Began("01a1fd11-6a19-7000-8000-000000000009", timestamp(BEGIN / 1000 + 0.5))
    (_, open_) = rows([call(1, took=1000.0), record(began, None)])
    assert open_[1].plain == "open"
    assert open_[3].plain.strip() == "─"
