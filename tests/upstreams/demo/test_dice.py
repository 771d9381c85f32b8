"""Choices that look random and are the same for the same prompt."""

from hypothesis import given
from hypothesis import strategies as st

from durward.upstreams.demo.dice import Dice


def test_the_same_words_roll_the_same() -> None:
    one, same, other = Dice(b"s", "hi"), Dice(b"s", "hi"), Dice(b"t", "hi")
    rolled = [one.share() for _ in range(5)]
    assert rolled == [same.share() for _ in range(5)]
    assert rolled != [other.share() for _ in range(5)]
    assert len(set(rolled)) == 5


def test_where_words_end_matters() -> None:
    assert Dice(b"s", "ab", "c").share() != Dice(b"s", "a", "bc").share()


@given(st.text(), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_rolls_stay_within(words: str, low: float, width: float) -> None:
    dice = Dice(b"s", words)
    assert 0 <= dice.share() < 1
    assert low <= dice.between(low, low + width) <= low + width
    assert dice.pick("abc") in "abc"
