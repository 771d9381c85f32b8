"""The journal on a disk that is full or broken: no new calls, every open one settles, and the chain stays whole."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import GateError
from durward.calls.record import Opening
from durward.records import journal as journals
from durward.records import layout
from durward.records.heads import load_signer
from durward.records.journal import FileJournal
from tests.records.scribe import Calls, Disk, Watch, content, journal, kinds, lines


def refused(written: FileJournal, opening: Opening) -> str:
    with pytest.raises(GateError) as caught:
        written.intent(opening)
    assert caught.value.reason == "journal_unavailable"
    return caught.value.message


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


def test_it_goes_on_only_when_a_line_can_be_written(written: FileJournal, disk: Disk, watch: Watch) -> None:
    disk.error = errno.EIO
    refused(written, Calls().opening())
    watch.now += 1
    assert written.unavailable(), "there is room, and no line waits; only a write tells"
    disk.mend()
    watch.now += 1
    assert not written.unavailable()
    assert kinds(content(written)) == ["open", "head"]


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
