"""A denial that is only observed lets the call pass."""

import pytest

from durward.calls.decision import Decision


@pytest.mark.parametrize(
    "decision,allows",
    [
        (Decision("allow", "work"), True),
        (Decision("deny", None), False),
        (Decision("deny", "no"), False),
        (Decision("deny", "no", enforced=False), True),
    ],
)
def test_what_passes(decision: Decision, allows: bool) -> None:
    assert decision.allows is allows
