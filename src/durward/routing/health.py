"""How upstreams stand: a circuit breaker for each, with one credential, fed by the outcomes of its own calls.

    closed --5 failures running, or more than half of 20 and more in 10 s--> ejected for 30 s × n --time is up--> half-open: one probe
    half-open --the probe is answered--> closed         half-open --it fails--> ejected, n + 1

What an upstream says of its own load (429, `Retry-After`) is no failure: the model waits there as long as it was told.
"""

from collections.abc import Iterable
from typing import Any, Final

from durward.calls.ports import Outcome, UpstreamKey
from durward.calls.recent import Recent
from durward.calls.retries import RetryBudget, RetryBudgets

RUNNING: Final = 5
"""So many failures one after the other eject an upstream."""
FEWEST: Final = 20
"""So many calls within ten seconds are enough to judge it by the share that failed: more than half."""
EJECTED_SECONDS: Final = 30.0
"""The first ejection; the n-th lasts n times as long."""
LONGEST_SECONDS: Final = 300.0
"""No ejection and no wait lasts longer; and so long without an ejection, the next one is a first one again."""
PROBE_SECONDS: Final = 10.0
"""A probe that has no outcome by then is followed by another."""
RESORTS_A_SECOND: Final = 10
"""So many calls a second an ejected upstream gets where a model has no other, until one is answered."""
MODELS: Final = 256
"""Of so many models it is known that they wait."""
WELL, WAITING, EJECTED = range(3)


class Breaker:
    """A `Standing` in this process."""

    __slots__ = (
        *("_called", "_closed_at", "_failed", "_probing", "_resorts", "_running", "_tried", "_waits"),
        *("clear", "ejections", "name", "retries", "until"),
    )

    def __init__(self, name: str, retries: RetryBudget) -> None:
        self.name = name
        self.clear = True
        self.retries = retries
        self.until = 0.0
        """Until when it is ejected, or a probe has time; 0 while it is closed."""
        self.ejections = 0
        self._running = 0
        self._called = Recent()
        self._failed = Recent()
        self._resorts = Recent()
        self._closed_at = 0.0
        self._probing = False
        self._tried = False  # since it was ejected
        self._waits: dict[str, float] = {}

    def called(self, now: float) -> None:
        """It is sent a call."""
        self._called.add(now)

    def rank(self, model: str, now: float) -> int:
        """WELL, WAITING or EJECTED. One that is to be probed is as good as well: the probe is a call that falls over if it fails."""
        if now < self.until:
            return EJECTED
        return WAITING if now < self._waits.get(model, 0.0) else WELL

    def admit(self, now: float) -> bool:
        """Whether it may be sent a call now: always while it is closed, then one probe, then a few that have nowhere else to go."""
        if not self.until:
            return True
        if now >= self.until:
            self.until = now + PROBE_SECONDS
            self._probing = self._tried = True
            return True
        if self._resorts.this_second(now) >= RESORTS_A_SECOND:
            return False
        self._resorts.add(now)
        self._tried = True
        return True

    def note(self, model: str, outcome: Outcome, now: float, wait: float | None = None) -> None:
        """How a call ended there; `wait`: for how many seconds it asked to be left alone."""
        if wait is not None:
            self._wait(model, now + min(wait, LONGEST_SECONDS), now)
        if outcome == "answered":
            self._waits.pop(model, None)
            self._running = 0
        if outcome in ("answered", "busy"):
            self._close(now)
        else:
            self._fail(now, sure=outcome == "failed")
        if self._waits:
            self._waits = {name: until for name, until in self._waits.items() if now < until}
        self.clear = not (self._running or self.until or self._waits)

    def _close(self, now: float) -> None:
        """It is there, if it had enough to do. What was answered had to be sent since the ejection: calls from before say nothing new."""
        if self.until and self._tried:
            self.until = 0.0
            self._probing = False
            self._closed_at = now
            self._called.clear()
            self._failed.clear()

    def _fail(self, now: float, sure: bool) -> None:
        self._failed.add(now)
        if sure:
            self._running += 1
        if self.until:
            if self._probing:
                self._eject(now)
            return
        called = self._called.total(now)
        if self._running >= RUNNING or (called >= FEWEST and 2 * self._failed.total(now) > called):
            self._eject(now)

    def _eject(self, now: float) -> None:
        if not self.until and now - self._closed_at > LONGEST_SECONDS:
            self.ejections = 0
        self.ejections += 1
        self.until = now + min(EJECTED_SECONDS * self.ejections, LONGEST_SECONDS)
        self._running = 0
        self._probing = self._tried = False

    def _wait(self, model: str, until: float, now: float) -> None:
        if len(self._waits) >= MODELS:
            del self._waits[next(iter(self._waits))]
        self._waits[model] = max(until, self._waits.get(model, 0.0))

    def state(self, now: float) -> dict[str, Any]:
        """For people and metrics: plain data."""
        state = "closed" if not self.until else "half-open" if self._probing or now >= self.until else "open"
        return {
            "upstream": self.name,
            "state": state,
            "seconds": round(max(0.0, self.until - now), 1) if self.until else 0.0,
            "ejections": self.ejections,
            "calls": self._called.total(now),
            "failures": self._failed.total(now),
            "waits": {model: round(until - now, 1) for model, until in self._waits.items() if now < until},
            "retries": self.retries.state(now),
        }


class Breakers:
    """`Health` in this process. It outlives configurations, so that a reload forgives nobody."""

    __slots__ = ("_breakers", "_budgets")

    def __init__(self, budgets: RetryBudgets) -> None:
        self._budgets = budgets
        self._breakers: dict[UpstreamKey, Breaker] = {}

    def of(self, key: UpstreamKey) -> Breaker:
        """How this upstream stands; what is known of it is kept until `keep` leaves it out."""
        found = self._breakers.get(key)
        if found is None:
            found = self._breakers.setdefault(key, Breaker(key.name, self._budgets.of(key.origin)))
        return found

    def keep(self, keys: Iterable[UpstreamKey]) -> None:
        """Forget all others."""
        kept = frozenset(keys)
        for key in [key for key in self._breakers if key not in kept]:
            del self._breakers[key]

    def states(self, now: float) -> list[dict[str, Any]]:
        """Of every upstream, see `Breaker.state`."""
        return [breaker.state(now) for breaker in self._breakers.values()]
