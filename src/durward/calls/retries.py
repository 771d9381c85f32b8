"""The budget of further attempts at an upstream, so that a failing one is not stormed by those who try again."""

from typing import Final

from durward.calls.origin import Origin
from durward.calls.recent import SECONDS, Recent

SHARE: Final = 5
"""One further attempt for so many calls of the last ten seconds …"""
A_SECOND: Final = 10
"""… and so many a second besides, all gates together, or a quiet upstream could never be tried again."""


class RetryBudget:
    """What one upstream may be sent beyond the calls that are meant for it. `refused` counts further attempts that were not made."""

    __slots__ = ("_besides", "_calls", "_retries", "refused")

    def __init__(self, gates: int = 1) -> None:
        """`gates`: so many have a budget for it."""
        self._besides = max(1, A_SECOND // gates) * SECONDS
        self._calls = Recent()
        self._retries = Recent()
        self.refused = 0

    def called(self, now: float) -> None:
        """A call goes there that was not sent anywhere before."""
        self._calls.add(now)

    def take(self, now: float) -> bool:
        """Whether a further attempt may go there now; if so, it counts."""
        if self._retries.total(now) >= self._calls.total(now) // SHARE + self._besides:
            self.refused += 1
            return False
        self._retries.add(now)
        return True

    def state(self, now: float) -> dict[str, int]:
        """Calls and further attempts of the last ten seconds, and all attempts that were refused."""
        return {"calls": self._calls.total(now), "retries": self._retries.total(now), "refused": self.refused}


class RetryBudgets:
    """The budget of each origin. Origins are those of the configuration, so they are few."""

    __slots__ = ("_budgets", "_gates")

    def __init__(self, gates: int = 1) -> None:
        """`gates`: so many of one Durward share what is granted to all together."""
        self._gates = gates
        self._budgets: dict[Origin, RetryBudget] = {}

    def of(self, origin: Origin) -> RetryBudget:
        """The budget of an origin, the same one for whoever asks."""
        return self._budgets.setdefault(origin, RetryBudget(self._gates))
