"""Listings answer from an index that holds what the journal held when they began, or say what it lacks."""

import fcntl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from durward.records import freshness
from durward.records import writer as writers
from durward.records.freshness import RUNNING, End, catch_up, journal_ends, missing
from durward.records.index import Indexer
from durward.records.journal import FileJournal
from durward.records.queries import Index, Wanted
from tests.records.scribe import Calls, journal


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def written(tmp_path: Path) -> Iterator[FileJournal]:
    with journal(tmp_path) as written:
        yield written


def call(written: FileJournal, calls: Calls) -> None:
    opening = calls.opening()
    written.intent(opening)
    written.settle(calls.closing(opening))


def count(data_dir: Path) -> int:
    with closing(Index(data_dir)) as index:
        return len(list(index.calls(Wanted())))


def never(seconds: float) -> None:
    pytest.fail("waited")


def test_while_no_gate_runs_a_listing_follows_by_itself(tmp_path: Path, written: FileJournal, calls: Calls) -> None:
    for number in range(3):
        call(written, calls)
        if number == 1:
            (tmp_path / RUNNING).touch()
        assert catch_up(tmp_path, lambda seconds: None) == 0
        assert count(tmp_path) == number + 1


def test_what_is_there_already_is_not_waited_for(tmp_path: Path, written: FileJournal, calls: Calls) -> None:
    call(written, calls)
    catch_up(tmp_path, lambda seconds: None)
    assert catch_up(tmp_path, never) == 0


def test_where_there_is_no_journal_nothing_is_waited_for(tmp_path: Path) -> None:
    assert catch_up(tmp_path, never) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def running(tmp_path: Path) -> Iterator[None]:
    with (tmp_path / RUNNING).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("running")
def test_while_a_gate_runs_a_listing_waits_for_its_office(tmp_path: Path, written: FileJournal, calls: Calls) -> None:
    call(written, calls)
    with closing(Indexer(tmp_path)) as indexer:
        pauses = 0

        def pause(seconds: float) -> None:
            nonlocal pauses
            pauses += 1
            call(written, calls)
            if pauses == 3:
                indexer.step()

        assert catch_up(tmp_path, pause) == 0
    assert pauses == 3
    assert count(tmp_path) == 4


@pytest.mark.usefixtures("running")
def test_an_office_that_does_not_come_is_waited_for_so_long_and_no_longer(
    tmp_path: Path, written: FileJournal, calls: Calls
) -> None:
    call(written, calls)
    assert written.writer is not None
    size = (written.writer / "1.jsonl").stat().st_size
    waited: list[float] = []
    assert catch_up(tmp_path, waited.append) == size
    assert sum(waited) == pytest.approx(5.0)


def test_a_start_gets_its_turn_while_a_listing_follows(
    tmp_path: Path, written: FileJournal, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "STEPS_A_TURN", 1)
    monkeypatch.setattr(Indexer.step, "__defaults__", (2_000,))
    for _ in range(20):
        call(written, calls)
    (tmp_path / RUNNING).touch()
    free = 0

    def pause(seconds: float) -> None:
        nonlocal free
        with (tmp_path / RUNNING).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free += 1

    assert catch_up(tmp_path, pause) == 0
    assert free > 5
    assert count(tmp_path) == 20


def test_only_whole_lines_are_waited_for(tmp_path: Path, written: FileJournal, calls: Calls) -> None:
    call(written, calls)
    assert written.writer is not None
    with (written.writer / "1.jsonl").open("ab") as file:
        file.write(b'{"v":1,"torn')
    catch_up(tmp_path, lambda seconds: None)
    assert catch_up(tmp_path, never) == 0
    assert count(tmp_path) == 1


def test_what_lacks_is_counted_over_segments(
    tmp_path: Path, written: FileJournal, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "SEGMENT_BYTES", 2_000)
    call(written, calls)
    with closing(Indexer(tmp_path)) as indexer:
        indexer.step()
    for _ in range(10):
        call(written, calls)
    assert written.writer is not None
    with closing(Index(tmp_path)) as index:
        ((segment, offset, _),) = index.followed().values()
        ends = journal_ends(tmp_path, index)
        assert missing(index, ends) == sum(path.stat().st_size for path in written.writer.glob("*.jsonl")) - offset
        assert missing(index, [End(written.writer, segment, offset)]) == 0
