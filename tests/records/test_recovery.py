"""Recovery: what a dead writer left is looked after exactly once, and never what a living one has."""

import errno
import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import GateError
from durward.calls.record import Opening
from durward.records import layout, recovery
from durward.records import writer as writers
from durward.records.journal import FileJournal
from durward.records.pending import Posted
from durward.records.recovery import Recovery, RecoveryThread
from tests.records.scribe import Calls, Watch, after_death, content, journal, kinds

Died = RuntimeError


def written_at_once(living: FileJournal) -> Callable[[Posted], bool]:
    def wait(posted: Posted) -> bool:
        while not posted.written.is_set():
            living.tick()
        return True

    return wait


def look(living: FileJournal, data_dir: Path) -> None:
    Recovery(living, data_dir, written_at_once(living)).look()


def recover(data_dir: Path, watch: Watch) -> FileJournal:
    """A new writer that has looked after all before it, closed."""
    watch.now += 10
    with journal(data_dir, watch) as living:
        look(living, data_dir)
    return living


def told(data_dir: Path, kind: str) -> list[dict[str, object]]:
    """Lines of a kind, of all writers."""
    found = []
    for writer in layout.writers(data_dir / layout.JOURNAL):
        for number in layout.segments(writer):
            for line in layout.segment(writer, number).read_bytes().splitlines():
                decoded = msgspec.json.decode(line)
                if decoded["type"] == kind:
                    found.append(decoded)
    return found


def unknown(data_dir: Path) -> dict[str, object]:
    """Calls that ended as unknown, with their cost. None may end twice."""
    lines = told(data_dir, "unknown")
    assert max(Counter(line["id"] for line in lines).values(), default=1) == 1
    return {str(line["id"]): line.get("cost_nano") for line in lines}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_calls_that_were_open_become_unknown_at_what_was_set_aside(data_dir: Path, watch: Watch) -> None:
    calls = Calls()
    with journal(data_dir, watch) as dying:
        ended, open_, unpriced = calls.opening(), calls.opening(reserved_nano=9), calls.opening(reserved_nano=None)
        for opening in (ended, open_, unpriced):
            dying.intent(opening)
        dying.settle(calls.closing(ended))
        denied = calls.opening()
        dying.refused(denied, calls.refusal(denied))
        found = after_death(data_dir)
        assert dying.writer is not None
    living = recover(found, watch)
    assert unknown(found) == {open_.id: 9, unpriced.id: None}
    assert kinds(content(living)) == ["open", "unknown", "unknown", "recovered", "close"]
    (line,) = told(found, "recovered")
    last = (found / "journal" / dying.writer.name / "1.jsonl").read_bytes().splitlines()[-1]
    assert (line["of"], line["last"], line["digest"]) == (dying.writer.name, 6, msgspec.json.decode(last)["hash"])
    assert (line["unknown"], line["cut"]) == (2, 0)
    assert {entry["of"] for entry in told(found, "unknown")} == {dying.writer.name}


def test_it_happens_once(data_dir: Path, watch: Watch) -> None:
    with journal(data_dir, watch) as dying:
        dying.intent(Calls().opening())
        found = after_death(data_dir)
    for _ in range(3):
        recover(found, watch)
    assert len(unknown(found)) == 1
    assert [line["of"] for line in told(found, "recovered")].count(dying.writer and dying.writer.name) == 1


def test_a_writer_that_ended_in_order_is_vouched_for_too(data_dir: Path, watch: Watch) -> None:
    with journal(data_dir, watch):
        pass
    recover(data_dir, watch)
    (line,) = told(data_dir, "recovered")
    assert (line["last"], line["unknown"]) == (2, 0)


def test_a_writer_that_lives_is_left_alone_until_it_dies(data_dir: Path, watch: Watch) -> None:
    calls = Calls()
    draining = FileJournal(data_dir, "test", watch)
    opening = calls.opening()
    draining.intent(opening)
    with journal(data_dir, watch) as living:
        looking = Recovery(living, data_dir, written_at_once(living))
        looking.look()
        assert told(data_dir, "recovered") == []
        draining.settle(calls.closing(opening))
        draining.close()
        looking.look()
        looking.look()
    assert unknown(data_dir) == {}
    assert len(told(data_dir, "recovered")) == 1


def test_two_writers_do_not_look_after_each_other(data_dir: Path, watch: Watch) -> None:
    with journal(data_dir, watch) as one, journal(data_dir, watch) as other:
        look(one, data_dir)
        look(other, data_dir)
    assert told(data_dir, "recovered") == []


