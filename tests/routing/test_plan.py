"""The order is the operator's among those that are well; the next target is tried after 429, 5xx, or where nothing was reached."""

from itertools import product

import pytest

from durward.calls.errors import UpstreamError
from durward.calls.resource import Target
from durward.calls.retries import RetryBudget
from durward.routing.health import EJECTED, Breaker
from durward.routing.plan import falls_over, falls_over_error, outcome_of, plan

NOW = 1000.0


class Step:
    def __init__(self, upstream: str, state: str) -> None:
        self.target = Target(upstream, "m")
        self.standing = Breaker(upstream, RetryBudget())
        if state == "waits":
            self.standing.note("m", "busy", NOW, 60.0)
        if state == "ejected":
            for _ in range(5):
                self.standing.note("m", "failed", NOW)


def order(*states: str) -> str:
    steps = [Step(name, state) for name, state in zip("abcd", states, strict=False)]
    return "".join(step.target.upstream for step in plan(steps, NOW))


def test_targets_are_tried_as_written() -> None:
    steps = (Step("b", "well"), Step("a", "well"))
    assert plan(steps, NOW) is steps


@pytest.mark.parametrize(
    "states,expected",
    [
        (("waits", "well"), "ba"),
        (("waits", "waits"), "ab"),
        (("ejected", "well"), "b"),
        (("ejected", "waits", "well"), "cb"),
        (("ejected", "ejected"), "a"),
        (("ejected", "ejected", "well"), "ca"),
        (("ejected", "ejected", "ejected", "well"), "da"),
        (("ejected",), "a"),
        (("waits",), "a"),
    ],
)
def test_those_that_wait_come_later_and_the_ejected_last(states: tuple[str, ...], expected: str) -> None:
    assert order(*states) == expected


def test_never_more_than_half_are_left_out_and_all_that_are_well_are_there() -> None:
    for count in range(1, 5):
        for states in product(("well", "waits", "ejected"), repeat=count):
            steps = [Step(name, state) for name, state in zip("abcd", states, strict=False)]
            planned = plan(steps, NOW)
            assert len(planned) >= (count + 1) // 2
            missing = [step for step in steps if step not in planned]
            assert all(step.standing.rank("m", NOW) == EJECTED for step in missing)


@pytest.mark.parametrize(
    "status, goes_on", [(200, False), (400, False), (404, False), (429, True), (500, True), (529, True)]
)
def test_only_the_upstreams_own_failures_go_on(status: int, goes_on: bool) -> None:
    assert falls_over(status) is goes_on


@pytest.mark.parametrize(
    "reason, goes_on",
    [
        ("upstream_unreachable", True),
        ("upstream_silent", False),
        ("upstream_cut", False),
        ("upstream_malformed", False),
    ],
)
def test_only_where_nothing_was_sent_is_another_tried(reason: str, goes_on: bool) -> None:
    assert falls_over_error(UpstreamError("x", reason=reason)) is goes_on


@pytest.mark.parametrize(
    "status,outcome",
    [
        *((status, "answered") for status in (200, 302, 400, 401, 404, 408, 422)),
        (429, "busy"),
        *((status, "doubtful") for status in (500, 501, 505, 599)),
        *((status, "failed") for status in (502, 503, 504, 520, 529)),
    ],
)
def test_what_an_answer_says_of_its_upstream(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome
