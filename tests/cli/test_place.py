"""Which data directory a command is about."""

import os
from pathlib import Path

import pytest

from durward.calls.errors import CallerError
from durward.cli.place import DATA_DIR, DEMO_DIR, FILE, Place, existing, locate
from durward.config.mistakes import Mistakes


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def started(data_dir: Path, at: int) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / "lock").touch()
    os.utime(data_dir / "lock", (at, at))


def test_without_a_file_it_is_what_started_last_the_demo_included(folder: Path) -> None:
    assert locate(None) == Place(folder / DATA_DIR)
    started(DEMO_DIR, 10)
    assert locate(None).data_dir == folder / DEMO_DIR
    started(DATA_DIR, 20)
    assert locate(None).data_dir == folder / DATA_DIR
    started(DEMO_DIR, 30)
    assert locate(None).data_dir == folder / DEMO_DIR


def test_a_file_says_where_and_wins_over_the_demo(folder: Path) -> None:
    started(DEMO_DIR, 10)
    FILE.write_text("listen: 127.0.0.1:9\ndata_dir: here\nagents: {a: {}, b: {}}\n")
    assert locate(None) == Place(folder / "here", FILE, "127.0.0.1:9", frozenset("ab"))


def test_a_listener_may_be_a_mapping(folder: Path) -> None:
    FILE.write_text("listen: {address: '127.0.0.1:9', tls: {cert: a, key: b}}\n")
    assert locate(None) == Place(folder / DATA_DIR, FILE, "127.0.0.1:9", scheme="https")
    FILE.write_text("listen: {trusted_proxies: [10.0.0.0/8]}\n")
    assert locate(None) == Place(folder / DATA_DIR, FILE)


def test_a_relative_data_directory_starts_at_the_files_folder(folder: Path) -> None:
    other = folder / "etc" / "other.yaml"
    other.parent.mkdir()
    other.write_text("data_dir: state\n")
    assert locate(other).data_dir == folder / "etc" / "state"
    other.write_text("data_dir: /srv/state\n")
    assert locate(other).data_dir == Path("/srv/state")
    other.write_text("")
    assert locate(other).data_dir == folder / "etc" / DATA_DIR


def test_a_mistake_elsewhere_in_the_file_hides_nothing(folder: Path) -> None:
    FILE.write_text("nonsense: 1\nlisten: [1]\nagents: 5\n")
    assert locate(None) == Place(folder / DATA_DIR, FILE)


def test_what_is_no_yaml_is_said() -> None:
    FILE.write_text("{")
    with pytest.raises(Mistakes):
        locate(None)


def test_what_was_never_started_is_said(folder: Path) -> None:
    with pytest.raises(CallerError, match="nothing was started here yet"):
        existing(Place(folder / "nowhere"))
    assert existing(Place(folder)) == folder