def test_only_the_last_segment_need_be_read(data_dir: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "SEGMENT_BYTES", 3_000)
    calls = Calls()
    with journal(data_dir, watch) as dying:
        early = calls.opening(reserved_nano=1)
        dying.intent(early)
        for _ in range(20):
            opening = calls.opening()
            dying.intent(opening)
            dying.settle(calls.closing(opening))
        late = calls.opening(reserved_nano=2)
        dying.intent(late)
        found = after_death(data_dir)
        assert dying.writer is not None
        folder = found / "journal" / dying.writer.name
    numbers = layout.segments(folder)
    assert len(numbers) > 3
    for number in numbers[:-1]:
        layout.segment(folder, number).write_bytes(b"unreadable\n")
    with journal(found, watch) as living:
        look(living, found)
        assert kinds(content(living)) == ["open", "unknown", "unknown", "recovered"]
    assert [msgspec.json.decode(line).get("id") for line in content(living).splitlines()][1:3] == [early.id, late.id]


@pytest.mark.parametrize("begun", [b"", b'{"v":1,"writer":"te'])
def test_a_segment_that_got_no_line_is_passed_over(data_dir: Path, watch: Watch, begun: bytes) -> None:
    with journal(data_dir, watch) as dying:
        opening = Calls().opening()
        dying.intent(opening)
        found = after_death(data_dir)
        assert dying.writer is not None
        layout.segment(found / "journal" / dying.writer.name, 2).write_bytes(begun)
    recover(found, watch)
    assert list(unknown(found)) == [opening.id]
    assert layout.segment(found / "journal" / dying.writer.name, 2).read_bytes() == b""


def test_what_waits_in_the_reserve_is_brought_in(data_dir: Path, watch: Watch) -> None:
    calls = Calls()
    full = False

    def write(fd: int, data: bytes) -> int:
        if full and not _is_reserve(fd):
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(fd, data)

    dying = FileJournal(data_dir, "test", watch, None, write)
    settled, open_ = calls.opening(), calls.opening()
    dying.intent(settled)
    dying.intent(open_)
    full = True
    dying.settle(calls.closing(settled))
    found = after_death(data_dir)
    full = False
    dying.close()
    recover(found, watch)
    assert dying.writer is not None
    folder = found / "journal" / dying.writer.name
    assert kinds((folder / "1.jsonl").read_bytes()) == ["open", "intent", "intent", "settle"]
    assert list(unknown(found)) == [open_.id]
    assert not (folder / layout.RESERVE).exists()


def _is_reserve(fd: int) -> bool:
    return os.fstat(fd).st_size == 4 * 2**20


def test_stale_lines_of_the_reserve_are_not_brought_in_again(data_dir: Path, watch: Watch) -> None:
    calls = Calls()
    full = False

    def write(fd: int, data: bytes) -> int:
        if full and not _is_reserve(fd):
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(fd, data)

    dying = FileJournal(data_dir, "test", watch, None, write)
    openings = [calls.opening() for _ in range(5)]
    for opening in openings:
        dying.intent(opening)
    full = True
    for opening in openings[:3]:
        dying.settle(calls.closing(opening))
    full = False
    watch.now += 2
    assert not dying.unavailable()
    full = True
    dying.settle(calls.closing(openings[3], request_id="of another length"))
    found = after_death(data_dir)
    full = False
    dying.close()
    recover(found, watch)
    assert dying.writer is not None
    folder = found / "journal" / dying.writer.name
    assert kinds((folder / "1.jsonl").read_bytes()) == ["open", *["intent"] * 5, *["settle"] * 4]
    assert list(unknown(found)) == [openings[4].id]


