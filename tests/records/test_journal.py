"""The journal: a line is on the disk when its method returns, the chain is whole whatever the disk does, and calls that are open settle."""

import contextlib
import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import GateError
from durward.calls.record import Closing, Opening
from durward.records import journal as journals
from durward.records import layout
from durward.records.heads import Head, holds, load_signer
from durward.records.journal import FileJournal
from durward.records.pending import ALL_KEPT, Kept
from durward.records.segment import RESERVED
from tests.records.scribe import Calls, Watch, content, journal, kinds


class Disk:
    """A disk that is full, or broken, until it is mended; the reserve's room is ours all the same, unless that breaks too."""

    def __init__(self) -> None:
        self.error = 0
        self.bytes_left: int | None = None
        self.spares_reserve = True
        self.asked = 0

    def write(self, fd: int, data: bytes) -> int:
        if self.spares_reserve and os.fstat(fd).st_size == RESERVED:
            return os.write(fd, data)
        self.asked += 1
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        if self.bytes_left is not None:
            if not self.bytes_left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[: self.bytes_left]
            self.bytes_left -= len(data)
        return os.write(fd, data)

    def mend(self) -> None:
        self.error, self.bytes_left, self.spares_reserve = 0, None, True


def lines(written: FileJournal) -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in content(written).splitlines()]


def refused(written: FileJournal, opening: Opening) -> str:
    with pytest.raises(GateError) as caught:
        written.intent(opening)
    assert caught.value.reason == "journal_unavailable"
    return caught.value.message


