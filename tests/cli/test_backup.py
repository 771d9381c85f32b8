"""`durward backup`: what it writes, where, and what it says."""

import os
import subprocess
from pathlib import Path

import pytest

from durward.calls.errors import CallerError, GateError
from durward.cli import backup
from durward.records import layout
from tests.cli.recorded import durward
from tests.records.packed import data_dir_in, taken_apart
from tests.server.running import DURWARD, SECONDS


@pytest.fixture(autouse=True)
def nice(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The command lowers its own priority; that of the tests stays."""
    asked: list[int] = []
    monkeypatch.setattr(os, "nice", asked.append)
    return asked


def test_a_backup_is_one_private_file_and_says_that_it_is_a_secret(tmp_path: Path, nice: list[int]) -> None:
    data_dir = data_dir_in(tmp_path)
    (tmp_path / "copy").write_text("of yesterday")
    said = durward("backup", str(tmp_path / "copy"), "-c", str(data_dir))
    assert said.code == 0
    assert said.lines == []
    assert "1 writer, 5 files" in said.beside
    assert "keep it as a secret" in said.beside
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert len(taken_apart((tmp_path / "copy").read_bytes())) == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]
    assert nice == [backup.NICENESS]


def test_what_fails_leaves_the_earlier_file_as_it_was(tmp_path: Path) -> None:
    data_dir = data_dir_in(tmp_path)
    (tmp_path / "copy").write_text("of yesterday")
    (data_dir / "state.db").write_bytes(b"damaged " * 1000)
    with pytest.raises(GateError, match="cannot be copied"):
        durward("backup", str(tmp_path / "copy"), "-c", str(data_dir))
    assert (tmp_path / "copy").read_text() == "of yesterday"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]


def test_an_empty_token_is_one_that_is_being_made(tmp_path: Path) -> None:
    data_dir = data_dir_in(tmp_path)
    (data_dir / "admin-token").write_text("")
    durward("backup", str(tmp_path / "copy"), "-c", str(data_dir))
    assert "admin-token" not in [found.name for found, _ in taken_apart((tmp_path / "copy").read_bytes())]


def test_where_nothing_is_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CallerError, match="There is nothing in"):
        durward("backup", str(tmp_path / "copy"), "-c", str(tmp_path / "empty"))
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_while_segments_are_compressed_a_backup_waits_and_says_so_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = data_dir_in(tmp_path)
    monkeypatch.setattr(backup, "PATIENCE_SECONDS", 0.1)
    with layout.upkeep(data_dir / "journal") as ours:
        assert ours
        with pytest.raises(GateError, match="Another process compresses or backs up"):
            durward("backup", str(tmp_path / "copy"), "-c", str(data_dir))
    assert durward("backup", str(tmp_path / "copy"), "-c", str(data_dir)).code == 0
    with layout.upkeep(data_dir / "journal") as ours:
        assert ours


def test_standard_output_may_be_restored_from_standard_input(tmp_path: Path) -> None:
    data_dir = data_dir_in(tmp_path)
    before = {path.name for path in data_dir.iterdir()}
    made = subprocess.run(
        [*DURWARD, "backup", "-", "-c", str(data_dir)], capture_output=True, timeout=SECONDS, check=True
    )
    done = subprocess.run(
        [*DURWARD, "restore", "-", "--data-dir", str(tmp_path / "new")],
        input=made.stdout,
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    assert b"7 calls of 1 writer" in done.stdout
    assert {path.name for path in data_dir.iterdir()} == before | {"journal"}
    (writer,) = layout.writers(tmp_path / "new" / "journal")
    assert (writer / "1.jsonl").exists()
