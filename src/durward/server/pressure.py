"""How close the gate is to what it can carry, and what it does about it, step by step: first it saves, then it parts, then it refuses.

Calls give way by class: `batch` before `interactive`; health checks never do.
"""

from typing import Any, Final

BATCH, INTERACTIVE = range(2)
PRIORITIES: Final = ("batch", "interactive")

SAVES: Final = 0.85
"""Of its memory. From here on idle connections are kept for a few seconds only, and free memory is given back."""
PARTS: Final = 0.92
"""From here on connections end with their answer."""
SHEDS: Final = 0.95
"""From here on no batch call begins, and every other interactive one does not."""
FULL: Final = 0.98
"""From here on no call begins."""
STORM: Final = 64
"""Fewer connections and calls than these leave nothing behind that would matter."""
LATE: Final = 0.1
"""Seconds that the event loop comes too late; from here on no batch call begins."""
VERY_LATE: Final = 0.25
"""From here on one interactive call in four does not begin: more would cost more than it saves, since refusing is work too."""
WEIGHT: Final = 0.5
"""Of the last measurement; what was measured a second before it counts a sixteenth."""


class Pressure:
    """Measured four times a second; asked by every call only while `sheds`."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        """Bytes that the process may use."""
        self.resident = 0
        """Bytes that it has."""
        self.share = 0.0
        self.lag = 0.0
        """Seconds that the event loop comes too late, smoothed."""
        self.tight = False
        """So much is in use that free memory should be given back."""
        self.saves = False
        self.parts = False
        self.sheds = False
        self._refused = [0.0, 0.0]  # the share of calls that do not begin, by class
        self._owed = [0.0, 0.0]
        self._most = 0  # bytes, since it is tight
        self._load = 0  # with which it came to them

    def measure(self, lag: float, resident: int, load: int) -> None:
        """Take in how late the event loop was just now, in seconds, how many bytes the process has, and how many connections and calls."""
        self.lag += (lag - self.lag) * WEIGHT
        self.resident = resident
        self.share = share = resident / self.memory
        self.tight = share >= SAVES
        if self._left_over(resident, load):
            share = SHEDS if share >= FULL else 0.0
        self.saves, self.parts = share >= SAVES, share >= PARTS
        batch = 1.0 if share >= SHEDS or self.lag >= LATE else 0.0
        interactive = 0.25 if self.lag >= VERY_LATE else 0.0
        if share >= SHEDS:
            interactive = 1.0 if share >= FULL else 0.5
        self._refused = [batch, interactive]
        self.sheds = batch > 0
        if not self.sheds:
            self._owed = [0.0, 0.0]

    def _left_over(self, resident: int, load: int) -> bool:
        """Whether the memory is what a storm has left behind.

        Much of what it took stays with the process, free for the next calls and not for the system. Half that load will not need
        more; if it does, the process grows by more than a trifle, and that counts.
        """
        if not self.tight:
            self._most = 0
        elif resident > self._most + self.memory // 50:
            self._most, self._load = resident, load
        return self.tight and self._load >= STORM and 2 * load < self._load

    def turns_away(self, priority: int) -> bool:
        """Whether the next call of this class does not begin. A share of calls is spread evenly."""
        self._owed[priority] += self._refused[priority]
        if self._owed[priority] < 1.0:
            return False
        self._owed[priority] -= 1.0
        return True

    @property
    def why(self) -> str:
        """What calls are refused for."""
        return "The gate is short of memory." if self.share >= SHEDS else "The gate has more to do than it can."

    def state(self) -> dict[str, Any]:
        """For people and metrics: plain data."""
        steps = {"saves": self.saves, "parts": self.parts, "sheds": self.sheds}
        return {
            "lag_ms": round(self.lag * 1000, 1),
            "memory": self.memory,
            "resident": self.resident,
            "memory_share": round(self.share, 3),
            "steps": [name for name, taken in steps.items() if taken],
            "refused_share": dict(zip(PRIORITIES, self._refused, strict=True)),
        }
