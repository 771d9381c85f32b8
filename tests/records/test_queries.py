"""Questions are answered exactly: what a plain reading of the journal gives, the index gives."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durward.calls.tokens import Tokens
from durward.records.index import Indexer
from durward.records.lines import Record, as_json
from durward.records.queries import By, Index, Spend, Wanted
from durward.records.times import milliseconds
from tests.records.scribe import Calls, Watch, journal
from tests.records.truth import truth

AGENTS = ["support", "batch", "rare"]


def fill(data_dir: Path, count: int, seed: int = 0) -> None:
    """Calls of all kinds over three days, indexed."""
    calls, watch = Calls(seed), Watch()
    choose = calls.choose
    with journal(data_dir, watch) as written:
        for number in range(count):
            calls.now += choose.choice([0.0, 0.001, 30.0, 4_000.0])
            opening = calls.opening(
                agent=choose.choice(AGENTS[: 2 + (number % 50 == 7)]),
                model=choose.choice(["gpt-4o-mini", "claude", ""]),
                session=choose.choice(["", "s1", "s2"]),
                tags=choose.choice([{}, {}, {"team": "care"}, {"team": "care", "env": "prod"}, {"team": "ops"}]),
                trace=choose.choice(["ab" * 16, choose.randbytes(16).hex()]),
                reserved_nano=choose.choice([None, 10**12]),
            )
            end = choose.choice(["ok", "ok", "ok", "refused", "failed", "cut", "none"])
            if end == "refused":
                written.refused(opening, calls.refusal(opening))
                continue
            written.intent(opening)
            if end == "none":
                continue
            tokens = choose.choice([None, Tokens(*(choose.randrange(2**40) for _ in range(5)))])
            cost = choose.choice([None, 0, 1, choose.randrange(10**15)])
            closing_half = calls.closing(
                opening, outcome=end, tokens=tokens, cost_nano=cost, price_partial=cost is None
            )
            written.settle(closing_half)
    with closing(Indexer(data_dir)) as indexer:
        while indexer.step():
            pass


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    fill(folder, 400)
    return folder


@pytest.fixture
def index(data_dir: Path) -> Iterator[Index]:
    with closing(Index(data_dir)) as index:
        yield index


def newest(data_dir: Path) -> list[Record]:
    return sorted(truth(data_dir), key=lambda record: record.id, reverse=True)


def ids(records: Iterator[Record] | list[Record]) -> list[str]:
    return [record.id for record in records]


def test_calls_come_newest_first_and_are_what_the_journal_says(index: Index, data_dir: Path) -> None:
    listed = list(index.calls(Wanted()))
    assert len(listed) > 300
    assert sorted(map(as_json, listed)) == sorted(map(as_json, truth(data_dir)))
    starts = [record.id[:13] for record in listed]
    assert starts == sorted(starts, reverse=True)


FILTERS = st.builds(
    Wanted,
    st.integers(0, 300),
    st.none() | st.integers(0, 5),
    st.sampled_from([None, *AGENTS, "nobody"]),
    st.sampled_from([None, "gpt-4o-mini", "none"]),
    st.sampled_from([None, "s1", "none"]),
    st.sampled_from([None, "ab" * 16, "cd" * 16]),
    st.sampled_from([None, "ok", "refused", "unknown"]),
)


@settings(max_examples=60)
@given(FILTERS)
def test_any_filter_gives_just_the_newest_calls_that_are_meant(data_dir: Path, wanted: Wanted) -> None:
    every = newest(data_dir)
    wanted = msgspec.structs.replace(
        wanted, since_ms=milliseconds(every[wanted.since_ms].time) if wanted.since_ms else 0
    )
    meant = [record.id for record in every if is_meant(record, wanted)]
    with closing(Index(data_dir)) as index:
        assert sorted(ids(index.calls(msgspec.structs.replace(wanted, limit=None)))) == sorted(meant)
        found = ids(index.calls(wanted))
    # Calls of one millisecond may come in any order.
    assert [one[:13] for one in found] == [one[:13] for one in meant[: wanted.limit]]
    assert len({*found}) == len(found)


def is_meant(record: Record, wanted: Wanted) -> bool:
    named = ("agent", "model", "session", "trace", "outcome")
    began = int(record.id.replace("-", "")[:12], 16)
    return began >= wanted.since_ms and all(getattr(wanted, name) in (None, getattr(record, name)) for name in named)


def test_a_call_is_found_by_its_id_and_by_its_end(index: Index, data_dir: Path) -> None:
    for record in truth(data_dir)[::37]:
        found = index.call(record.id)
        assert found is not None
        assert as_json(found) == as_json(record)
        assert record.id in ids(index.ending_in(record.id[-8:]))
        assert ids(index.ending_in(record.id[-12:])) == [record.id]
    assert index.call("01a1fd11-6a19-7000-a6c3-d1c427104c41") is None
    assert index.call("no id") is None
    assert index.ending_in("00000000") == []


def test_a_call_that_is_open_is_found_too(tmp_path: Path) -> None:
    with journal(tmp_path) as written, closing(Indexer(tmp_path)) as indexer:
        opening = Calls().opening(session="s")
        written.intent(opening)
        indexer.step()
        with closing(Index(tmp_path)) as index:
            assert ids(index.open_calls()) == [opening.id]
            found = index.call(opening.id)
            assert found is not None
            assert found.outcome is None
            assert ids(index.ending_in(opening.id[-8:])) == [opening.id]
            assert list(index.calls(Wanted())) == []


def names(by: By, record: Record) -> list[str]:
    """Under what a call's spend counts."""
    if by == "day":
        return [record.time[:10]]
    if by == "tag":
        return [f"{name}={value}" for name, value in record.tags.items()] or [""]
    return [(record.agent if by == "agent" else record.model) or ""]


