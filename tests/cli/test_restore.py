"""`durward restore`: where it restores to, what it refuses, and what it says."""

import os
from pathlib import Path

import pytest

from durward.calls.errors import CallerError, GateError
from durward.server.claims import claimed
from tests.cli.recorded import durward
from tests.records.packed import archive_of, data_dir_in
from tests.records.scribe import Calls, journal


@pytest.fixture
def archived(tmp_path: Path) -> Path:
    (tmp_path / "copy").write_bytes(archive_of(data_dir_in(tmp_path)))
    return tmp_path / "copy"


def test_what_was_restored_and_what_comes_next_is_said(tmp_path: Path, archived: Path) -> None:
    said = durward("restore", str(archived), "--data-dir", str(tmp_path / "new"))
    assert said.code == 0
    assert said.lines[0].startswith(f"Restored into {tmp_path}/new: 7 calls of 1 writer, 2026-11-")
    assert said.lines[1].startswith("Backed up at 20")
    assert said.lines[2:] == ["Start with `durward up`."]
    assert durward("audit", "verify", "-c", str(tmp_path / "new")).lines == ["Whole: 16 lines of 1 writer."]
    assert len(durward("calls", "-c", str(tmp_path / "new"), "--json").lines) == 7


def test_calls_that_were_open_are_counted(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with journal(tmp_path / "data", signed=True) as written:
        written.intent(Calls().opening())
        (tmp_path / "copy").write_bytes(archive_of(tmp_path / "data"))
    said = durward("restore", str(tmp_path / "copy"), "--data-dir", str(tmp_path / "new"))
    assert "1 call had no end yet: the next start records them as unknown." in said.lines


def test_the_data_directory_is_that_of_the_configuration(
    tmp_path: Path, archived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gate.yaml").write_text("version: 1\ndata_dir: records\n")
    durward("restore", str(archived), "-c", str(tmp_path / "gate.yaml"))
    assert (tmp_path / "records" / "state.db").exists()
    (tmp_path / "bare" / ".durward" / "demo").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "bare")
    with pytest.raises(CallerError, match=r"\.durward is not empty: demo"):
        durward("restore", str(archived))


def test_where_a_durward_runs_nothing_is_restored(tmp_path: Path, archived: Path) -> None:
    with claimed(tmp_path / "new"), pytest.raises(GateError, match=f"Durward runs on .*: pid {os.getpid()}") as raised:
        durward("restore", str(archived), "--data-dir", str(tmp_path / "new"))
    assert raised.value.reason == "already_running"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["lock"]
    assert durward("restore", str(archived), "--data-dir", str(tmp_path / "new")).code == 0


def test_what_cannot_be_read_leaves_an_empty_directory_empty(tmp_path: Path, archived: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(CallerError, match="cannot be read"):
        durward("restore", str(tmp_path / "missing"), "--data-dir", str(tmp_path / "new"))
    archived.write_bytes(archived.read_bytes()[:-1])
    with pytest.raises(CallerError, match="is no whole backup"):
        durward("restore", str(archived), "--data-dir", str(tmp_path / "new"))
    assert list((tmp_path / "new").iterdir()) == []