def test_each_method_has_written_its_line_when_it_returns(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        allowed, denied = calls.opening(tags={"team": "care"}), calls.opening(decision="deny", rule=None)
        written.intent(allowed)
        assert kinds(content(written)) == ["open", "intent"]
        written.settle(calls.closing(allowed))
        assert kinds(content(written)) == ["open", "intent", "settle"]
        written.refused(denied, calls.refusal(denied))
        assert kinds(content(written)) == ["open", "intent", "settle", "refused"]
    assert kinds(content(written)) == ["open", "intent", "settle", "refused", "close"]


def test_a_line_holds_what_was_told_and_nothing_else(tmp_path: Path) -> None:
    calls = Calls()
    envelope = {"v", "writer", "seq", "prev", "type", "hash"}
    with journal(tmp_path) as written:
        opening = calls.opening(tags={"team": "care"})
        closing = calls.closing(opening, usage=msgspec.Raw(b'{"total_tokens":18}'))
        denied = calls.opening(agent='quote " and \\ and \n', decision="deny")
        written.intent(opening)
        written.settle(closing)
        written.refused(denied, calls.refusal(denied))
    _, intent, settle, refusal, _ = lines(written)
    assert {k: v for k, v in intent.items() if k not in envelope} == msgspec.to_builtins(opening)
    assert {k: v for k, v in settle.items() if k not in envelope | {"time"}} == {
        **msgspec.json.decode(msgspec.json.encode(closing)),
        "usage": {"total_tokens": 18},
    }
    assert settle["time"] == "2026-11-18T11:06:40.000Z"
    both = {**msgspec.to_builtins(denied), **msgspec.to_builtins(calls.refusal(denied))}
    assert {k: v for k, v in refusal.items() if k not in envelope} == both
    assert list(settle)[:7] == ["v", "writer", "seq", "prev", "type", "time", "id"]
    assert list(settle)[-1] == "hash"


def test_a_usage_object_of_several_lines_stays_one_line(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        opening = calls.opening()
        written.intent(opening)
        written.settle(calls.closing(opening, usage=msgspec.Raw(b'{\r\n  "total_tokens": 18,\n  "note": "a\\nb"\n}')))
    assert kinds(content(written)) == ["open", "intent", "settle", "close"]
    assert lines(written)[2]["usage"] == {"total_tokens": 18, "note": "a\nb"}


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    with journal(tmp_path, signed=True) as written:
        assert written.writer is not None
        folders = [tmp_path / layout.JOURNAL, written.writer]
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
        assert {stat.S_IMODE(path.stat().st_mode) for path in written.writer.iterdir()} == {0o600}
        assert {path.name for path in written.writer.iterdir()} == {"1.jsonl", "lock", "reserve"}
    assert {path.name for path in written.writer.iterdir()} == {"1.jsonl", "lock"}


def test_two_that_begin_in_one_millisecond_are_two_writers(tmp_path: Path) -> None:
    with journal(tmp_path) as one, journal(tmp_path) as other:
        assert layout.writers(tmp_path / layout.JOURNAL) == [one.writer, other.writer]
        for writer in (one.writer, other.writer):
            assert writer is not None
            with layout.dead(writer) as gone:
                assert not gone
    assert one.writer is not None
    with layout.dead(one.writer) as gone:
        assert gone


def test_a_segment_begins_with_the_digest_of_the_one_before_and_the_open_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "SEGMENT_BYTES", 2_000)
    calls = Calls()
    with journal(tmp_path) as written:
        long = calls.opening(reserved_nano=7)
        unpriced = calls.opening(reserved_nano=None)
        written.intent(long)
        written.intent(unpriced)
        for _ in range(10):
            short = calls.opening()
            written.intent(short)
            written.settle(calls.closing(short))
        written.settle(calls.closing(long))
        written.settle(calls.closing(unpriced))
    assert written.writer is not None
    numbers = layout.segments(written.writer)
    assert len(numbers) > 3
    kinds(content(written))
    for number in numbers[1:]:
        first = msgspec.json.decode(layout.segment(written.writer, number).read_bytes().splitlines()[0])
        last = msgspec.json.decode(layout.segment(written.writer, number - 1).read_bytes().splitlines()[-1])
        assert first["type"] == "open"
        assert first["segment"] == number
        assert first["digest"] == first["prev"] == last["hash"]
        assert first["open"][long.id] == 7
        assert first["open"][unpriced.id] is None
        assert layout.segment(written.writer, number - 1).stat().st_size < 3_500


def test_a_segment_that_cannot_be_followed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SEGMENT_BYTES", 1_000)
    calls = Calls()
    with journal(tmp_path) as written:
        assert written.writer is not None
        layout.segment(written.writer, 2).mkdir()
        for _ in range(10):
            opening = calls.opening()
            written.intent(opening)
            written.settle(calls.closing(opening))
        assert not written.unavailable()
        layout.segment(written.writer, 2).rmdir()
    assert layout.segments(written.writer) == [1]
    assert kinds(content(written)).count("settle") == 10


def test_a_head_is_signed_in_each_second_in_which_something_was_written(tmp_path: Path) -> None:
    calls, watch = Calls(), Watch()
    with journal(tmp_path, watch, signed=True) as written:
        written.tick()
        written.tick()
        opening = calls.opening()
        written.intent(opening)
        watch.now += 1
        written.tick()
        written.tick()
        written.settle(calls.closing(opening))
    assert kinds(content(written)) == ["open", "head", "intent", "head", "settle", "close"]
    for line in lines(written):
        if line["type"] in {"head", "close"}:
            seq = line["seq"]
            assert isinstance(seq, int)
            members = {"v": 1, "writer": line["writer"], "seq": seq - 1, "hash": line["prev"]}
            members |= {name: line[name] for name in ("time", "key", "signature")}
            assert holds(msgspec.convert(members, Head))


def test_without_a_key_there_are_no_heads(tmp_path: Path) -> None:
    with journal(tmp_path) as written:
        written.tick()
    assert kinds(content(written)) == ["open", "close"]


def test_what_others_post_is_written_at_the_next_ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "POSTED_A_TICK", 2)
    with journal(tmp_path) as written:
        first = written.post([(b"unknown", b'"id":"%d"' % number) for number in range(3)])
        second = written.post([(b"recovered", b'"of":"x"')])
        written.tick()
        assert (first.written.is_set(), second.written.is_set()) == (False, False)
        assert kinds(content(written)) == ["open", "unknown", "unknown"]
        written.tick()
        assert (first.written.is_set(), second.written.is_set()) == (True, True)
        assert kinds(content(written)) == ["open", "unknown", "unknown", "unknown", "recovered"]
        assert written.post([]).lines == written.post([]).lines


