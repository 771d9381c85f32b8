"""Compressed segments: any part of the content, by one frame or two, in a form that other tools read, and nothing for damaged files."""

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.records import frames
from durward.records.frames import Damaged, Frames, packed, table

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def kept(path: Path, content: bytes, frame: int) -> Path:
    pieces = [content[at : at + frame] for at in range(0, len(content), frame)]
    made = [packed(piece) for piece in pieces]
    path.write_bytes(b"".join(made) + table([(len(m), len(p)) for m, p in zip(made, pieces, strict=True)]))
    return path


@given(st.binary(max_size=300), st.integers(1, 40), st.integers(0, 320), st.integers(0, 320))
def test_any_part_is_read(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, frame: int, offset: int, count: int
) -> None:
    opened = Frames(kept(tmp_path_factory.mktemp("frames") / "1", content, frame))
    try:
        assert opened.size == len(content)
        assert opened.read(count, offset) == content[offset : offset + count]
    finally:
        opened.close()


def test_whoever_decompresses_the_whole_file_gets_the_content(tmp_path: Path) -> None:
    assert zstd.decompress(kept(tmp_path / "1", b"line\n" * 100, 64).read_bytes()) == b"line\n" * 100


def test_a_part_costs_the_frames_it_lies_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Frames(kept(tmp_path / "1", bytes(range(250)) * 4, 100))
    asked: list[int] = []
    real = opened._frame

    def frame(number: int) -> bytes:
        asked.append(number)
        return real(number)

    monkeypatch.setattr(opened, "_frame", frame)
    assert opened.read(100, 450) == (bytes(range(250)) * 4)[450:550]
    opened.close()
    assert asked == [4, 5]


@pytest.mark.parametrize("size", [0, 1, 8, 40])
def test_a_file_that_was_cut_is_damaged(tmp_path: Path, size: int) -> None:
    path = kept(tmp_path / "1", b"line\n" * 100, 64)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(Damaged):
        Frames(path)


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = kept(tmp_path / "1", b"line\n" * 20, 64)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            opened = Frames(path)
        except Damaged:
            continue
        try:
            # What is left are the two words of the table that only other tools read.
            assert opened.read(1_000, 0) == b"line\n" * 20
            assert len(whole) - 9 - 16 - 8 <= at < len(whole) - 9 - 16
        except Damaged:
            pass
        finally:
            opened.close()


def test_a_frame_that_holds_more_than_it_says_does_not_fill_the_memory(tmp_path: Path) -> None:
    frame = packed(bytes(64 * 2**20))
    path = tmp_path / "1"
    path.write_bytes(frame + table([(len(frame), 100)]))
    opened = Frames(path)
    with pytest.raises(Damaged):
        opened.read(100, 0)
    opened.close()
    path.write_bytes(frame + table([(len(frame), 64 * 2**20)]))
    with pytest.raises(Damaged):
        Frames(path)
    path.write_bytes(struct.pack("<IBI", 2**32 - 1, 0, frames.SEEKABLE))
    with pytest.raises(Damaged):
        Frames(path)
