"""Lateness is counted by how late it was; early is on time."""

from durward.server.lag import BOUNDS, Lag


def test_samples_are_counted_by_how_late_they_were() -> None:
    lag = Lag(lambda: 0.0)
    for seconds in (-0.1, 0.0005, 0.001, 0.3, 9.0):
        lag.note(seconds)
    assert (lag.counts[0], lag.counts[BOUNDS.index(0.5)], lag.counts[-1]) == (3, 1, 1)
    assert lag.total == 0.0005 + 0.001 + 0.3 + 9.0