def plain_spend(by: By, records: list[Record], since: int) -> list[Spend]:
    rows: dict[str, Spend] = {}
    for record in records:
        if (record.outcome == "refused" and not record.cost_nano) or milliseconds(record.time) < since:
            continue
        for name in names(by, record):
            row = rows.setdefault(name, Spend(name, 0, Tokens(), 0, 0, 0, 0))
            if record.outcome == "unknown":
                row.unknown += 1
                row.unknown_nano += record.cost_nano or 0
                continue
            row.calls += 1
            row.cost_nano += record.cost_nano or 0
            row.unpriced += record.cost_nano is None
            for kind in Tokens.__struct_fields__:
                setattr(
                    row.tokens, kind, getattr(row.tokens, kind) + (getattr(record.tokens, kind) if record.tokens else 0)
                )
    return [rows[name] for name in sorted(rows)]


@pytest.mark.parametrize("by", get_args(By))
@pytest.mark.parametrize("at", [0, 100])
def test_spend_is_exact_to_the_nano_dollar(index: Index, data_dir: Path, by: By, at: int) -> None:
    every = newest(data_dir)
    since = milliseconds(every[at].time) if at else 0
    rows = index.spend(by, since)
    assert rows == plain_spend(by, every, since)
    assert len(rows) >= 2
    assert sum(row.unknown for row in rows) > 0
    assert sum(row.unpriced for row in rows) > 0


def test_a_call_counts_for_each_of_its_tags(index: Index, data_dir: Path) -> None:
    spent = [record for record in truth(data_dir) if record.outcome != "refused"]
    counted = Counter(name for record in spent for name in names("tag", record))
    assert {row.name: row.calls + row.unknown for row in index.spend("tag")} == counted


def test_the_calls_of_a_segment_that_is_gone_are_summed_and_no_longer_shown(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    total = sum(row.calls for row in indexed_spend(tmp_path))
    (segment,) = (tmp_path / "journal").glob("*/1.jsonl")
    segment.unlink()
    assert sum(row.calls for row in indexed_spend(tmp_path)) == total > 0
    with closing(Index(tmp_path)) as index:
        assert list(index.calls(Wanted())) == []


def indexed_spend(data_dir: Path) -> list[Spend]:
    with closing(Index(data_dir)) as index:
        return index.spend("agent")


def test_lines_that_are_no_longer_what_they_were_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    (segment,) = (tmp_path / "journal").glob("*/1.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"type":"settle"', b'"type":"sattle"', 1))
    with closing(Index(tmp_path)) as index:
        assert len(list(index.calls(Wanted()))) == len(truth(tmp_path)) > 0


def test_any_time_may_be_asked_for(index: Index, data_dir: Path) -> None:
    assert len(list(index.calls(Wanted(since_ms=-(10**15))))) == len(truth(data_dir))
    assert index.spend("day", -(10**15)) == index.spend("day")
    assert list(index.calls(Wanted(since_ms=10**15))) == []


def test_without_an_index_there_is_nothing(tmp_path: Path) -> None:
    with closing(Index(tmp_path)) as index:
        assert list(index.calls(Wanted())) == []
        assert index.spend("agent") == []
        assert index.call("01a1fd11-6a19-7000-a6c3-d1c427104c41") is None
        assert index.ending_in("00000000") == []
        assert index.open_calls() == []
        assert index.followed() == {}
