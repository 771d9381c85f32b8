"""How upstreams stand: a circuit breaker for each, with one credential, fed by the outcomes of its own calls.

    closed --5 failures running, or more than half of 20 and more in 10 s--> ejected for 30 s × n --time is up--> half-open: one probe
    half-open --the probe is answered--> closed         half-open --it fails--> ejected, n + 1

What an upstream says of its own load (429, `Retry-After`) is no failure: the model waits there as long as it was told.

Several gates of one Durward tell each other (`word.py`). Each keeps the whole state and decides by itself; what it decides, it tells, and
what it has only heard, it does not. Of two gates that know different things, the later ejection is right, and of the same one its end.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from durward.calls.ports import Outcome, UpstreamKey
from durward.calls.recent import Recent
from durward.calls.retries import RetryBudget, RetryBudgets
from durward.routing.word import Stands, Untold, Word

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
"""So many calls a second an ejected upstream gets where a model has no other, until one is answered; all gates together."""
STALE_SECONDS: Final = LONGEST_SECONDS / 2
"""So long after it was closed, a lower number of an ejection than ours is one that was counted afresh, not an old word."""
MODELS: Final = 256
"""Of so many models it is known that they wait."""
WELL, WAITING, EJECTED = range(3)


class Breaker:
    """A `Standing` in this process."""

    __slots__ = (
        *("_awaiting", "_called", "_closed_at", "_failed", "_most_resorts", "_probing", "_resorts", "_running"),
        *("_tried", "_waits", "clear", "ejections", "name", "retries", "until", "untold"),
    )

    def __init__(self, name: str, retries: RetryBudget, gates: int = 1) -> None:
        """`gates`: so many have a breaker for it."""
        self.name = name
        self.untold: Untold | None = None
        """None where nobody is told."""
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
        self._awaiting = False  # the outcome of another gate's probe
        self._tried = False  # since it was ejected
        self._most_resorts = max(1, RESORTS_A_SECOND // gates)
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
            self._tell_standing()
            return True
        if self._resorts.this_second(now) >= self._most_resorts:
            return False
        self._resorts.add(now)
        self._tried = True
        return True

    def note(self, model: str, outcome: Outcome, now: float, wait: float | None = None) -> None:
        """How a call ended there; `wait`: for how many seconds it asked to be left alone."""
        if wait is not None:
            self._wait(model, now + min(wait, LONGEST_SECONDS))
            self._tell_wait(model)
        if outcome == "answered":
            self._answered(model)
        if outcome in ("answered", "busy"):
            self._close(now)
        else:
            self._fail(now, sure=outcome == "failed")
        self._see(now)

    def _see(self, now: float) -> None:
        if self._waits:
            self._waits = {name: until for name, until in self._waits.items() if now < until}
        self.clear = not (self._running or self.until or self._waits)

    def _answered(self, model: str) -> None:
        if self._waits.pop(model, None) is not None:
            self._tell_wait(model)
        if self._running:
            self._running = 0
            if self.untold is not None:
                self.untold.an_answer()

    def _close(self, now: float) -> None:
        """It is there, if it had enough to do. What was answered had to be sent since the ejection: calls from before say nothing new."""
        if self.until and self._tried:
            self._be_closed(now)
            self._tell_standing()

    def _be_closed(self, now: float) -> None:
        self.until = 0.0
        self._probing = self._awaiting = False
        self._closed_at = now
        self._called.clear()
        self._failed.clear()

    def _fail(self, now: float, sure: bool) -> None:
        self._failed.add(now)
        if self.until:
            if self._probing:
                self._eject(now)
            return
        if sure:
            self._running += 1
            if self.untold is not None:
                self.untold.a_failure()
        called = self._called.total(now)
        if self._running >= RUNNING or (called >= FEWEST and 2 * self._failed.total(now) > called):
            self._eject(now)

    def _eject(self, now: float) -> None:
        if not self.until and now - self._closed_at > LONGEST_SECONDS:
            self.ejections = 0
        self._be_ejected(self.ejections + 1, now + min(EJECTED_SECONDS * (self.ejections + 1), LONGEST_SECONDS))
        self._tell_standing()

    def _be_ejected(self, ejections: int, until: float) -> None:
        self.ejections = ejections
        self.until = until
        self._running = 0
        self._probing = self._awaiting = self._tried = False

    def _wait(self, model: str, until: float) -> None:
        if len(self._waits) >= MODELS:
            del self._waits[next(iter(self._waits))]
        self._waits[model] = max(until, self._waits.get(model, 0.0))

    def _tell_standing(self) -> None:
        if self.untold is not None:
            self.untold.a_standing()

    def _tell_wait(self, model: str) -> None:
        if self.untold is not None:
            self.untold.a_wait(model)

    def word(self, untold: Untold, now: float) -> Word:
        """What is new; it counts as told then."""
        word = Word(
            untold.key,
            untold.answered,
            untold.failed,
            self._stands() if untold.stands else "",
            max(0.0, self.until - now),
            self.ejections,
            {model: max(0.0, self._waits.get(model, 0.0) - now) for model in untold.waits},
        )
        untold.clear()
        return word

    def _stands(self) -> Stands:
        if not self.until:
            return "closed"
        return "probed" if self._probing or self._awaiting else "ejected"

    def retell(self, now: float) -> None:
        """Have all told that another gate would know by now; single failures it learns anew."""
        if self.until or (self.ejections and now - self._closed_at < STALE_SECONDS):
            self._tell_standing()
        for model in self._waits:
            self._tell_wait(model)

    def hear(self, word: Word, now: float) -> None:
        """What another gate has found out. It is not told again; only an ejection is that comes of both gates' failures together."""
        if word.stands == "closed":
            self._hear_closed(word, now)
        elif word.stands:
            self._hear_open(word, now)
        if word.stands in ("", "closed"):
            self._hear_run(word, now)
        for model, seconds in word.waits.items():
            if seconds > 0:
                self._wait(model, now + min(seconds, LONGEST_SECONDS))
            else:
                self._waits.pop(model, None)
        self._see(now)

    def _hear_run(self, word: Word, now: float) -> None:
        if word.answered:
            self._running = 0
        if not self.until:
            self._running += word.failed
            if self._running >= RUNNING:
                self._eject(now)

    def _hear_closed(self, word: Word, now: float) -> None:
        if word.ejections >= self.ejections:
            self.ejections = word.ejections
            self._be_closed(now)

    def _hear_open(self, word: Word, now: float) -> None:
        until = now + min(word.seconds, LONGEST_SECONDS)
        afresh = not self.until and now - self._closed_at > STALE_SECONDS
        if afresh or word.ejections > self.ejections:
            self._be_ejected(word.ejections, until)
        elif not self.until or word.ejections < self.ejections:
            return  # Two words have crossed, and ours is the later one.
        else:
            self.until = max(self.until, until)
        self._awaiting = self._awaiting or word.stands == "probed"

    def state(self, now: float) -> dict[str, Any]:
        """For people and metrics: plain data."""
        probed = self._probing or self._awaiting or now >= self.until
        state = "closed" if not self.until else "half-open" if probed else "open"
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

    __slots__ = ("_breakers", "_budgets", "_gates", "_on_news", "_untold")

    def __init__(self, budgets: RetryBudgets, gates: int = 1) -> None:
        """`gates`: so many of one Durward share what is granted to all together."""
        self._budgets = budgets
        self._gates = gates
        self._breakers: dict[UpstreamKey, Breaker] = {}
        self._untold: dict[UpstreamKey, Breaker] = {}
        self._on_news: Callable[[], None] | None = None

    def of(self, key: UpstreamKey) -> Breaker:
        """How this upstream stands; what is known of it is kept until `keep` leaves it out."""
        found = self._breakers.get(key)
        if found is None:
            made = Breaker(key.name, self._budgets.of(key.origin), self._gates)
            found = self._breakers.setdefault(key, made)
            if self._on_news is not None:
                found.untold = Untold(key, self._learnt)
        return found

    def keep(self, keys: Iterable[UpstreamKey]) -> None:
        """Forget all others."""
        kept = frozenset(keys)
        for key in [key for key in self._breakers if key not in kept]:
            del self._breakers[key]
            self._untold.pop(key, None)

    def tell(self, on_news: Callable[[], None]) -> None:
        """From now on others are told what is learnt; `on_news` is called when there is something for `words`."""
        self._on_news = on_news
        for key, breaker in self._breakers.items():
            breaker.untold = Untold(key, self._learnt)

    def _learnt(self, key: UpstreamKey) -> None:
        breaker = self._breakers.get(key)
        if breaker is None:
            return  # A call that began under an earlier configuration.
        first = not self._untold
        self._untold[key] = breaker
        if first and self._on_news is not None:
            self._on_news()

    def words(self, now: float, most: int) -> list[Word]:
        """What is to be told, one word an upstream, those first that have waited longest."""
        words = []
        for key in list(self._untold)[:most]:
            breaker = self._untold.pop(key)
            if breaker.untold is not None:
                words.append(breaker.word(breaker.untold, now))
        return words

    @property
    def untold(self) -> int:
        """Of so many upstreams there is something to be told."""
        return len(self._untold)

    def hear(self, words: Iterable[Word], now: float) -> None:
        """What another gate tells. Unknown upstreams are passed over: a configuration is not in force everywhere at once."""
        for word in words:
            breaker = self._breakers.get(word.upstream)
            if breaker is not None:
                breaker.hear(word, now)

    def retell(self, now: float) -> None:
        """Another gate has begun and knows nothing: see `Breaker.retell`."""
        for breaker in self._breakers.values():
            breaker.retell(now)

    def states(self, now: float) -> list[dict[str, Any]]:
        """Of every upstream, see `Breaker.state`."""
        return [breaker.state(now) for breaker in self._breakers.values()]
