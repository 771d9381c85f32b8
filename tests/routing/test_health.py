"""The breaker: what opens it, what closes it, and what no order of outcomes can make of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.origin import Origin
from durward.calls.ports import Outcome, UpstreamKey
from durward.calls.retries import RetryBudget, RetryBudgets
from durward.routing.health import (
    EJECTED,
    EJECTED_SECONDS,
    LONGEST_SECONDS,
    MODELS,
    PROBE_SECONDS,
    RESORTS_A_SECOND,
    WAITING,
    WELL,
    Breaker,
    Breakers,
)

START = 1000.0


def breaker() -> Breaker:
    return Breaker("openai", RetryBudget())


def ejected(now: float = START, fresh: Breaker | None = None) -> Breaker:
    one = fresh or breaker()
    for _ in range(5):
        one.called(now)
        one.note("m", "failed", now)
    assert one.rank("m", now) == EJECTED
    return one


def state(one: Breaker, now: float) -> Any:
    return one.state(now)["state"]


def test_four_failures_running_are_not_enough_and_an_answer_ends_them() -> None:
    one = breaker()
    for outcome in (*["failed"] * 4, "answered", *["failed"] * 4):
        one.note("m", outcome, START)  # type: ignore[arg-type]
        assert one.rank("m", START) == WELL
    one.note("m", "failed", START)
    assert one.rank("m", START) == EJECTED
    assert not one.clear


@pytest.mark.parametrize("failed,calls,out", [(11, 20, True), (10, 20, False), (18, 19, False)])
def test_more_than_half_of_twenty_calls_eject(failed: int, calls: int, out: bool) -> None:
    one = breaker()
    for _ in range(calls):
        one.called(START)
    for _ in range(failed):
        one.note("m", "doubtful", START)
    assert (one.rank("m", START) == EJECTED) is out


def test_calls_of_long_ago_do_not_count() -> None:
    one = breaker()
    for _ in range(19):
        one.called(START)
        one.note("m", "doubtful", START)
    one.called(START + 10)
    one.note("m", "doubtful", START + 10)
    assert one.rank("m", START + 10) == WELL


def test_doubtful_answers_make_no_run() -> None:
    one = breaker()
    for _ in range(19):
        one.note("m", "doubtful", START)
    assert one.clear


def test_one_probe_when_the_time_is_up_and_its_answer_closes() -> None:
    one = ejected()
    back = START + EJECTED_SECONDS
    assert (one.rank("m", back - 0.1), one.rank("m", back)) == (EJECTED, WELL)
    assert state(one, back) == "half-open"
    assert one.admit(back)
    assert one.rank("m", back) == EJECTED, "one probe at a time"
    one.note("m", "answered", back + 1)
    assert one.clear
    assert (state(one, back + 1), one.rank("m", back + 1)) == ("closed", WELL)


def test_a_probe_that_fails_ejects_for_longer_up_to_a_bound() -> None:
    one, now = ejected(), START
    for number in range(2, 14):
        now = one.until
        assert one.admit(now)
        one.note("m", "failed", now)
        assert one.until - now == min(EJECTED_SECONDS * number, LONGEST_SECONDS)


def test_a_probe_that_is_told_to_wait_found_it_there() -> None:
    one = ejected()
    back = one.until
    assert one.admit(back)
    one.note("m", "busy", back, 5.0)
    assert (state(one, back), one.rank("m", back), one.rank("m", back + 5)) == ("closed", WAITING, WELL)


def test_a_probe_that_is_answered_with_an_error_of_its_own_did_not_find_it_well() -> None:
    one = ejected()
    back = one.until
    assert one.admit(back)
    one.note("m", "doubtful", back)
    assert one.until - back == 2 * EJECTED_SECONDS


def test_a_probe_without_an_outcome_is_followed_by_another() -> None:
    one = ejected()
    back = one.until
    assert one.admit(back)
    assert one.rank("m", back + PROBE_SECONDS - 0.1) == EJECTED
    assert one.rank("m", back + PROBE_SECONDS) == WELL
    assert one.admit(back + PROBE_SECONDS)


def test_after_a_long_time_without_one_an_ejection_is_a_first_one() -> None:
    one = ejected()
    one.admit(one.until)
    one.note("m", "answered", one.until)
    ejected(one.until + 100, one)
    assert one.ejections == 2
    back = one.until
    one.admit(back)
    one.note("m", "answered", back)
    ejected(back + LONGEST_SECONDS + 1, one)
    assert one.ejections == 1


def test_where_there_is_no_other_a_few_are_let_through_and_one_answer_closes() -> None:
    one = ejected()
    assert [one.admit(START + 1) for _ in range(RESORTS_A_SECOND + 5)] == [True] * RESORTS_A_SECOND + [False] * 5
    assert one.admit(START + 2)
    one.note("m", "failed", START + 2)
    assert one.until == START + EJECTED_SECONDS, "such a failure makes it no longer"
    one.note("m", "answered", START + 2)
    assert one.clear


def test_answers_to_calls_from_before_the_ejection_do_not_close() -> None:
    one = ejected()
    one.note("m", "answered", START)
    assert one.rank("m", START) == EJECTED


def test_too_many_requests_are_no_failure_and_make_one_model_wait() -> None:
    one = breaker()
    for _ in range(50):
        one.called(START)
        one.note("m", "busy", START, 7.0)
    assert [one.rank(model, START + 6.9) for model in ("m", "other")] == [WAITING, WELL]
    assert one.rank("m", START + 7.0) == WELL
    assert one.admit(START), "it may be asked where there is no other"
    one.note("other", "answered", START + 7.0)
    assert one.clear


def test_an_answer_ends_the_wait() -> None:
    one = breaker()
    one.note("m", "busy", START, 60.0)
    one.note("m", "answered", START + 1)
    assert one.clear


def test_no_wait_is_longer_than_its_bound_and_not_without_number() -> None:
    one = breaker()
    one.note("m", "busy", START, 1e9)
    assert one.rank("m", START + LONGEST_SECONDS) == WELL
    for number in range(2 * MODELS):
        one.note(f"m{number}", "busy", START, 60.0)
    assert len(one.state(START)["waits"]) == MODELS


OUTCOMES = st.sampled_from(["answered", "busy", "doubtful", "failed", "lost"])


@given(st.lists(st.tuples(st.floats(0, 40), OUTCOMES), max_size=80))
def test_whatever_happens(steps: list[tuple[float, Outcome | str]]) -> None:
    """A world of one upstream whose calls go only as they are admitted: it is never shut for good, and its words agree."""
    one, now = breaker(), START
    failed_running = 0
    for pause, outcome in steps:
        now += pause
        open_before, closed_before = one.until, not one.until
        admitted = one.clear or one.admit(now)
        assert admitted or (not closed_before and now < open_before), "closed and half-open let a call through"
        if not admitted:
            continue
        one.called(now)
        if outcome == "lost":
            continue
        one.note("m", outcome, now, 5.0 if outcome == "busy" else None)  # type: ignore[arg-type]
        failed_running = failed_running + 1 if outcome == "failed" else 0 if outcome == "answered" else failed_running
        if outcome in ("answered", "busy"):
            assert not one.until, "an answer to what was admitted closes"
        if closed_before and failed_running >= 5:
            assert one.until
        if one.until:
            assert PROBE_SECONDS <= one.until - now <= LONGEST_SECONDS or one.until == open_before
            failed_running = 0
        assert one.clear <= (one.rank("m", now) == WELL)
        assert (state(one, now) == "closed") is (not one.until)
    assert one.rank("m", now + LONGEST_SECONDS) == WELL
    assert one.admit(now + LONGEST_SECONDS)


def test_what_is_known_outlives_a_configuration_and_is_forgotten_with_its_upstream() -> None:
    health = Breakers(RetryBudgets())
    origin = Origin("https", "a.example", 443)
    key, other = UpstreamKey("a", origin, b"1"), UpstreamKey("a", origin, b"2")
    one = health.of(key)
    assert health.of(UpstreamKey("a", Origin("https", "a.example", 443), b"1")) is one
    assert health.of(other) is not one
    assert health.of(other).retries is one.retries, "the upstream is one, whatever is presented there"
    health.keep([key])
    assert [each["upstream"] for each in health.states(START)] == ["a"]
    assert health.of(key) is one
