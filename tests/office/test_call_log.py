"""A line a call, with what the record holds of it."""

import logging

import pytest

from durward.calls.tokens import Tokens
from durward.office.call_log import CallLog
from tests.office.test_tally import Made


def test_a_call_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    CallLog().take([Made().call(status=200, cost_nano=0, tokens=Tokens(3, 1, 0, 4, 1))])
    (record,) = caplog.records
    assert record.getMessage() == (
        "id=id agent=support action=generate resource=model/m0 provider=openai status=200 outcome=ok duration_ms=20.0 "
        "input_tokens=4 output_tokens=5 cost_nano=0"
    )
    assert record.call["outcome"] == "ok"  # type: ignore[attr-defined]


def test_calls_of_another_life_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    CallLog(since="2027").take([Made().call()])
    assert caplog.records == []
