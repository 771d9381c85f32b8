"""`durward spend`: exact sums, and what they leave out is said."""

from pathlib import Path

import pytest

from durward.calls.errors import CallerError
from tests.cli.recorded import durward, record_story


@pytest.fixture(autouse=True)
def _story(tmp_path: Path) -> None:
    record_story(tmp_path)


def rows(*words: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in durward("spend", "-c", *words).lines}


def test_it_is_shown_by_agent(tmp_path: Path) -> None:
    said = rows(str(tmp_path))
    assert said["agent"] == ["calls", "input", "output", "cost", "unpriced", "unknown"]
    assert said["support"] == ["2", "1200", "340", "$1.23456789", "–", "–"]
    assert said["batch"] == ["2", "24", "12", "$0.000000007", "1", "–"]
    assert said["researcher"] == ["1", "0", "0", "$0.00", "–", "–"]
    assert said["lost"] == ["0", "0", "0", "$0.00", "–", "1"]
    assert said["in"] == ["all", "5", "1224", "352", "$1.234567897", "1", "1"]


def test_what_the_sums_leave_out_is_said(tmp_path: Path) -> None:
    said = durward("spend", "-c", str(tmp_path)).beside
    assert "A price is missing for 1 call" in said
    assert "died over 1 call; $0.005 was set aside" in said


@pytest.mark.parametrize(
    "by,names",
    [
        ("model", {"gpt-4o-mini", "(none)"}),
        ("day", {"2026-11-18"}),
        ("tag", {"team=care", "env=prod", "(none)"}),
    ],
)
def test_it_is_shown_by_other_things_too(tmp_path: Path, by: str, names: set[str]) -> None:
    said = rows(str(tmp_path), "--by", by)
    assert set(said) - {by, "in"} == names
    if len(names) > 1:
        assert said["in"][1] == "5", "a call with two tags is one call"


def test_json_has_whole_numbers(tmp_path: Path) -> None:
    said = durward("spend", "-c", str(tmp_path), "--json").objects
    assert [line["agent"] for line in said] == ["batch", "lost", "researcher", "support"]
    assert said[1] == {
        "agent": "lost",
        "calls": 0,
        "tokens": {"input": 0, "cached_input": 0, "cache_write": 0, "output": 0, "reasoning": 0},
        "cost_nano": 0,
        "unpriced": 0,
        "unknown": 1,
        "unknown_nano": 5_000_000,
    }


def test_since_leaves_out_what_was_before(tmp_path: Path) -> None:
    said = durward("spend", "-c", str(tmp_path), "--since", "2026-11-19")
    assert said.lines == []
    assert "Nothing was spent" in said.beside


def test_by_something_else_is_said(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="by 'colour'"):
        durward("spend", "-c", str(tmp_path), "--by", "colour")
