"""How late the event loop is: a sample four times a second, so that a loop that stands still is seen as one that does."""

import asyncio
from bisect import bisect_left
from collections.abc import Callable

SAMPLE_SECONDS = 0.25
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Lag:
    """Counts how late samples were: `counts` by upper bound (`BOUNDS`, then without one), and `total` seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        self._now = now

    def note(self, seconds: float) -> None:
        """One sample was so late."""
        seconds = max(0.0, seconds)
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    async def watch(self) -> None:
        """Sample for as long as this task lives."""
        while True:
            due = self._now() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            self.note(self._now() - due)
