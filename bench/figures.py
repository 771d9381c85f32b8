"""What a row of the benchmark yields: a figure, and the bar that it is held against."""

from typing import NamedTuple


class Bar(NamedTuple):
    """One figure that must not exceed its limit."""

    name: str
    limit: float
    unit: str
    below: bool = False
    """Less than the limit, not at most."""
    least: bool = False
    """The limit is the least that is good enough."""


class Figure(NamedTuple):
    bar: Bar
    value: float
    detail: str = ""

    @property
    def met(self) -> bool:
        if self.bar.least:
            return self.value >= self.bar.limit
        return self.value < self.bar.limit if self.bar.below else self.value <= self.bar.limit
