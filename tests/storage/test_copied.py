"""A copy of a database under its writers' hands."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from durward.calls.errors import GateError
from durward.storage.copied import copy_database


def test_a_copy_holds_what_is_committed_and_nothing_that_is_not(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "base.db", isolation_level=None)) as base:
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("CREATE TABLE t (n INTEGER)")
        base.execute("INSERT INTO t VALUES (1)")
        base.execute("BEGIN IMMEDIATE")
        base.execute("INSERT INTO t VALUES (2)")
        copy_database(tmp_path / "base.db", tmp_path / "copy.db")
        base.execute("COMMIT")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.db", "copy.db"]
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT n FROM t").fetchall() == [(1,)]


def test_what_is_no_database_or_has_no_room_is_said(tmp_path: Path) -> None:
    (tmp_path / "base.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(GateError, match="cannot be copied") as raised:
        copy_database(tmp_path / "base.db", tmp_path / "copy.db")
    assert raised.value.reason == "state_unavailable"
    with pytest.raises(GateError, match="cannot be copied"):
        copy_database(tmp_path / "base.db", tmp_path / "missing" / "copy.db")