@given(st.data())
def test_cut_at_any_byte_each_call_ends_once_and_the_chain_is_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    base = tmp_path_factory.mktemp("any")
    (base / "data").mkdir()
    calls, watch = Calls(), Watch()
    with pytest.MonkeyPatch.context() as patch, journal(base / "data", watch) as dying:
        patch.setattr(writers, "SEGMENT_BYTES", data.draw(st.sampled_from([1_500, 4_000, 10**9])))
        pending: list[Opening] = []
        for _ in range(data.draw(st.integers(0, 12))):
            ends = data.draw(st.booleans())
            if pending and ends:
                opening = pending.pop(data.draw(st.integers(0, len(pending) - 1)))
                dying.settle(calls.closing(opening))
            else:
                pending.append(calls.opening(reserved_nano=data.draw(st.none() | st.integers(0, 9))))
                dying.intent(pending[-1])
        found = after_death(base / "data")
        assert dying.writer is not None
        folder = found / "journal" / dying.writer.name
    last = layout.segment(folder, layout.segments(folder)[-1])
    left = last.read_bytes()
    last.write_bytes(left[: data.draw(st.integers(0, len(left)))])
    expected: dict[object, object] = {}
    for number in layout.segments(folder):
        for line in layout.segment(folder, number).read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                continue
            decoded = msgspec.json.decode(line)
            if decoded["type"] == "intent":
                expected[decoded["id"]] = decoded.get("reserved_nano")
            elif decoded["type"] == "settle":
                expected.pop(decoded["id"], None)
    recover(found, watch)
    assert unknown(found) == expected
    chain = b"".join(layout.segment(folder, number).read_bytes() for number in layout.segments(folder))
    (vouched,) = told(found, "recovered")
    assert vouched["last"] == len(kinds(chain))
    assert vouched["digest"] == (msgspec.json.decode(chain.splitlines()[-1])["hash"] if chain else "")


@given(st.integers(0, 12), st.booleans())
def test_whoever_recovers_may_die_too_at_any_line(
    tmp_path_factory: pytest.TempPathFactory, survives: int, kept_claim: bool
) -> None:
    base = tmp_path_factory.mktemp("again")
    (base / "data").mkdir()
    watch, calls = Watch(), Calls()
    with journal(base / "data", watch) as dying:
        openings = [calls.opening() for _ in range(5)]
        for opening in openings:
            dying.intent(opening)
        found = after_death(base / "data")
    watch.now += 10

    def die_after(posted: Posted) -> bool:
        while len(posted.lines) > survives:
            posted.lines.pop()
        while not posted.written.is_set():
            helping.tick()
        raise Died

    with journal(found, watch) as helping:
        with pytest.raises(Died):
            Recovery(helping, found, die_after).look()
        assert told(found, "recovered") == [] or survives > 5
        again = after_death(found)
    shutil.rmtree(found)
    if kept_claim:
        recover(again, watch)
    recover(again, watch)
    recover(again, watch)
    assert set(unknown(again)) == {opening.id for opening in openings}
    assert Counter(str(line["of"]) for line in told(again, "recovered"))[str(dying.writer and dying.writer.name)] == 1


def test_what_cannot_be_mended_yet_is_said_once_and_tried_again(
    data_dir: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with journal(data_dir, watch) as dying:
        opening = Calls().opening()
        dying.intent(opening)
        found = after_death(data_dir)
    with journal(found, watch) as living:
        looking = Recovery(living, found, written_at_once(living))

        def refuse(writer: Path) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            patch.setattr(recovery, "settle_estate", refuse)
            looking.look()
            looking.look()
        assert sum("cannot be looked after yet" in message for message in caplog.messages) == 1
        looking.look()
    assert list(unknown(found)) == [opening.id]


def test_lines_wait_while_the_journal_cannot_be_written(data_dir: Path, watch: Watch) -> None:
    with journal(data_dir, watch) as dying:
        opening = Calls().opening()
        dying.intent(opening)
        found = after_death(data_dir)
    full = True

    def write(fd: int, data: bytes) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(fd, data)

    watch.now += 10
    living = FileJournal(found, "test", watch, None, write)
    given_up = Recovery(living, found, lambda posted: False)
    given_up.look()
    with pytest.raises(GateError):
        living.intent(Calls(1).opening())
    full = False
    watch.now += 2
    living.tick()
    look(living, found)
    living.close()
    assert list(unknown(found)) == [opening.id]


def test_the_thread_looks_beside_the_calls(data_dir: Path, watch: Watch) -> None:
    with journal(data_dir, watch) as dying:
        opening = Calls().opening()
        dying.intent(opening)
        found = after_death(data_dir)
    watch.now += 10
    with journal(found, watch) as living:
        thread = RecoveryThread(living, found)
        thread.start()
        while not told(found, "recovered"):
            living.tick()
        thread.stop()
    assert list(unknown(found)) == [opening.id]


def test_the_thread_ends_though_its_lines_were_never_written(data_dir: Path, watch: Watch) -> None:
    with journal(data_dir, watch) as dying:
        dying.intent(Calls().opening())
        found = after_death(data_dir)
    watch.now += 10
    with journal(found, watch) as living:
        thread = RecoveryThread(living, found)
        thread.start()
        thread.stop()
    assert unknown(found) == {}
    recover(found, watch)
    assert len(unknown(found)) == 1
