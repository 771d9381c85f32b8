"""Segments hold whole lines only, whatever the disk does; the reserve has its room before it is needed."""

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.records.segment import RESERVED, Reserve, Segment

Outcome = int | OSError
"""How a write goes: so many bytes of it, or an error."""


class Disk:
    """Writes as it is told to; as the real one does once nothing more was told."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)

    def write(self, fd: int, content: bytes) -> int:
        if not self.outcomes:
            return os.write(fd, content)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, OSError):
            raise outcome
        return os.write(fd, content[:outcome])


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def test_lines_are_appended_and_counted(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "1.jsonl", os.write)
    segment.append(b"one\n")
    segment.append(b"two\n")
    assert (tmp_path / "1.jsonl").read_bytes() == b"one\ntwo\n"
    assert segment.size == 8
    assert stat.S_IMODE((tmp_path / "1.jsonl").stat().st_mode) == 0o600
    assert segment.room() > 0
    segment.close()


def test_a_segment_is_never_another_ones_file(tmp_path: Path) -> None:
    Segment(tmp_path / "1.jsonl", os.write).close()
    with pytest.raises(FileExistsError):
        Segment(tmp_path / "1.jsonl", os.write)


def test_a_line_that_is_written_in_part_is_cut_off(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "1.jsonl", Disk(4, 2).write)
    segment.append(b"one\n")
    with pytest.raises(OSError, match="space"):
        segment.append(b"two\n")
    assert (tmp_path / "1.jsonl").read_bytes() == b"one\n"
    segment.append(b"three\n")
    assert (tmp_path / "1.jsonl").read_bytes() == b"one\nthree\n"
    segment.close()


@given(
    st.lists(st.one_of(st.integers(0, 8), st.sampled_from([errno.ENOSPC, errno.EIO]).map(lambda n: OSError(n, "x"))))
)
def test_whatever_the_disk_does_only_whole_lines_stay(
    tmp_path_factory: pytest.TempPathFactory, outcomes: list[Outcome]
) -> None:
    path = tmp_path_factory.mktemp("segment") / "1.jsonl"
    segment = Segment(path, Disk(*outcomes).write)
    whole = b""
    for number in range(len(outcomes) + 1):
        line = b"line %d\n" % (number % 10)
        try:
            segment.append(line)
        except OSError:
            continue
        whole += line
        assert path.read_bytes() == whole
        assert segment.size == len(whole)
    segment.close()
    assert path.read_bytes() == whole


def test_the_reserve_has_its_room_at_once_and_no_more(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", os.write)
    found = (tmp_path / "reserve").stat()
    assert found.st_blocks * 512 >= RESERVED
    assert stat.S_IMODE(found.st_mode) == 0o600
    line = b"x" * (2**20 - 1) + b"\n"
    for _ in range(4):
        reserve.append(line)
    with pytest.raises(OSError, match="reserve is full"):
        reserve.append(b"\n")
    assert reserve.lines() == line * 4
    assert (tmp_path / "reserve").stat().st_size == RESERVED
    reserve.close()


def test_a_used_reserve_begins_again(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", Disk(6, full(), 2, 4).write)
    reserve.append(b"first\n")
    for _ in range(2):
        with pytest.raises(OSError, match="space|Input"):
            reserve.append(b"lost\n")
    reserve.used = 0
    reserve.append(b"new\n")
    assert reserve.lines() == b"new\n"
    reserve.close()


def test_a_reserve_that_cannot_have_its_room_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, begin: int, size: int) -> None:
        raise full()

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)  # macOS has none
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(OSError, match="space"):
        Reserve(tmp_path / "reserve", os.write)
    assert len(list(Path("/dev/fd").iterdir())) == before
