"""The index holds what the journal holds: each call once, whatever the order, the batches and the restarts."""

import sqlite3
import stat
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durward.calls.errors import GateError
from durward.calls.record import Opening
from durward.calls.tokens import Tokens
from durward.records import layout
from durward.records import writer as writers
from durward.records.index import Indexer
from durward.records.journal import FileJournal
from durward.records.lines import Record, as_json
from durward.records.queries import Index, Wanted
from durward.records.recovery import Recovery
from durward.records.schema import INDEX
from tests.records.scribe import Calls, Watch, journal
from tests.records.truth import truth


def bring_up_to_date(data_dir: Path) -> None:
    with closing(Indexer(data_dir)) as indexer:
        while indexer.step():
            pass


def indexed(data_dir: Path) -> list[str]:
    with closing(Index(data_dir)) as index:
        return sorted(as_json(record) for record in index.calls(Wanted()))


def as_sorted(records: Iterable[Record]) -> list[str]:
    return sorted(as_json(record) for record in records)


def test_a_call_is_there_when_it_has_ended(tmp_path: Path) -> None:
    calls = Calls()
    with closing(Indexer(tmp_path)) as indexer, journal(tmp_path) as written:
        opening = calls.opening(tags={"team": "care"}, session="s")
        written.intent(opening)
        indexer.step()
        assert indexed(tmp_path) == []
        with closing(Index(tmp_path)) as index:
            (waiting,) = index.open_calls()
        assert (waiting.id, waiting.outcome) == (opening.id, None)
        written.settle(calls.closing(opening))
        indexer.step()
        assert indexed(tmp_path) == as_sorted(truth(tmp_path))
        assert len(indexed(tmp_path)) == 1
        denied = calls.opening(decision="deny")
        written.refused(denied, calls.refusal(denied))
        indexer.step()
        assert indexed(tmp_path) == as_sorted(truth(tmp_path))
        assert len(indexed(tmp_path)) == 2


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    with closing(Indexer(tmp_path)), journal(tmp_path):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir() if path.is_file()}
        assert modes == {INDEX: 0o600, f"{INDEX}-wal": 0o600, f"{INDEX}-shm": 0o600}


class World:
    """Gates that come and go over one data directory, and an indexer that is restarted whenever."""

    def __init__(self, folder: Path, data: st.DataObject) -> None:
        self.folder, self.data = folder, data
        self.watch, self.calls = Watch(), Calls()
        self.indexer = Indexer(folder)
        self.gates: list[FileJournal] = []
        self.open: list[tuple[FileJournal, Opening]] = []

    def gate(self) -> FileJournal:
        if not self.gates:
            self.begin()
        return self.data.draw(st.sampled_from(self.gates))

    def opening(self) -> Opening:
        return self.calls.opening(
            agent=self.data.draw(st.sampled_from(["support", "batch", "Zoë \"'\\"])),
            tags=self.data.draw(st.sampled_from([{}, {"team": "care"}, {"a": "b", 'q"': "ü\n"}])),
            session=self.data.draw(st.sampled_from(["", "s1", "s2"])),
            user=self.data.draw(st.sampled_from(["", "ann"])),
        )

    def begin(self) -> None:
        self.watch.now += 1
        self.gates.append(FileJournal(self.folder, "test", self.watch))

    def intent(self) -> None:
        gate, opening = self.gate(), self.opening()
        gate.intent(opening)
        self.open.append((gate, opening))

    def settle(self) -> None:
        if self.open:
            gate, opening = self.open.pop(self.data.draw(st.integers(0, len(self.open) - 1)))
            outcome = self.data.draw(st.sampled_from(["ok", "failed", "cut"]))
            gate.settle(self.calls.closing(opening, outcome=outcome))

    def refuse(self) -> None:
        opening = self.opening()
        self.gate().refused(opening, self.calls.refusal(opening))

    def end(self) -> None:
        gate = self.gate()
        self.gates.remove(gate)
        gate.close()
        self.open = [one for one in self.open if one[0] is not gate]

    def recover(self) -> None:
        _recover(self.gate(), self.folder)

    def step(self) -> None:
        self.indexer.step(self.data.draw(st.integers(1, 3_000)))

    def restart(self) -> None:
        self.indexer.close()
        self.indexer = Indexer(self.folder)

    def finish(self) -> None:
        while self.gates:
            self.end()
        while self.indexer.step(1_000):
            pass
        self.indexer.close()


