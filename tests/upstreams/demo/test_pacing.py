"""When tokens come."""

from itertools import islice

from durward.upstreams.demo.dice import Dice
from durward.upstreams.demo.pacing import delays


def test_the_first_is_late_and_the_rest_steady() -> None:
    for prompt in map(str, range(50)):
        first, *others = islice(delays(Dice(b"s", prompt)), 20)
        assert 0.2 <= first <= 0.4
        assert all(0.02 <= each <= 0.06 for each in others)
        assert [first, *others] == list(islice(delays(Dice(b"s", prompt)), 20))


def test_slow_is_slow() -> None:
    assert list(islice(delays(Dice(b"s"), slow=True), 3)) == [5.0, 1.0, 1.0]
