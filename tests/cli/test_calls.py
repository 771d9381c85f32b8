"""`durward calls`: newest first, in the width of the terminal or as one object a line."""

from pathlib import Path

import pytest

from durward.records.lines import Record
from tests.cli.recorded import Story, durward, record_story
from tests.records.scribe import Calls, journal


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return record_story(tmp_path)


def ids(lines: list[dict[str, object]]) -> list[object]:
    return [line["id"] for line in lines]


def test_the_newest_call_stands_first(story: Story, tmp_path: Path) -> None:
    said = durward("calls", "-c", str(tmp_path))
    assert said.lines[0].split() == ["id", "UTC", "agent", "what", "result", "tokens", "cost", "took"]
    assert [line[:8] for line in said.lines[1:]] == [opening.id[-8:] for opening in reversed(story)]
    assert said.beside == ""


def test_a_line_fits_eighty_columns_and_says_what_matters(story: Story, tmp_path: Path) -> None:
    lines = durward("calls", "--data-dir", str(tmp_path)).lines[1:]
    assert max(map(len, lines)) <= 80
    unknown, cut, unpriced, denied, api, failed, answered = lines
    assert answered.split()[-6:] == ["gpt-4o-mini", "ok", "1200→340", "$1.23456789", "640", "ms"]
    assert failed.split()[-6:] == ["failed", "429", "–", "$0.00", "1.2", "s"]
    assert "api/crm/G" in api
    assert " denied " in denied
    assert " ? 65.0 s" in unpriced
    assert "~$0.000000007" in cut
    assert "unknown" in unknown
    assert "~$0.005" in unknown


def test_json_is_one_object_a_line_with_the_keys_of_the_contract(story: Story, tmp_path: Path) -> None:
    said = durward("calls", "-c", str(tmp_path), "--json")
    assert ids(said.objects) == [opening.id for opening in reversed(story)]
    assert {tuple(line) for line in said.objects} == {Record.__struct_fields__}
    answered = said.objects[-1]
    assert answered["tokens"] == {"input": 1000, "cached_input": 200, "cache_write": 0, "output": 300, "reasoning": 40}
    assert answered["cost_nano"] == 1_234_567_890
    assert answered["tags"] == {"team": "care", "env": "prod"}
    assert answered["user"] is None


@pytest.mark.parametrize(
    "words,found",
    [
        (["--limit", "2"], ["unknown", "cut"]),
        (["--limit", "0"], ["unknown", "cut", "unpriced", "denied", "api", "failed", "answered"]),
        (["--agent", "batch"], ["cut", "unpriced"]),
        (["--agent", "nobody"], []),
        (["--outcome", "refused"], ["denied"]),
        (["--since", "2026-11-18"], ["unknown", "cut", "unpriced", "denied", "api", "failed", "answered"]),
        (["--since", "2026-11-19"], []),
    ],
)
def test_options_choose_calls(story: Story, tmp_path: Path, words: list[str], found: list[str]) -> None:
    said = durward("calls", "-c", str(tmp_path), "--json", *words)
    assert ids(said.objects) == [getattr(story, name).id for name in found]


def test_a_limit_that_cuts_says_so(story: Story, tmp_path: Path) -> None:
    assert "newest 3" in durward("calls", "-c", str(tmp_path), "--limit", "3").beside
    assert "newest 3" not in durward("calls", "-c", str(tmp_path), "--limit", "3", "--json").beside


def test_nothing_recorded_is_said_beside(tmp_path: Path) -> None:
    said = durward("calls", "-c", str(tmp_path))
    assert (said.lines, said.code) == ([], 0)
    assert "No call was recorded" in said.beside
    assert durward("calls", "-c", str(tmp_path), "--json").lines == []


def test_what_callers_choose_cannot_steer_the_terminal(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        opening = calls.opening(agent="\x1b]0;evil\x07", resource="model/\u202e[bold]x\r\n", model="\x9b31m")
        written.intent(opening)
        written.settle(calls.closing(opening))
    said = durward("calls", "-c", str(tmp_path))
    assert len(said.lines) == 2
    assert "[bold]x" in said.lines[1]
    assert not any(character in said.lines[1] for character in "\x1b\x07\u202e\r\x9b")