def test_calls_that_are_open_when_it_closes_become_unknown(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        opening = calls.opening(reserved_nano=77)
        written.intent(opening)
    assert kinds(content(written)) == ["open", "intent", "unknown", "close"]
    line = lines(written)[2]
    assert (line["id"], line["outcome"], line["cost_nano"]) == (opening.id, "unknown", 77)
    assert written.unavailable()
    assert "closed" in refused(written, calls.opening())


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def written(tmp_path: Path, disk: Disk, watch: Watch) -> Iterator[FileJournal]:
    found = FileJournal(tmp_path, "test", watch, load_signer(tmp_path), disk.write)
    yield found
    found.close()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_while_the_disk_takes_nothing_new_calls_are_refused_and_open_ones_settle(
    written: FileJournal, disk: Disk, watch: Watch, error: int
) -> None:
    calls = Calls()
    early, late = calls.opening(), calls.opening()
    written.intent(early)
    written.intent(late)
    disk.error = error
    assert not written.unavailable()
    assert os.strerror(error) in refused(written, calls.opening())
    assert written.unavailable()
    written.settle(calls.closing(early))
    assert kinds(content(written)) == ["open", "intent", "intent"]
    with pytest.raises(GateError, match="journal cannot be written"):
        written.refused(late, calls.refusal(late))
    disk.mend()
    refused(written, calls.opening())
    watch.now += 1
    assert not written.unavailable()
    assert kinds(content(written)) == ["open", "intent", "intent", "settle"]
    written.settle(calls.closing(late))
    written.intent(calls.opening())
    assert kinds(content(written)) == ["open", "intent", "intent", "settle", "settle", "intent"]


def test_a_settle_that_meets_the_full_disk_goes_to_the_reserve(written: FileJournal, disk: Disk, watch: Watch) -> None:
    calls = Calls()
    openings = [calls.opening() for _ in range(3)]
    for opening in openings:
        written.intent(opening)
    disk.bytes_left = 100
    for opening in openings:
        written.settle(calls.closing(opening))
    assert kinds(content(written)) == ["open", "intent", "intent", "intent"]
    assert written.unavailable()
    disk.mend()
    watch.now += 1
    written.tick()
    assert kinds(content(written)) == ["open", *["intent"] * 3, *["settle"] * 3, "head"]


def test_a_disk_that_is_still_full_is_looked_at_once_a_second(written: FileJournal, disk: Disk, watch: Watch) -> None:
    calls = Calls()
    opening = calls.opening()
    written.intent(opening)
    disk.error = errno.ENOSPC
    written.settle(calls.closing(opening))
    asked = disk.asked
    for _ in range(5):
        refused(written, calls.opening())
        assert written.unavailable()
    assert disk.asked == asked
    for _ in range(3):
        watch.now += 1
        assert written.unavailable()
        assert written.unavailable()
    assert disk.asked == asked + 3


def test_it_goes_on_only_when_there_is_room_to_go_on(
    written: FileJournal, disk: Disk, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.error = errno.ENOSPC
    refused(written, Calls().opening())
    disk.mend()
    monkeypatch.setattr(journals, "ROOM_BYTES", 2**62)
    watch.now += 1
    assert written.unavailable()
    monkeypatch.setattr(journals, "ROOM_BYTES", 2**20)
    watch.now += 1
    assert not written.unavailable()


def test_what_not_even_the_reserve_takes_is_unknown_later(written: FileJournal, disk: Disk, watch: Watch) -> None:
    calls = Calls()
    lost, kept = calls.opening(reserved_nano=9), calls.opening()
    written.intent(lost)
    written.intent(kept)
    disk.error, disk.spares_reserve = errno.EIO, False
    for _ in range(2):
        with pytest.raises(GateError, match="cannot be written"):
            written.settle(calls.closing(lost))
    disk.spares_reserve = True
    written.settle(calls.closing(kept))
    disk.mend()
    watch.now += 1
    written.tick()
    assert kinds(content(written)) == ["open", "intent", "intent", "settle", "unknown", "head"]
    line = lines(written)[4]
    assert (line["id"], line["cost_nano"]) == (lost.id, 9)


def test_it_begins_on_a_full_disk_and_works_when_there_is_room(tmp_path: Path, disk: Disk, watch: Watch) -> None:
    calls = Calls()
    disk.error = errno.ENOSPC
    written = FileJournal(tmp_path, "test", watch, None, disk.write)
    assert written.unavailable()
    refused(written, calls.opening())
    written.tick()
    disk.mend()
    watch.now += 1
    assert not written.unavailable()
    written.intent(calls.opening())
    written.close()
    assert kinds(content(written)) == ["open", "intent", "unknown", "close"]


def test_it_begins_where_it_may_not_write_and_works_once_it_may(tmp_path: Path, watch: Watch) -> None:
    (tmp_path / layout.JOURNAL).touch()
    written = FileJournal(tmp_path, "test", watch)
    assert written.unavailable()
    assert written.writer is None
    (tmp_path / layout.JOURNAL).unlink()
    watch.now += 1
    assert not written.unavailable()
    written.close()
    assert kinds(content(written)) == ["open", "close"]


def test_closed_on_a_full_disk_the_reserve_is_left_for_recovery(written: FileJournal, disk: Disk) -> None:
    calls = Calls()
    opening = calls.opening()
    written.intent(opening)
    disk.error = errno.ENOSPC
    written.settle(calls.closing(opening))
    written.close()
    assert kinds(content(written)) == ["open", "intent"]
    assert written.writer is not None
    assert b'"type":"settle"' in (written.writer / layout.RESERVE).read_bytes()


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["intent", "settle", "refused", "tick", "full", "broken", "short", "mend", "second"]),
        st.integers(0, 9),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_the_disk_does_what_was_accepted_is_in_one_whole_chain(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    folder, disk, watch, calls = tmp_path_factory.mktemp("data"), Disk(), Watch(), Calls()
    written = FileJournal(folder, "test", watch, None, disk.write)
    accepted: list[tuple[str, str]] = []
    pending: list[Opening] = []
    for name, choice in steps:
        opening = calls.opening()
        try:
            if name == "intent":
                written.intent(opening)
                pending.append(opening)
                accepted.append(("intent", opening.id))
            elif name == "settle" and pending:
                chosen = pending.pop(choice % len(pending))
                written.settle(calls.closing(chosen))
                accepted.append(("settle", chosen.id))
            elif name == "refused":
                written.refused(opening, calls.refusal(opening))
                accepted.append(("refused", opening.id))
            elif name == "tick":
                written.tick()
        except GateError:
            assert name != "settle"
        if name in {"full", "broken"}:
            disk.error = errno.ENOSPC if name == "full" else errno.EIO
        elif name == "short":
            disk.bytes_left = choice * 100
        elif name == "mend":
            disk.mend()
        watch.now += name == "second"
    disk.mend()
    watch.now += 1
    written.tick()
    written.close()
    assert set(kinds(content(written))) <= {"open", "intent", "settle", "refused", "unknown", "close"}
    told = [(str(line["type"]), str(line["id"])) for line in lines(written) if "id" in line]
    assert told == accepted + [("unknown", opening.id) for opening in pending]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB. Only root may have one; elsewhere the injected disk of the tests above stands for it."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "durward-test", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield tmp_path
        return
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take whatever room is left, as another program would."""
    path = folder / "rubbish"
    with path.open("wb", buffering=0) as file:
        room = os.statvfs(folder)
        left = room.f_bavail * room.f_frsize
        if left > 2**26:
            return path
        for size in (2**20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return path


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    calls, watch = Calls(), Watch()
    with journal(small_disk, watch) as written:
        openings = [calls.opening() for _ in range(2_000)]
        for opening in openings:
            written.intent(opening)
        rubbish = fill(small_disk)
        unrecorded = 0
        for _ in range(20):
            try:
                written.intent(calls.opening())
            except GateError:
                unrecorded += 1
        for opening in openings:
            written.settle(calls.closing(opening))
        told = kinds(content(written))
        if rubbish.stat().st_size:
            assert unrecorded > 10
            assert written.unavailable()
            assert told.count("settle") < 20, "no room was left but the reserve's"
        rubbish.unlink()
        watch.now += 1
        assert not written.unavailable()
        told = kinds(content(written))
        assert told.count("settle") == 2_000
        assert told.count("intent") == 2_020 - unrecorded


def test_a_closing_without_an_intent_is_written_all_the_same(written: FileJournal) -> None:
    written.settle(Closing("id", "ok"))
    assert kinds(content(written)) == ["open", "settle"]


def grouped(folder: Path, disk: Disk) -> tuple[FileJournal, list[int]]:
    asked: list[int] = []
    return FileJournal(folder, "host", Watch(), None, disk.write, lambda: asked.append(1)), asked


def begun(call: str) -> Opening:
    return Opening(call, "2026-11-21T00:00:00.000Z", "carol", reserved_nano=7)


def test_lines_of_one_turn_are_one_write_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    disk = Disk()
    written, asked = grouped(tmp_path, disk)
    before = disk.asked
    written.intent(begun("a"))
    written.intent(begun("b"))
    written.settle(Closing("a", "ok"))
    written.refused(begun("c"), Closing("c", "refused"))
    assert (disk.asked, asked) == (before, [1])
    assert written.commit() is ALL_KEPT
    assert disk.asked == before + 1
    assert [(line["type"], line["id"]) for line in lines(written)[1:]] == [
        ("intent", "a"),
        ("intent", "b"),
        ("settle", "a"),
        ("refused", "c"),
    ]
    written.intent(begun("d"))
    assert asked == [1, 1]
    written.close()
    assert kinds(content(written))[-3:] == ["intent", "unknown", "close"]


def test_a_turn_that_cannot_be_written_forgets_its_beginnings_and_sets_its_ends_aside(tmp_path: Path) -> None:
    disk = Disk()
    written, _ = grouped(tmp_path, disk)
    written.intent(begun("open"))
    assert written.commit() is ALL_KEPT
    disk.error = errno.ENOSPC
    written.intent(begun("new"))
    written.settle(Closing("open", "ok"))
    assert written.commit() == Kept(beginnings=False, ends=True)
    assert written.unavailable()
    with pytest.raises(GateError):
        written.settle(Closing("new", "refused"))
    disk.mend()
    written._clock.now += 2  # type: ignore[attr-defined]
    assert not written.unavailable()
    written.close()
    told = [(line["type"], line.get("id")) for line in lines(written)[1:]]
    assert told == [("intent", "open"), ("settle", "open"), ("close", None)]


def test_where_even_the_reserve_is_gone_an_end_is_not_kept_and_becomes_unknown(tmp_path: Path) -> None:
    disk = Disk()
    written, _ = grouped(tmp_path, disk)
    written.intent(begun("open"))
    written.commit()
    disk.error, disk.spares_reserve = errno.EIO, False
    written.settle(Closing("open", "ok"))
    assert written.commit() == Kept(beginnings=True, ends=False)
    disk.mend()
    written._clock.now += 2  # type: ignore[attr-defined]
    assert not written.unavailable()
    assert [(line["type"], line["id"]) for line in lines(written)[1:]] == [("intent", "open"), ("unknown", "open")]


def test_a_partial_write_of_a_turn_leaves_none_of_its_lines(tmp_path: Path) -> None:
    disk = Disk()
    written, _ = grouped(tmp_path, disk)
    disk.bytes_left = 500
    written.intent(begun("a"))
    written.intent(begun("b"))
    assert written.commit() == Kept(beginnings=False, ends=True)
    assert kinds(content(written)) == ["open"]
