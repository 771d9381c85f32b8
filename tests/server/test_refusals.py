"""However many requests are refused, the log says it once a minute."""

import logging

import pytest

from durward.server.refusals import QUIET_SECONDS, Refusals


class Clock:
    now = 0.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


def test_the_first_is_told_at_once_the_others_together(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    refusals = Refusals(clock)
    for _ in range(1_000):
        refusals.note("malformed_http", "192.0.2.7")
    clock.now = QUIET_SECONDS
    refusals.note("head_too_large", "192.0.2.8")
    assert [record.message for record in caplog.records] == [
        "refused before identification: malformed_http 1 (last from 192.0.2.7)",
        "refused before identification: head_too_large 1, malformed_http 999 (last from 192.0.2.8)",
    ]
    assert refusals.counts == {"malformed_http": 1_000, "head_too_large": 1}
