"""The closed list of reasons, and the classes that use it."""

import pytest

from durward.calls.errors import REASONS, CallerError, DurwardError, GateError, Refused, UpstreamError


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_status_that_fits_its_fault_and_a_remedy_sentence(reason: str) -> None:
    facts = REASONS[reason]
    assert facts.remedy.endswith(".")
    if facts.fault in ("caller", "refused"):
        assert 400 <= facts.status < 500 or facts.status in (501, 505)
    else:
        assert 500 <= facts.status < 600 or facts.status == 409  # 409: of commands, which no caller sees


@pytest.mark.parametrize("kind", [CallerError, GateError, Refused, UpstreamError])
def test_each_class_has_a_reason_of_the_list_by_default(kind: type[DurwardError]) -> None:
    error = kind("It happened.")
    assert error.reason in REASONS
    assert error.status == REASONS[error.reason].status


def test_a_reason_outside_the_list_is_a_bug() -> None:
    with pytest.raises(KeyError):
        CallerError("It happened.", reason="made_up")
