"""A call's entry is opened once and closed once, whatever happens between."""

from typing import ClassVar, cast

import pytest

from durward.calls.decision import Decision
from durward.calls.errors import CallerError, GateError, Refused, UpstreamError
from durward.calls.ports import OnDisk, UpstreamAnswer
from durward.calls.record import Closing, Opening
from durward.calls.resource import Resource, Target
from durward.records.entry import Entry


class Watch:
    now = 5.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Pages:
    """A journal that keeps its lines as (type, outcome, reason)."""

    on_disk: OnDisk | None = None

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []
        self.full = False

    def _write(self, kind: str, closing: Closing | None) -> None:
        if self.full:
            raise GateError("The disk is full.", reason="journal_unavailable")
        self.lines.append((kind, closing.outcome if closing else "", closing.reason if closing else ""))

    def intent(self, opening: Opening) -> None:
        self._write("intent", None)

    def confirm(self, call: str) -> None:
        self.lines.append(("confirm", call, ""))

    def settle(self, closing: Closing) -> None:
        self._write("settle", closing)

    def refused(self, opening: Opening, closing: Closing) -> None:
        self._write("refused", closing)

    def unavailable(self) -> bool:
        return self.full


def entry() -> tuple[Entry, Pages]:
    pages = Pages()
    opening = Opening("id", "2026-11-21T00:00:00.000Z", "carol")
    return Entry(pages, Watch(), opening, Closing("id", "unknown")), pages


def test_an_allowed_call_is_an_intent_and_a_settle() -> None:
    one, pages = entry()
    one.decided(Resource("model/x", "generate", "read"), Decision("allow", "work"))
    one.open(12)
    one.settle(200)
    assert pages.lines == [("intent", "", ""), ("settle", "ok", "")]
    assert (one.opening.decision, one.opening.rule, one.opening.reserved_nano) == ("allow", "work", 12)


def test_a_further_target_is_tried_only_if_the_intent_is_still_kept() -> None:
    one, pages = entry()
    one.open(None)
    one.attempt(Target("first", "x"))
    assert pages.lines == [("intent", "", "")]
    one.attempt(Target("second", "x"))
    assert pages.lines == [("intent", "", ""), ("confirm", "id", "")]


def test_a_refusal_is_one_line() -> None:
    one, pages = entry()
    one.fail(Refused("No."), begun=False)
    assert pages.lines == [("refused", "refused", "denied")]


@pytest.mark.parametrize(
    "error, begun, outcome",
    [
        (UpstreamError("x", reason="upstream_unreachable"), False, "failed"),
        (UpstreamError("x", reason="upstream_cut"), True, "cut"),
        (CallerError("x", reason="caller_gone"), True, "cut"),
        (CallerError("x", reason="caller_gone"), False, "failed"),
        (GateError("x"), False, "refused"),
    ],
)
def test_how_an_error_ends_a_call(error: UpstreamError, begun: bool, outcome: str) -> None:
    one, pages = entry()
    one.open(None)
    one.fail(error, begun)
    assert pages.lines[1:] == [("settle", outcome, error.reason)]


def test_the_first_end_counts() -> None:
    one, pages = entry()
    one.open(None)
    one.settle(200)
    one.fail(CallerError("x", reason="caller_gone"), begun=True)
    one.settle(500)
    assert pages.lines == [("intent", "", ""), ("settle", "ok", "")]


def test_upstream_errors_pass_as_failed() -> None:
    one, pages = entry()
    one.open(None)
    one.settle(429)
    assert pages.lines[1] == ("settle", "failed", "upstream_error")
    other, pages = entry()
    other.open(None)
    other.settle(200, "overloaded_error")
    assert pages.lines[1] == ("settle", "failed", "stream_error")


def test_attempts_have_their_own_time_and_end() -> None:
    one, _ = entry()
    first = one.attempt(Target("local", "qwen3"))
    Watch.now = 5.25
    one.attempted(first, 0, "upstream_unreachable")
    second = one.attempt(Target("openai", "gpt-4o-mini"))
    one.attempted(second, 200, "")
    Watch.now = 5.0
    assert [(each.provider, each.status, each.reason, each.duration_ms) for each in one.closing.attempts] == [
        ("local", 0, "upstream_unreachable", 250.0),
        ("openai", 200, "", 0.0),
    ]
    assert (one.closing.provider, one.closing.upstream_model) == ("openai", "gpt-4o-mini")


class Answer:
    status = 200
    fields: ClassVar[dict[bytes, bytes]] = {}


@pytest.mark.parametrize("whole,gate_ms", [(True, 3.0), (False, 2.0)])
def test_the_gates_own_time_is_without_all_waiting(whole: bool, gate_ms: float) -> None:
    one, _ = entry()
    one.open(None)
    Watch.now = 5.1  # of which the caller's body took all but a millisecond
    one.waited(0.099)
    attempt = one.attempt(Target("openai", "gpt-4o"))
    Watch.now = 5.5
    one.attempted(attempt, 200, "")
    Watch.now = 5.501
    one.answered(cast(UpstreamAnswer, Answer()))
    Watch.now = 6.0  # its body
    if whole:
        one.arrived()
    Watch.now = 6.001
    one.settle(200)
    Watch.now = 5.0
    closing = one.closing
    assert closing.gate_ms == pytest.approx(gate_ms, abs=0.0011)
    assert closing.first_byte_ms == pytest.approx(501, abs=0.01)
    assert closing.duration_ms == pytest.approx(1001, abs=0.01)


def test_an_attempt_that_the_call_did_not_outlive_ends_with_it() -> None:
    one, _ = entry()
    Watch.now = 6.0
    under_way = one.attempt(Target("openai", "gpt-4o"))
    Watch.now = 6.5
    one.fail(CallerError("x", reason="caller_gone"), begun=False)
    Watch.now = 5.0
    assert (under_way.status, under_way.reason, under_way.duration_ms) == (0, "caller_gone", 500.0)


def test_a_full_disk_keeps_the_answer_back_but_not_the_error() -> None:
    one, pages = entry()
    one.open(None)
    pages.full = True
    with pytest.raises(GateError) as caught:
        one.settle(200)
    one.fail(caught.value, begun=False)
    assert pages.lines == [("intent", "", "")]
