"""`durward tail`: the last calls, then each as it ends."""

from pathlib import Path

import pytest

from durward.calls.errors import CallerError
from durward.cli import tail
from tests.cli.recorded import durward, record_story
from tests.records.scribe import Calls, journal


@pytest.fixture(autouse=True)
def stopped_at_the_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([None])

    def stop(seconds: float) -> None:
        if next(looks, "stop"):
            raise KeyboardInterrupt

    monkeypatch.setattr(tail, "sleep", stop)


def test_it_begins_with_the_last_calls_and_ends_when_it_is_stopped(tmp_path: Path) -> None:
    story = record_story(tmp_path)
    said = durward("tail", "-c", str(tmp_path), "--limit", "2", "--json")
    assert [line["id"] for line in said.objects] == [story.cut.id, story.unknown.id]
    assert said.code == 0


def test_lines_have_fixed_columns(tmp_path: Path) -> None:
    story = record_story(tmp_path)
    said = durward("tail", "-c", str(tmp_path))
    assert {line[:8] for line in said.lines} == {opening.id[-8:] for opening in story}
    answered = next(line for line in said.lines if line.startswith(story.answered.id[-8:]))
    assert answered.split()[2:] == ["support", "gpt-4o-mini", "ok", "1200→340", "$1.23456789", "640", "ms"]
    assert {len(line) for line in said.lines if "~" not in line} == {80}


def test_calls_come_as_they_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        opening = calls.opening()
        written.intent(opening)
        ends = iter([lambda: written.settle(calls.closing(opening))])

        def call_or_stop(seconds: float) -> None:
            end = next(ends, None)
            if end is None:
                raise KeyboardInterrupt
            end()

        monkeypatch.setattr(tail, "sleep", call_or_stop)
        said = durward("tail", "-c", str(tmp_path), "--json")
    assert [(line["id"], line["agent"]) for line in said.objects] == [(opening.id, "support")]


def test_a_wider_line_shows_the_whole_reason(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        opening = calls.opening()
        written.intent(opening)
        written.settle(calls.closing(opening, outcome="failed", reason="upstream_unreachable"))
    narrow, wide = (durward("tail", "-c", str(tmp_path), width=width).lines[-1] for width in (80, 100))
    assert "upstrea…" in narrow
    assert "upstream_unreachable" in wide


def test_no_titles_stand_over_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CallerError, match="nothing was started here"):
        tail.tail_command()
    assert capsys.readouterr().out == ""
    (tmp_path / ".durward").mkdir()
    (tmp_path / ".durward" / "lock").touch()
    tail.tail_command()
    assert "result" in capsys.readouterr().out
