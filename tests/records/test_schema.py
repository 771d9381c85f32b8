"""The file of the index: made for its owner, of one version, and safe to throw away."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from durward.calls.errors import GateError
from durward.records.schema import INDEX, VERSION, open_for_reading, open_for_writing


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    with closing(open_for_writing(tmp_path)) as base:
        assert base.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert base.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        base.execute("INSERT INTO followed VALUES ('w', 1, 2, 0)")
    with closing(open_for_writing(tmp_path)) as base:
        assert base.execute("SELECT * FROM followed").fetchall() == [("w", 1, 2, 0)]


def test_readers_see_nothing_where_there_is_nothing_of_this_version(tmp_path: Path) -> None:
    assert open_for_reading(tmp_path) is None
    with closing(sqlite3.connect(tmp_path / INDEX)) as base:
        base.execute("PRAGMA user_version = 99")
    assert open_for_reading(tmp_path) is None


def test_readers_cannot_write(tmp_path: Path) -> None:
    open_for_writing(tmp_path).close()
    base = open_for_reading(tmp_path)
    assert base is not None
    with closing(base), pytest.raises(sqlite3.OperationalError, match="readonly"):
        base.execute("DELETE FROM blocks")


def test_a_file_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / INDEX).mkdir()
    for opened in (open_for_writing, open_for_reading):
        with pytest.raises(GateError) as caught:
            opened(tmp_path)
        assert caught.value.reason == "state_unavailable"
