"""A line is read again where it stood, from few pieces that are kept."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from durward.records import layout, places
from durward.records.halves import PLACE_BITS
from durward.records.places import Places
from durward.records.schema import open_for_writing

CONTENT = b"one\ntwo\n\nthree\nfour\n"
WRITER = "h-1795000000000"


@pytest.fixture
def base(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    folder = tmp_path / layout.JOURNAL / WRITER
    folder.mkdir(parents=True)
    layout.segment(folder, 2).write_bytes(CONTENT)
    with closing(open_for_writing(tmp_path)) as base:
        pieces = [(1, WRITER, 2, 0, 8), (2, WRITER, 2, 8, 12), (3, WRITER, 3, 0, 8)]
        base.executemany("INSERT INTO pieces VALUES (?, ?, ?, ?, ?)", pieces)
        yield base


def place(piece: int, line: int) -> int:
    return piece << PLACE_BITS | line


def test_lines_are_found_by_piece_and_number(
    tmp_path: Path, base: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "KEPT", 1)
    found = Places(base, tmp_path / layout.JOURNAL)
    asked = [place(2, 1), place(1, 0), place(2, 0), place(1, 1)]
    assert [found.line(one) for one in asked] == [b"four", b"one", b"three", b"two"]


def test_where_no_line_is_there_is_none(tmp_path: Path, base: sqlite3.Connection) -> None:
    found = Places(base, tmp_path / layout.JOURNAL)
    assert found.line(place(1, 2)) == b""
    assert found.line(place(9, 0)) == b""
    assert found.line(place(3, 0)) == b"", "its segment is gone"
