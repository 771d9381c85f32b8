"""Counts of the last ten seconds are those of a list of all that happened."""

from hypothesis import given
from hypothesis import strategies as st

from durward.calls.recent import SECONDS, Recent

EVENTS = st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60)


@given(EVENTS, st.floats(0, 10**9))
def test_the_count_is_that_of_the_seconds_it_is_about(events: list[tuple[float, bool]], start: float) -> None:
    recent, now, happened = Recent(), start, []
    for pause, adds in events:
        now += pause
        if adds:
            recent.add(now)
            happened.append(int(now))
        assert recent.total(now) == sum(int(now) - SECONDS < second for second in happened)
        assert recent.this_second(now) == happened.count(int(now))


def test_what_is_cleared_is_forgotten() -> None:
    recent = Recent()
    recent.add(100.0)
    recent.clear()
    assert recent.total(100.0) == 0
    recent.add(100.5)
    assert recent.total(109.9) == 1
    assert recent.total(110.0) == 0


def test_a_clock_that_stands_or_steps_back_counts_on() -> None:
    recent = Recent()
    recent.add(50.0)
    recent.add(49.0)
    assert recent.this_second(50.0) == 2
