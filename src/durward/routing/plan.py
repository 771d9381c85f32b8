"""The plan of a call: its targets in the order to try them."""

from collections.abc import Sequence
from typing import TypeVar

from durward.calls.errors import UpstreamError

Candidate = TypeVar("Candidate")


def plan(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """The candidates in the order the operator wrote them."""
    return candidates


def falls_over(status: int) -> bool:
    """Whether an answer with this status sends the call on to its next target: too many requests, or the upstream's own failure."""
    return status == 429 or status >= 500


def falls_over_error(error: UpstreamError) -> bool:
    """Whether a failure to get any answer does: only where nothing was sent, so that no upstream acts twice."""
    return error.reason == "upstream_unreachable"
