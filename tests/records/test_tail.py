"""The tail of the journal: calls as they end, with what their beginning told."""

from pathlib import Path

import pytest

from durward.records import layout, tail
from durward.records import writer as writers
from durward.records.lines import as_json
from durward.records.tail import Tail
from tests.records.scribe import Calls, Watch, journal
from tests.records.truth import truth


def test_calls_come_when_they_end(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        following = Tail(tmp_path)
        first, second, denied = (calls.opening() for _ in range(3))
        written.intent(first)
        written.intent(second)
        assert list(following.news()) == []
        written.settle(calls.closing(second))
        assert [record.id for record in following.news()] == [second.id]
        written.refused(denied, calls.refusal(denied))
        written.settle(calls.closing(first))
        assert [record.id for record in following.news()] == [denied.id, first.id]
        assert list(following.news()) == []


def test_the_last_calls_come_first_as_the_journal_has_them(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        for _ in range(5):
            opening = calls.opening(tags={"a": "b"})
            written.intent(opening)
            written.settle(calls.closing(opening))
        following = Tail(tmp_path)
        assert [as_json(record) for record in following.before(3)] == [
            as_json(record) for record in truth(tmp_path)[2:]
        ]
        assert Tail(tmp_path).before(0) == []


def test_a_call_that_began_too_long_ago_is_shown_with_what_its_end_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        opening = calls.opening()
        written.intent(opening)
        monkeypatch.setattr(tail, "BACK", 10)
        following = Tail(tmp_path)
        written.settle(calls.closing(opening))
        (record,) = following.news()
    assert (record.id, record.agent, record.outcome, record.cost_nano) == (opening.id, None, "ok", 1_234)


def test_later_writers_and_segments_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "SEGMENT_BYTES", 2_000)
    calls, watch = Calls(), Watch()
    following = Tail(tmp_path)
    for _ in range(2):
        watch.now += 1
        with journal(tmp_path, watch) as written:
            ids = []
            for _ in range(5):
                opening = calls.opening()
                ids.append(opening.id)
                written.intent(opening)
                written.settle(calls.closing(opening))
            assert [record.id for record in following.news()] == ids


def test_writers_that_ended_long_ago_are_not_read(tmp_path: Path) -> None:
    calls, watch = Calls(), Watch()
    for number in range(6):
        watch.now += 1
        with journal(tmp_path, watch) as written:
            opening = calls.opening(agent=f"agent-{number}")
            written.intent(opening)
            written.settle(calls.closing(opening))
        assert written.writer is not None
        (written.writer / layout.RECOVERED).touch()
    assert [record.agent for record in Tail(tmp_path).before(10)] == ["agent-3", "agent-4", "agent-5"]


def test_beginnings_without_an_end_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "BEGUN_KEPT", 2)
    calls = Calls()
    with journal(tmp_path) as written:
        following = Tail(tmp_path)
        openings = [calls.opening() for _ in range(4)]
        for opening in openings:
            written.intent(opening)
        assert list(following.news()) == []
        for opening in openings:
            written.settle(calls.closing(opening))
        assert [record.agent for record in following.news()] == [None, None, "support", "support"]
