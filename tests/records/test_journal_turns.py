"""Lines that wait for the end of their turn: one write, and a plain word about what could not be kept."""

import contextlib
import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import GateError
from durward.calls.record import Closing, Opening
from durward.records.journal import FileJournal
from durward.records.pending import ALL_KEPT, Kept
from tests.records.scribe import Disk, Watch, content, kinds, lines


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
    assert kinds(content(written))[-4:] == ["intent", "unknown", "unknown", "close"]


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
    written.confirm("open")
    with pytest.raises(GateError):
        written.confirm("new")
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


def test_a_call_that_began_and_ended_within_a_turn_that_cannot_be_written_is_not_kept_at_all(tmp_path: Path) -> None:
    disk = Disk()
    written, _ = grouped(tmp_path, disk)
    disk.error = errno.ENOSPC
    written.intent(begun("a"))
    written.settle(Closing("a", "ok"))
    assert written.commit() == Kept(beginnings=False, ends=False)
    disk.mend()
    written._clock.now += 2  # type: ignore[attr-defined]
    assert not written.unavailable()
    written.close()
    assert kinds(content(written)) == ["open", "close"]


def test_a_new_segment_says_nothing_of_beginnings_that_are_not_written_yet(tmp_path: Path) -> None:
    disk = Disk()
    written, _ = grouped(tmp_path, disk)
    written.intent(begun("open"))
    written.commit()
    written._writer.rotate_at = 1
    disk.bytes_left = 700  # Enough for a segment's first line, and no more.
    written.intent(begun("a" * 500))
    assert written.commit() == Kept(beginnings=False, ends=True)
    assert [line["open"] for line in lines(written) if line["type"] == "open"] == [{}, {"open": 7}]


def test_an_end_does_not_overtake_its_beginning_when_the_disk_fails_between_them(tmp_path: Path) -> None:
    disk = Disk()
    written, _ = grouped(tmp_path, disk)
    written.post([(b"unknown", b'"id":"x"')])
    written.intent(begun("a"))
    disk.error = errno.ENOSPC
    written.tick()
    written.settle(Closing("a", "ok"))
    assert written.commit() == Kept(beginnings=False, ends=False)
    disk.mend()
    written._clock.now += 2  # type: ignore[attr-defined]
    assert not written.unavailable()
    assert "settle" not in kinds(content(written))
    assert not written._forgotten


@given(
    st.lists(
        st.tuples(st.sampled_from(["intent", "settle", "turn", "full", "short", "mend", "tick"]), st.integers(0, 9))
    )
)
def test_whatever_the_disk_does_what_was_kept_is_in_one_whole_chain(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    disk = Disk()
    written, _ = grouped(tmp_path_factory.mktemp("data"), disk)
    world = Turns(written)
    for name, choice in steps:
        if name == "full":
            disk.error = errno.ENOSPC
        elif name == "short":
            disk.bytes_left = choice * 100
        elif name == "mend":
            disk.mend()
        else:
            getattr(world, name)(choice)
    disk.mend()
    world.tick(0)
    world.turn(0)
    world.tick(0)
    written.close()
    told = [(line["type"], line["id"]) for line in lines(written) if "id" in line]
    kinds(content(written))
    assert len({*told}) == len(told)
    begun_in_chain = {call for kind, call in told if kind == "intent"}
    ended_in_chain = {call for kind, call in told if kind in {"settle", "unknown"}}
    assert begun_in_chain == ended_in_chain == world.kept
    assert {call for kind, call in told if kind == "settle"} >= world.answered


class Turns:
    """Calls that begin and end in turns; what was said to be kept is remembered, so are the answers that may have left."""

    def __init__(self, written: FileJournal) -> None:
        self.written = written
        self.count = 0
        self.begun: list[str] = []
        self.open: list[str] = []
        self.ended: list[str] = []
        self.kept: set[str] = set()
        self.answered: set[str] = set()

    def intent(self, choice: int) -> None:
        self.count += 1
        call = f"call-{self.count}"
        with contextlib.suppress(GateError):
            self.written.intent(begun(call))
            self.begun.append(call)

    def settle(self, choice: int) -> None:
        if self.open:
            call = self.open.pop(choice % len(self.open))
            with contextlib.suppress(GateError):
                self.written.settle(Closing(call, "ok"))
                self.ended.append(call)

    def turn(self, choice: int) -> None:
        kept = self.written.commit()
        if kept.beginnings:
            self.open += self.begun
            self.kept |= {*self.begun}
        if kept.ends:
            self.answered |= {*self.ended}
        self.begun, self.ended = [], []

    def tick(self, choice: int) -> None:
        self.written._clock.now += 2  # type: ignore[attr-defined]
        self.written.tick()
