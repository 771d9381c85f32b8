"""Times of records: cut to the millisecond, read back exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.records.times import milliseconds, time_member, timestamp


def test_a_time_is_rfc_3339_in_utc_with_milliseconds() -> None:
    assert timestamp(1763711012.0429) == "2025-11-21T07:43:32.042Z"
    assert timestamp(0.0) == "1970-01-01T00:00:00.000Z"


@given(st.integers(0, 4_102_444_800_000))
def test_what_is_written_is_read_back(moment: int) -> None:
    assert abs(milliseconds(timestamp((moment + 0.5) / 1000)) - moment) == 0


@given(st.integers(0, 4_102_444_800_000))
def test_a_line_holds_the_same_time(moment: int) -> None:
    seconds = (moment + 0.5) / 1000
    assert time_member(seconds) == b'"time":"%b",' % timestamp(seconds).encode()


def test_any_zone_is_read_and_none_is_an_error() -> None:
    assert milliseconds("1970-01-01T01:00:00.5+01:00") == 500
    with pytest.raises(ValueError, match="no time zone"):
        milliseconds("2026-01-01T00:00:00")
    with pytest.raises(ValueError, match="yesterday"):
        milliseconds("yesterday")
