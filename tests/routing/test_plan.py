"""The order is the operator's; the next target is tried after 429, 5xx, or where nothing was reached."""

import pytest

from durward.calls.errors import UpstreamError
from durward.calls.resource import Target
from durward.routing.plan import falls_over, falls_over_error, plan


def test_targets_are_tried_as_written() -> None:
    targets = (Target("b", "1"), Target("a", "2"))
    assert plan(targets) == targets


@pytest.mark.parametrize(
    "status, goes_on", [(200, False), (400, False), (404, False), (429, True), (500, True), (529, True)]
)
def test_only_the_upstreams_own_failures_go_on(status: int, goes_on: bool) -> None:
    assert falls_over(status) is goes_on


@pytest.mark.parametrize("reason", ["upstream_silent", "upstream_cut", "upstream_malformed"])
def test_a_request_that_may_have_been_acted_on_is_not_sent_twice(reason: str) -> None:
    assert not falls_over_error(UpstreamError("x", reason=reason))
    assert falls_over_error(UpstreamError("x", reason="upstream_unreachable"))
