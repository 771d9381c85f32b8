"""Following a journal: each line once, in order, whole, whenever it was written."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.records import layout
from durward.records.following import Follower, Followers


def test_lines_come_once_and_only_whole(tmp_path: Path) -> None:
    path = tmp_path / "1.jsonl"
    path.write_bytes(b"")
    follower = Follower(tmp_path)
    assert follower.read() == b""
    with path.open("ab", buffering=0) as file:
        file.write(b"one\ntw")
        assert follower.read() == b"one\n"
        assert follower.read() == b""
        file.write(b"o\nthree\n")
        assert follower.read() == b"two\nthree\n"
        assert follower.read() == b""
    assert (follower.segment, follower.offset) == (1, 14)


def test_a_writer_without_a_segment_is_waited_for(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    assert follower.read() == b""
    (tmp_path / "1.jsonl").write_bytes(b"one\n")
    assert follower.read() == b"one\n"


def test_a_long_line_is_read_whole(tmp_path: Path) -> None:
    long = b"x" * 100_000 + b"\n"
    (tmp_path / "1.jsonl").write_bytes(long + b"two\n")
    follower = Follower(tmp_path)
    assert follower.read(1_000) == long + b"two\n"
    assert follower.read(1_000) == b""


def test_the_next_segment_follows_even_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_bytes(b"one\n")
    (tmp_path / "2.jsonl").write_bytes(b"")
    (tmp_path / "3.jsonl").write_bytes(b"three\n")
    follower = Follower(tmp_path)
    assert [follower.read() for _ in range(3)] == [b"one\n", b"three\n", b""]
    assert follower.segment == 3


def test_a_journal_whose_first_segments_have_expired_begins_later(tmp_path: Path) -> None:
    (tmp_path / "7.jsonl").write_bytes(b"seven\n")
    assert Follower(tmp_path).read() == b"seven\n"


def test_it_goes_on_where_it_was_left(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_bytes(b"one\n")
    (tmp_path / "2.jsonl").write_bytes(b"two\nthree\n")
    assert Follower(tmp_path, 2, 4).read() == b"three\n"


@pytest.mark.parametrize(
    "back,found", [(3, b""), (6, b""), (7, b"three\n"), (9, b"three\n"), (10, b"two\nthree\n"), (99, b"two\nthree\n")]
)
def test_the_end_is_where_the_last_whole_lines_are(tmp_path: Path, back: int, found: bytes) -> None:
    (tmp_path / "1.jsonl").write_bytes(b"one\n")
    (tmp_path / "2.jsonl").write_bytes(b"two\nthree\n")
    follower = Follower(tmp_path)
    follower.skip_to_end(back)
    assert follower.read() == found
    assert Follower(tmp_path / "missing").segment == 0


@given(st.lists(st.binary(max_size=30), max_size=20), st.data())
def test_however_it_is_written_and_read_it_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("writer")
    follower = Follower(folder)
    written = seen = b""
    number, torn = 1, False
    for piece in pieces:
        if not torn and data.draw(st.booleans()):
            number += 1
        with layout.segment(folder, number).open("ab") as file:
            file.write(piece)
        for skipped in range(1, number):
            layout.segment(folder, skipped).touch()
        written += piece
        torn = bool(written) and not written.endswith(b"\n") and (torn or bool(piece))
        if data.draw(st.booleans()):
            seen += follower.read(data.draw(st.integers(1, 40)))
    while more := follower.read(data.draw(st.integers(1, 40))):
        assert more.endswith(b"\n")
        seen += more
    assert seen == written[: written.rfind(b"\n") + 1]


def named(tmp_path: Path, number: int) -> Path:
    writer = tmp_path / layout.writer_name("host", 1_795_000_000_000 + number)
    writer.mkdir()
    return writer


def test_writers_that_begin_later_are_found(tmp_path: Path) -> None:
    followers = Followers(tmp_path / "journal")
    assert followers.look() == []
    (tmp_path / "journal").mkdir()
    first = named(tmp_path / "journal", 1)
    assert [follower.writer for follower in followers.look()] == [first]
    second = named(tmp_path / "journal", 2)
    assert [follower.writer for follower in followers.look()] == [first, second]


def test_a_folder_that_does_not_change_is_not_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = named(tmp_path, 1)
    os.utime(tmp_path, (1_000, 1_000))
    followers = Followers(tmp_path)
    assert len(followers.look()) == 1
    monkeypatch.setattr(layout, "writers", lambda journal: pytest.fail("listed"))
    assert [follower.writer for follower in followers.look()] == [writer]


def test_a_writer_that_is_done_is_not_looked_at_again(tmp_path: Path) -> None:
    writer = named(tmp_path, 1)
    followers = Followers(tmp_path)
    (follower,) = followers.look()
    assert not follower.abandoned()
    (writer / layout.RECOVERED).touch()
    assert follower.abandoned()
    followers.finish(follower)
    named(tmp_path, 2)
    assert [follower.writer.name for follower in followers.look()] == ["host-1795000000002"]
