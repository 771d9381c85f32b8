"""Counting what happened in the last ten seconds, in constant memory."""

from typing import Final

SECONDS: Final = 10
"""How far back is counted: this second, and the nine before it."""


class Recent:
    """A count a second, forgotten after `SECONDS`. Times are monotonic seconds; an earlier one than the last counts as the last."""

    __slots__ = ("_counts", "_second")

    def __init__(self) -> None:
        self._counts = [0] * SECONDS
        self._second = 0

    def add(self, now: float) -> None:
        """One more."""
        second = int(now)
        if second != self._second:
            self._turn(second)
        self._counts[self._second % SECONDS] += 1

    def total(self, now: float) -> int:
        """How many in the last ten seconds."""
        self._turn(int(now))
        return sum(self._counts)

    def this_second(self, now: float) -> int:
        """How many in the second that has begun."""
        self._turn(int(now))
        return self._counts[self._second % SECONDS]

    def clear(self) -> None:
        """Forget all."""
        self._counts = [0] * SECONDS

    def _turn(self, second: int) -> None:
        gap = second - self._second
        if gap <= 0:
            return
        for step in range(min(gap, SECONDS)):
            self._counts[(second - step) % SECONDS] = 0
        self._second = second
