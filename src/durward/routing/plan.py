"""The plan of a call: its targets in the order to try them, and what their answers say of them."""

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from durward.calls.errors import UpstreamError
from durward.calls.ports import Outcome, Standing
from durward.calls.resource import Target
from durward.routing.health import EJECTED

UNTOLD_SECONDS: Final = 5.0
"""How long a target waits that had too many requests and does not say for how long."""
DOWN: Final = frozenset((502, 503, 504, 529, *range(520, 528), 530))
"""What an upstream, or what stands before it, answers when it is down or overloaded."""


class Candidate(Protocol):
    """A target, and how the upstream stands at which it can be had."""

    @property
    def target(self) -> Target: ...

    @property
    def standing(self) -> Standing: ...


Step = TypeVar("Step", bound=Candidate)


def plan(steps: Sequence[Step], now: float) -> Sequence[Step]:
    """The steps in the order the operator wrote them; those that wait come behind, those that are ejected last.

    Of the ejected ones so many are left out as are no more than half of all: a breaker never makes a model unavailable.
    """
    for step in steps:
        if not step.standing.clear:
            return _ordered(steps, now)
    return steps


def _ordered(steps: Sequence[Step], now: float) -> Sequence[Step]:
    ranks = [step.standing.rank(step.target.model, now) for step in steps]
    order = sorted(range(len(steps)), key=ranks.__getitem__)
    kept = len(steps) - min(ranks.count(EJECTED), len(steps) // 2)
    return [steps[at] for at in order[:kept]]


def falls_over(status: int) -> bool:
    """Whether an answer with this status sends the call on to its next target: too many requests, or the upstream's own failure."""
    return status == 429 or status >= 500


def falls_over_error(error: UpstreamError) -> bool:
    """Whether a failure to get any answer does: only where nothing was sent, so that no upstream acts twice."""
    return error.reason == "upstream_unreachable"


def outcome_of(status: int) -> Outcome:
    """What an answer's status says of the upstream.

    500 and the like may be the request's own fault, which whoever repeats it would turn against all others: such an answer counts in the
    share of failures, not in their running number.
    """
    if status == 429:
        return "busy"
    if status < 500:
        return "answered"
    return "failed" if status in DOWN else "doubtful"
