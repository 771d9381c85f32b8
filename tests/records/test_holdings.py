"""What is said of a journal in numbers."""

from pathlib import Path

import pytest

from durward.records import layout
from durward.records.holdings import holdings
from tests.cli.recorded import record_story
from tests.records.mending import mending
from tests.records.scribe import Calls, journal


def test_calls_and_times_are_those_of_the_journal(tmp_path: Path) -> None:
    record_story(tmp_path)
    found = holdings(tmp_path)
    assert (found.calls, found.writers, found.open) == (7, 1, set())
    assert found.begins < found.ends


def test_nothing_is_nothing(tmp_path: Path) -> None:
    found = holdings(tmp_path)
    assert (found.calls, found.writers, found.begins, found.ends) == (0, 0, "", "")


def test_a_call_without_an_end_is_open_and_a_line_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    with journal(tmp_path) as written:
        opening = Calls().opening()
        written.intent(opening)
        assert written.writer is not None
        with layout.segment(written.writer, 1).open("ab") as file:
            file.write(b"{nonsense\n")
        found = holdings(tmp_path)
        assert (found.calls, found.open) == (1, {opening.id})


def test_ends_in_a_reserve_and_in_the_chain_of_another_writer_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mending(monkeypatch, tmp_path) as (data_dir, one, settled):
        found = holdings(data_dir)
        assert (found.calls, len(found.open)) == (6, 2)
        assert not found.open & settled
        one.finish()
        assert (holdings(data_dir).calls, holdings(data_dir).open) == (6, set())
