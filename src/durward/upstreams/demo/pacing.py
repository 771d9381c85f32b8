"""When the tokens of an answer come: like a model, the first late, the others steadily."""

from collections.abc import Iterator

from durward.upstreams.demo.dice import Dice

FIRST_SECONDS = (0.2, 0.4)
NEXT_SECONDS = (0.02, 0.06)
SLOW_FIRST_SECONDS = 5.0
SLOW_NEXT_SECONDS = 1.0


def delays(dice: Dice, slow: bool = False) -> Iterator[float]:
    """Seconds to wait before each piece of an answer, without end."""
    yield SLOW_FIRST_SECONDS if slow else dice.between(*FIRST_SECONDS)
    while True:
        yield SLOW_NEXT_SECONDS if slow else dice.between(*NEXT_SECONDS)
