"""`durward records erase`: says how many answers it destroyed, beside whoever works on them."""

from pathlib import Path

import pytest

from durward.calls.errors import CallerError
from durward.calls.once import Idempotency, KeptAnswer, Once
from durward.storage.answers import Answers
from tests.cli.recorded import durward, record_story

ONE = Once("c1", "acme", "carol", "POST /x?", "k", b"digest", False)


@pytest.mark.parametrize("option, value", [("--tenant", "acme"), ("--agent", "carol"), ("--call", "c1")])
def test_it_erases_while_the_file_is_open(tmp_path: Path, option: str, value: str) -> None:
    record_story(tmp_path)
    answers = Answers(tmp_path, lambda writer: True)
    answers.begin(ONE, "w", 1.0, Idempotency())
    answers.keep(ONE, KeptAnswer(200, b"", b"body", True), Idempotency())
    said = [durward("records", "erase", option, value, "-c", str(tmp_path)) for _ in range(2)]
    assert [each.lines for each in said] == [["Destroyed: 1 kept answer."], ["Destroyed: 0 kept answers."]]
    answers.close()


def test_where_nothing_was_kept_nothing_is_made(tmp_path: Path) -> None:
    record_story(tmp_path)
    assert durward("records", "erase", "--tenant", "acme", "-c", str(tmp_path)).lines == ["Destroyed: 0 kept answers."]
    assert not (tmp_path / "answers.db").exists()


@pytest.mark.parametrize("options", [(), ("--tenant", "a", "--agent", "b")])
def test_whose_answers_is_said_exactly_once(tmp_path: Path, options: tuple[str, ...]) -> None:
    record_story(tmp_path)
    with pytest.raises(CallerError, match="whose"):
        durward("records", "erase", *options, "-c", str(tmp_path))
