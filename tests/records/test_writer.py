"""One writer's files: begun in steps that may fail, turned over, and let go of."""

import errno
from pathlib import Path

import pytest

from durward.records import layout
from durward.records import writer as writers
from durward.records.chain import read_link
from durward.records.writer import Writer
from tests.records.scribe import Disk, Watch


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def writer(tmp_path: Path, disk: Disk) -> Writer:
    return Writer(tmp_path, "host", Watch(), disk.write)


def links(writer: Writer) -> list[tuple[int, int, str]]:
    """Segment, number and type of each line."""
    assert writer.folder is not None
    found = []
    for number in layout.segments(writer.folder):
        for line in layout.segment(writer.folder, number).read_bytes().splitlines(keepends=True):
            link = read_link(line)
            assert link is not None
            found.append((number, link.seq, link.kind))
    return found


def test_what_a_first_try_has_made_the_next_one_uses(tmp_path: Path, writer: Writer, disk: Disk) -> None:
    disk.error = errno.ENOSPC
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            writer.begin()
    disk.mend()
    writer.begin()
    assert len(layout.writers(tmp_path / layout.JOURNAL)) == 1
    assert links(writer) == [(1, 1, "open")]
    writer.close()


def test_a_full_segment_is_followed_by_the_next_or_goes_on_where_there_can_be_none(
    writer: Writer, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "OVERTIME_BYTES", 300)
    writer.begin()
    writer.rotate_at = 1
    disk.bytes_left = 0
    assert writer.current() is writer.segment
    assert writer.number == 1
    disk.mend()
    writer.append(b"head", b'"a":1')
    assert writer.number == 1, "the next try comes later"
    writer.append(b"head", b'"a":"%b"' % (b"x" * 300))
    writer.append(b"head", b'"a":2')
    assert links(writer) == [(1, 1, "open"), (1, 2, "head"), (1, 3, "head"), (2, 4, "open"), (2, 5, "head")]
    writer.close()


def test_lines_that_stand_in_no_segment_yet_may_come_before_its_first(writer: Writer) -> None:
    writer.begin()
    before = writer.chain.line(b"settle", b'"a":1')
    writer.chain.take()
    writer.segment = writer.new_segment(2, before)
    assert links(writer) == [(1, 1, "open"), (2, 2, "settle"), (2, 3, "open")]
    writer.drop_reserve()
    writer.close()
    with layout.dead(writer.folder or Path()) as gone:
        assert gone
