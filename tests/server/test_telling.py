"""How gates tell: at once, so much at a time, in a form that travels."""

import json
from collections.abc import Callable
from typing import Any

from durward.calls.origin import Origin
from durward.calls.ports import UpstreamKey
from durward.calls.retries import RetryBudgets
from durward.routing.health import EJECTED, WELL, Breakers
from durward.server.telling import PERIOD_SECONDS, WORDS, Telling

KEYS = [UpstreamKey(f"u{number}", Origin("https", "a.example", 443), b"\x00\xff" * 16) for number in range(250)]


class Side:
    """One gate, its clock and what it says."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.said: list[Any] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.health = Breakers(RetryBudgets(2), 2)
        for key in KEYS:
            self.health.of(key)
        self.telling = Telling(
            self.health, lambda: self.now, lambda what: self.said.append(json.loads(json.dumps(what)))
        )

    def begin(self) -> "Side":
        self.telling.begin(lambda seconds, work: self.timers.append((seconds, work)))
        assert self.said.pop() == {"asks": True}
        return self

    def turn(self) -> float:
        """What was to be done next is done; for how long that had to wait."""
        ((seconds, work),) = self.timers
        self.timers.clear()
        self.now += seconds
        work()
        return seconds

    def fail(self, keys: list[UpstreamKey], times: int = 5) -> None:
        for key in keys:
            for _ in range(times):
                self.health.of(key).note("m", "failed", self.now)

    def ranks(self) -> list[int]:
        return [self.health.of(key).rank("m", self.now) for key in KEYS]


def test_what_is_told_is_heard_at_the_other_end() -> None:
    one, other = Side().begin(), Side().begin()
    one.fail(KEYS[:2])
    assert one.turn() == 0.0
    (what,) = one.said
    other.telling.hear(what)
    assert other.ranks() == [EJECTED, EJECTED, *[WELL] * 248]
    assert (other.timers, other.said) == ([], []), "what is heard is not told"


def test_no_more_than_so_many_words_in_a_period_and_none_is_lost() -> None:
    one, other = Side().begin(), Side().begin()
    one.fail(KEYS)
    waited = [one.turn()]
    while one.timers:
        waited.append(one.turn())
    assert [len(what["words"]) for what in one.said] == [WORDS, WORDS, 50]
    assert waited == [0.0, PERIOD_SECONDS, PERIOD_SECONDS]
    for what in one.said:
        other.telling.hear(what)
    assert other.ranks() == [EJECTED] * 250


def test_who_asks_is_told_how_things_stand() -> None:
    one = Side().begin()
    one.fail(KEYS[:3])
    one.turn()
    one.said.clear()
    one.telling.hear({"asks": True})
    one.turn()
    fresh = Side()
    fresh.telling.hear(one.said.pop())
    assert fresh.ranks().count(EJECTED) == 3


def test_a_single_gate_tells_nothing() -> None:
    alone = Side()
    alone.fail(KEYS)
    assert (alone.said, alone.timers, alone.health.untold) == ([], [], 0)


def test_what_is_not_understood_is_passed_over(caplog: Any) -> None:
    one = Side().begin()
    strange: list[Any] = [None, [], {"words": [1]}, {"words": [["u0"]]}, {"words": 3}]
    for what in strange:
        one.telling.hear(what)
    one.telling.hear({"later": 1})
    assert one.ranks() == [WELL] * 250
    assert caplog.text.count("is not understood") == 5
