"""`durward trace`: the story of a call, a session or a trace, as a tree and in full."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from durward.calls.errors import CallerError
from durward.cli.trace import show_story
from tests.cli.recorded import TRACE, Story, durward, record_story
from tests.records.scribe import Calls, journal


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return record_story(tmp_path)


def test_a_session_is_a_tree_over_time_and_then_each_call(story: Story, tmp_path: Path) -> None:
    said = durward("trace", "sess-42", "-c", str(tmp_path))
    assert said.lines[0] == "Session sess-42"
    assert said.lines[1] == "3 calls by researcher, support · 1,200 → 340 tokens · $1.23456789"
    top, *below = said.lines[4:7]
    assert top.startswith("gpt-4o-mini ")
    assert [line[:2] for line in below] == ["├ ", "└ "]
    assert "failed 429" in below[0]
    assert "api/crm/GET/customers/123" in below[1]
    assert "━" in top
    assert max(map(len, said.lines)) <= 80
    assert [line for line in said.lines if line.startswith("Call ")] == [f"Call {one.id}" for one in story[:3]]


@pytest.mark.parametrize("name", [TRACE, TRACE.upper()])
@pytest.mark.usefixtures("story")
def test_a_trace_is_the_same_tree(tmp_path: Path, name: str) -> None:
    said = durward("trace", name, "-c", str(tmp_path))
    assert said.lines[0] == f"Trace {name}"
    assert said.lines[1].startswith("3 calls")


def told(lines: list[str]) -> dict[str, str]:
    """Labels and values of the calls told in full."""
    pairs = [line.strip().split("  ", 1) for line in lines if line.startswith("  ")]
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}


def test_a_call_is_told_in_full(story: Story, tmp_path: Path) -> None:
    for name in (story.answered.id, story.answered.id.upper(), story.answered.id[-8:], story.answered.id[-12:]):
        said = durward("trace", name, "-c", str(tmp_path))
        assert said.lines[0] == f"Call {story.answered.id}"
        facts = told(said.lines)
        assert facts["when"].endswith("UTC, took 640 ms, first byte after 412 ms")
        assert facts["who"] == "support · tenant acme · session sess-42"
        assert facts["what"] == "generate model/gpt-4o-mini"
        assert facts["decision"] == "allow, rule work"
        assert facts["result"] == "ok 200"
        assert facts["attempts"] == "openai gpt-4o-mini-2026: 200, 640 ms"
        assert facts["tokens"] == "1,000 input, 200 cached, 300 output, 40 reasoning"
        assert facts["cost"] == "$1.23456789"
        assert facts["tags"] == "team=care, env=prod"
        assert facts["trace"] == TRACE


def test_every_attempt_is_told(story: Story, tmp_path: Path) -> None:
    said = durward("trace", story.failed.id, "-c", str(tmp_path))
    at = next(number for number, line in enumerate(said.lines) if "attempts" in line)
    assert said.lines[at].split(None, 1)[1] == "openai mini: 429, 300 ms"
    assert said.lines[at + 1].strip() == "backup big: upstream_unreachable, 900 ms"


def test_a_denial_is_told_with_its_rule_reason_and_remedy(story: Story, tmp_path: Path) -> None:
    said = durward("trace", story.denied.id, "-c", str(tmp_path))
    facts = told(said.lines)
    assert facts["decision"] == "deny, rule no deletes"
    assert facts["result"] == "refused 403, denied"
    assert facts["remedy"].startswith("A deny rule wins over every allow rule")
    assert "tree" not in facts
    assert len([line for line in said.lines if story.denied.id in line]) == 1


def test_costs_that_are_not_known_are_told_as_such(story: Story, tmp_path: Path) -> None:
    assert "not known" in told(durward("trace", story.unpriced.id, "-c", str(tmp_path)).lines)["cost"]
    assert "was set aside" in told(durward("trace", story.unknown.id, "-c", str(tmp_path)).lines)["cost"]
    assert "(estimated)" in told(durward("trace", story.cut.id, "-c", str(tmp_path)).lines)["tokens"]
    assert "cost" not in told(durward("trace", story.api.id[-8:], "-c", str(tmp_path)).lines)


def test_json_is_the_calls_of_the_story(story: Story, tmp_path: Path) -> None:
    said = durward("trace", "sess-42", "-c", str(tmp_path), "--json")
    assert [line["id"] for line in said.objects] == [one.id for one in story[:3]]


@pytest.mark.parametrize("name", ["nothing", "01a1fd11-6a19-7000-8000-000000000009", "deadbeef", "[bold]"])
@pytest.mark.usefixtures("story")
def test_what_there_is_not_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(CallerError, match="No call, session or trace is named") as caught:
        durward("trace", name, "-c", str(tmp_path))
    assert "durward calls" in caught.value.remedy


def test_an_end_that_several_calls_share_names_them(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        for number in range(2):
            opening = calls.opening()
            opening.id = f"01a1fd11-6a1{number}-7000-a6c3-d1c427104c41"
            written.refused(opening, calls.refusal(opening))
    with pytest.raises(CallerError, match=r"Several calls end in 27104c41: .*6a11.*6a10"):
        durward("trace", "27104c41", "-c", str(tmp_path))


def test_a_call_that_is_still_open_is_told(tmp_path: Path) -> None:
    with journal(tmp_path) as written:
        opening = Calls().opening(session="s")
        written.intent(opening)
        said = durward("trace", "s", "-c", str(tmp_path))
        assert said.lines[0] == "Session s"
        assert told(said.lines)["result"] == "still open"


def test_a_long_story_tells_only_the_calls_that_did_not_go_well(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        for number in range(6):
            opening = calls.opening(session="s")
            if number == 3:
                written.refused(opening, calls.refusal(opening))
                continue
            written.intent(opening)
            written.settle(calls.closing(opening))
    lines = durward("trace", "s", "-c", str(tmp_path)).lines
    assert len([line for line in lines if line.startswith("Call ")]) == 1
    assert "remedy" in told(lines)


def test_others_show_a_story_as_the_command_does(story: Story, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=80)
    show_story(tmp_path, story.answered.id, console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == durward("trace", story.answered.id, "-c", str(tmp_path)).lines