STEPS = [World.intent, World.intent, World.settle, World.settle, World.refuse, World.begin, World.end, World.recover]


@settings(max_examples=50)
@given(st.data())
def test_whatever_happens_it_equals_the_journal(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    world = World(tmp_path_factory.mktemp("data"), data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writers, "SEGMENT_BYTES", data.draw(st.sampled_from([2_000, 10**9])))
        for step in data.draw(st.lists(st.sampled_from([*STEPS, World.step, World.restart]), max_size=40)):
            step(world)
        world.finish()
    assert indexed(world.folder) == as_sorted(truth(world.folder))
    with closing(Index(world.folder)) as index:
        assert index.open_calls() == []


def _recover(writer: FileJournal, folder: Path) -> None:
    def wait(posted: Any) -> bool:
        while not posted.written.is_set():
            writer.tick()
        return True

    Recovery(writer, folder, wait).look()


def test_an_end_that_is_read_before_its_beginning_waits_for_it(tmp_path: Path) -> None:
    """A later writer ends a call whose first writer has lines that were not read yet."""
    calls, watch = Calls(), Watch()
    early, late = FileJournal(tmp_path, "test", watch), FileJournal(tmp_path, "test", watch)
    opening = calls.opening()
    with closing(Indexer(tmp_path)) as indexer:
        late.settle(calls.closing(opening))
        indexer.step()
        early.intent(opening)
        indexer.step()
    early.close()
    late.close()
    bring_up_to_date(tmp_path)
    assert [msgspec.json.decode(line)["outcome"] for line in indexed(tmp_path)] == ["ok"]


def test_the_first_end_that_is_told_stands(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        opening = calls.opening()
        written.intent(opening)
        written.settle(calls.closing(opening, cost_nano=1))
        with closing(Indexer(tmp_path)) as indexer:
            indexer.step()
            written.settle(calls.closing(opening, cost_nano=2))
            written.settle(calls.closing(opening, cost_nano=3))
            indexer.step()
    bring_up_to_date(tmp_path)
    (line,) = indexed(tmp_path)
    assert msgspec.json.decode(line)["cost_nano"] == 1
    with closing(sqlite3.connect(tmp_path / INDEX)) as base:
        assert base.execute("SELECT count(*) FROM waiting").fetchone() == (0,)


def test_calls_of_one_millisecond_that_end_alike_are_told_apart(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        ids = []
        for number in range(5):
            opening = calls.opening(trace=f"{number:032x}")
            opening.id = f"01a1fd11-6a19-7{number:03x}-a6c3-d1c427104c41"
            ids.append(opening.id)
            written.intent(opening)
            written.settle(calls.closing(opening))
    for _ in range(2):
        bring_up_to_date(tmp_path)
        with closing(Index(tmp_path)) as index:
            assert sorted(record.id for record in index.calls(Wanted())) == ids
            found = [index.call(one) for one in ids]
            assert [record and record.id for record in found] == ids
            assert [record.id for record in index.calls(Wanted(trace=f"{3:032x}"))] == [ids[3]]
            assert sorted(record.id for record in index.ending_in("27104c41")) == ids


def test_it_is_up_to_date_when_a_step_says_so(tmp_path: Path) -> None:
    calls = Calls()
    with closing(Indexer(tmp_path)) as indexer, journal(tmp_path) as written:
        for _ in range(20):
            opening = calls.opening()
            written.intent(opening)
            written.settle(calls.closing(opening))
        steps = 0
        while indexer.step(2_000):
            steps += 1
        assert steps > 3
        assert len(indexed(tmp_path)) == 20
        assert indexer.step() == 0


def test_writers_that_are_done_are_not_followed_after_a_restart(tmp_path: Path) -> None:
    watch = Watch()
    with journal(tmp_path, watch) as first:
        pass
    watch.now += 1
    with journal(tmp_path, watch) as second:
        _recover(second, tmp_path)
    bring_up_to_date(tmp_path)
    with closing(Index(tmp_path)) as index:
        followed = index.followed()
    assert first.writer is not None
    assert second.writer is not None
    assert {name: done for name, (_, _, done) in followed.items()} == {
        first.writer.name: True,
        second.writer.name: False,
    }
    layout.segment(first.writer, 1).unlink()
    bring_up_to_date(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no database at all " * 100])
def test_a_file_that_is_no_index_of_ours_is_made_anew(tmp_path: Path, content: bytes) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        opening = calls.opening()
        written.intent(opening)
        written.settle(calls.closing(opening))
    (tmp_path / INDEX).write_bytes(content)
    bring_up_to_date(tmp_path)
    assert len(indexed(tmp_path)) == 1


@pytest.mark.parametrize("version", [1, 99])
def test_an_index_of_another_version_is_made_anew(tmp_path: Path, version: int) -> None:
    with journal(tmp_path) as written:
        opening = Calls().opening()
        written.intent(opening)
        written.settle(Calls().closing(opening))
    bring_up_to_date(tmp_path)
    with closing(sqlite3.connect(tmp_path / INDEX)) as base:
        base.execute(f"PRAGMA user_version = {version}")
    with closing(Index(tmp_path)) as index:
        assert list(index.calls(Wanted())) == []
    bring_up_to_date(tmp_path)
    assert len(indexed(tmp_path)) == 1


def test_what_fails_is_said_and_the_next_step_goes_on(tmp_path: Path) -> None:
    calls = Calls()
    with closing(Indexer(tmp_path)) as indexer, journal(tmp_path) as written:
        first = calls.opening()
        written.intent(first)
        indexer.step()
        written.settle(calls.closing(first))
        second = calls.opening(agent="other")
        written.intent(second)
        written.settle(calls.closing(second))
        with closing(sqlite3.connect(tmp_path / INDEX, isolation_level=None)) as base:
            base.execute("ALTER TABLE followed RENAME TO gone")
            with pytest.raises(GateError, match=r"index\.db") as caught:
                indexer.step()
            assert caught.value.reason == "state_unavailable"
            base.execute("ALTER TABLE gone RENAME TO followed")
        indexer.step()
        assert indexed(tmp_path) == as_sorted(truth(tmp_path))
        assert len(indexed(tmp_path)) == 2


def test_a_folder_that_cannot_have_an_index_is_said(tmp_path: Path) -> None:
    (tmp_path / INDEX).mkdir()
    with pytest.raises(GateError) as caught:
        Indexer(tmp_path)
    assert caught.value.reason == "state_unavailable"


def test_open_calls_are_known_after_a_restart_with_their_tags(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        openings = [calls.opening(tags=tags) for tags in ({}, {"a": "b"})]
        for opening in openings:
            written.intent(opening)
        bring_up_to_date(tmp_path)
        for opening in openings:
            written.settle(calls.closing(opening, cost_nano=5))
    bring_up_to_date(tmp_path)
    assert indexed(tmp_path) == as_sorted(truth(tmp_path))
    with closing(Index(tmp_path)) as index:
        assert index.open_calls() == []
        assert [(row.name, row.calls) for row in index.spend("tag")] == [("", 1), ("a=b", 1)]


def test_tokens_that_were_not_told_are_not_zero(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        for tokens in (None, Tokens()):
            opening = calls.opening()
            written.intent(opening)
            written.settle(calls.closing(opening, tokens=tokens))
    bring_up_to_date(tmp_path)
    with closing(Index(tmp_path)) as index:
        assert [record.tokens for record in index.calls(Wanted())] == [Tokens(), None]
