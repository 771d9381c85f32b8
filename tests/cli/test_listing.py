"""What listings share: which data directory, since when, and columns that fit the terminal."""

import fcntl
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from durward.calls.errors import CallerError
from durward.cli import listing
from durward.cli.listing import UNBOUNDED, Column, Grid, data_dir_of, fresh_index, moment, terminal
from durward.records import freshness
from durward.records.queries import Wanted
from tests.records.scribe import Calls, journal


def test_a_data_directory_is_named_itself_or_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "durward.yaml").write_text("data_dir: here\n")
    assert data_dir_of(Path("here")) == tmp_path / "here"
    assert data_dir_of(Path("durward.yaml")) == tmp_path / "here"
    assert data_dir_of(None) == tmp_path / "here"


def test_the_demos_records_are_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CallerError, match="nothing was started here"):
        data_dir_of(None)
    (tmp_path / ".durward" / "demo").mkdir(parents=True)
    (tmp_path / ".durward" / "demo" / "lock").touch()
    assert data_dir_of(None) == tmp_path / ".durward" / "demo"
    assert "demo's records" in capsys.readouterr().err
    (tmp_path / ".durward" / "lock").touch()
    os.utime(tmp_path / ".durward" / "demo" / "lock", (1, 1))
    assert data_dir_of(None) == tmp_path / ".durward"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "since,ms",
    [
        ("", 0),
        ("15m", 1_000_000_000_000 - 15 * 60_000),
        ("7d", 1_000_000_000_000 - 7 * 86_400_000),
        ("1970-01-02", 86_400_000),
        ("1970-01-01T00:01Z", 60_000),
        ("1970-01-01T00:01:00.5", 60_500),
        ("1970-01-01T01:00:00+01:00", 0),
    ],
)
def test_since_is_an_age_a_date_or_a_time(since: str, ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "time", lambda: 1_000_000_000.0)
    assert moment(since) == ms


@pytest.mark.parametrize("since", ["yesterday", "5", "5x", "2026-13-01", "-1h"])
def test_what_is_no_time_is_said(since: str) -> None:
    with pytest.raises(CallerError, match="is no time") as caught:
        moment(since)
    assert "15m" in caught.value.remedy


def test_an_index_that_lags_is_said_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(listing, "sleep", lambda seconds: None)
    calls = Calls()
    with journal(tmp_path) as written, (tmp_path / freshness.RUNNING).open("w") as lock:
        opening = calls.opening()
        written.intent(opening)
        written.settle(calls.closing(opening))
        fcntl.flock(lock, fcntl.LOCK_EX)
        with fresh_index(tmp_path) as index:
            assert list(index.calls(Wanted())) == []
        said = capsys.readouterr().err
        assert "Waiting until the index holds the newest calls" in said
        assert "MiB of journal behind" in said
        fcntl.flock(lock, fcntl.LOCK_UN)
        with fresh_index(tmp_path) as index:
            assert len(list(index.calls(Wanted()))) == 1
        assert capsys.readouterr().err == ""


COLUMNS = (Column("name", 4, 20), Column("what", 6, 100), Column("cost", 4, 30, right=True))


def printed(width: int, rows: list[list[str]]) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    Grid(console, COLUMNS).print([[Text(cell) for cell in row] for row in rows])
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_rows_stand_in_columns() -> None:
    assert printed(40, [["a", "model/x", "$1.00"], ["bob", "y", "$12.50"]]) == [
        "name  what       cost",
        "a     model/x   $1.00",
        "bob   y        $12.50",
    ]


def test_where_the_terminal_is_narrow_the_widest_words_give_way_and_numbers_never() -> None:
    row = ["somebody", "api/crm/GET/customers/123", "$0.000000001"]
    assert printed(60, [row])[1] == "somebody  api/crm/GET/customers/123  $0.000000001"
    assert printed(40, [row])[1] == "somebody api/crm/GET/custo… $0.000000001"
    assert printed(20, [row])[1] == "som… api/c… $0.000000001"


@given(
    st.integers(30, 120), st.lists(st.lists(st.text(st.characters(categories=["L", "N", "P"])), min_size=3, max_size=3))
)
def test_no_row_is_wider_than_the_terminal_unless_its_numbers_are(width: int, rows: list[list[str]]) -> None:
    numbers = max([4, *(min(30, cell_len(row[2])) for row in rows)])
    for line, row in zip(printed(width, rows)[1:], rows, strict=True):
        overlong = max(0, cell_len(row[2]) - 30)
        assert cell_len(line) <= max(width, 4 + 6 + numbers + 2) + overlong


def test_widths_that_are_fixed_leave_the_rest_to_the_widest() -> None:
    grid = Grid(Console(width=50), COLUMNS)
    grid.fix((5, 6, 8))
    assert grid.widths == [5, 35, 8]
    assert grid.row([Text("somebody"), Text("x"), Text("$0.000000001")]).plain == "some… x" + " " * 35 + "$0.000000001"


def test_what_goes_to_a_program_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal().width == UNBOUNDED
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal().width == 72
