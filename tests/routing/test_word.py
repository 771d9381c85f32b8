"""What gates tell each other of an upstream: they agree on how it stands, whatever crosses on the way, and what is heard is not told."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.origin import Origin
from durward.calls.ports import Outcome, UpstreamKey
from durward.calls.retries import RetryBudgets
from durward.routing.health import (
    EJECTED,
    EJECTED_SECONDS,
    LONGEST_SECONDS,
    PROBE_SECONDS,
    RESORTS_A_SECOND,
    WAITING,
    WELL,
    Breaker,
    Breakers,
)
from durward.routing.word import Word

START = 1000.0
KEY = UpstreamKey("openai", Origin("https", "a.example", 443), b"digest")
MOST = 100


class Gates:
    """So many gates, each with a clock of its own, and the words on their way, in order from each to each."""

    def __init__(self, count: int = 2, lag: bool = False) -> None:
        self.skews = [1e5 * number for number in range(count)]
        self.healths = [Breakers(RetryBudgets(count), count) for _ in range(count)]
        self.ways: dict[tuple[int, int], list[list[Word]]] = {
            (a, b): [] for a in range(count) for b in range(count) if a != b
        }
        self.now = START
        self.lag = lag
        for health in self.healths:
            health.of(KEY)
            health.tell(lambda: None)

    def one(self, number: int) -> Breaker:
        return self.healths[number].of(KEY)

    def time(self, number: int) -> float:
        return self.now + self.skews[number]

    def send(self) -> int:
        told = 0
        for number, health in enumerate(self.healths):
            if words := health.words(self.time(number), MOST):
                told += 1
                for (teller, _), way in self.ways.items():
                    if teller == number:
                        way.append(words)
        return told

    def deliver(self, way: tuple[int, int]) -> None:
        if self.ways[way]:
            self.healths[way[1]].hear(self.ways[way].pop(0), self.time(way[1]))

    def settle(self) -> None:
        """Everything told is heard."""
        while self.send() or any(self.ways.values()):
            for way in self.ways:
                self.deliver(way)

    def note(self, number: int, outcome: Outcome, wait: float | None = None, model: str = "m") -> None:
        self.one(number).called(self.time(number))
        self.one(number).note(model, outcome, self.time(number), wait)
        if not self.lag:
            self.settle()

    def admit(self, number: int) -> bool:
        admitted = self.one(number).admit(self.time(number))
        if not self.lag:
            self.settle()
        return admitted

    def ranks(self, model: str = "m") -> list[int]:
        return [self.one(number).rank(model, self.time(number)) for number in range(len(self.healths))]

    def states(self) -> list[tuple[str, float, int]]:
        states = [self.one(number).state(self.time(number)) for number in range(len(self.healths))]
        return [(each["state"], each["seconds"], each["ejections"]) for each in states]


def test_five_failures_in_all_eject_everywhere() -> None:
    gates = Gates()
    for number in (0, 1, 0, 1):
        gates.note(number, "failed")
        assert gates.ranks() == [WELL, WELL]
    gates.note(0, "failed")
    assert gates.states() == [("open", EJECTED_SECONDS, 1)] * 2


def test_an_answer_anywhere_ends_the_run() -> None:
    gates = Gates()
    for _ in range(4):
        gates.note(0, "failed")
    gates.note(1, "answered")
    for _ in range(4):
        gates.note(0, "failed")
    assert gates.ranks() == [WELL, WELL]
    gates.note(1, "failed")
    assert gates.ranks() == [EJECTED, EJECTED]


def test_failures_that_cross_on_the_way_all_count() -> None:
    gates = Gates(3, lag=True)
    for number, failures in enumerate((2, 2, 1)):
        for _ in range(failures):
            gates.note(number, "failed")
    assert gates.ranks() == [WELL] * 3
    gates.settle()
    assert gates.states() == [("open", EJECTED_SECONDS, 1)] * 3


def test_one_probe_for_all_and_its_outcome_holds_for_all() -> None:
    gates = Gates(3)
    for _ in range(5):
        gates.note(0, "failed")
    gates.now += EJECTED_SECONDS + 0.001
    assert gates.ranks() == [WELL] * 3
    assert gates.admit(1)
    assert gates.ranks() == [EJECTED] * 3, "one probe at a time"
    assert [state for state, _, _ in gates.states()] == ["half-open"] * 3
    gates.note(1, "failed")
    assert gates.states() == [("open", 2 * EJECTED_SECONDS, 2)] * 3
    gates.now += 2 * EJECTED_SECONDS + 0.001
    assert gates.admit(2)
    gates.note(2, "answered")
    assert [state for state, _, _ in gates.states()] == ["closed"] * 3
    assert all(gates.one(number).clear for number in range(3))


def test_what_fails_here_is_not_the_outcome_of_a_probe_elsewhere() -> None:
    gates = Gates()
    for _ in range(5):
        gates.note(0, "failed")
    gates.now += EJECTED_SECONDS + 0.001
    assert gates.admit(0)
    gates.note(1, "failed")
    assert [ejections for _, _, ejections in gates.states()] == [1, 1]
    gates.now += PROBE_SECONDS + 0.001
    assert gates.admit(1), "a probe without an outcome is followed by another, wherever"


def test_probes_of_the_same_instant_agree_afterwards() -> None:
    gates = Gates(lag=True)
    for _ in range(5):
        gates.note(0, "failed")
    gates.settle()
    gates.now += EJECTED_SECONDS + 0.001
    assert [gates.admit(number) for number in range(2)] == [True, True]
    gates.note(0, "answered")
    gates.note(1, "failed")
    gates.settle()
    assert gates.states() == [("open", 2 * EJECTED_SECONDS, 2)] * 2


def test_a_word_from_before_it_closed_does_not_eject_again() -> None:
    gates = Gates(lag=True)
    for number in (0, 1):
        for _ in range(5):
            gates.note(number, "failed")
    gates.send()
    gates.deliver((0, 1))
    assert gates.admit(1)
    gates.note(1, "answered")
    # Here it is back; the other hears so; and only then would a late copy of the first ejection arrive.
    late = [Word(KEY, False, 0, "ejected", EJECTED_SECONDS, 1, {})]
    gates.settle()
    gates.healths[1].hear(late, gates.time(1))
    assert [state for state, _, _ in gates.states()] == ["closed"] * 2


def test_a_word_of_an_earlier_ejection_says_nothing_of_a_later_one() -> None:
    gates = Gates()
    for _ in range(5):
        gates.note(0, "failed")
    gates.now += EJECTED_SECONDS + 0.001
    gates.admit(0)
    gates.note(0, "failed")
    for stands in ("probed", "closed"):
        gates.one(1).hear(Word(KEY, False, 0, stands, 200.0, 1, {}), gates.time(1))
    assert gates.states() == [("open", 2 * EJECTED_SECONDS, 2)] * 2


def test_an_ejection_that_is_counted_afresh_is_no_old_word() -> None:
    gates = Gates()
    for _ in range(5):
        gates.note(0, "failed")
    gates.now += EJECTED_SECONDS + 0.001
    gates.admit(0)
    gates.note(0, "answered")
    gates.now += LONGEST_SECONDS + 1
    for _ in range(5):
        gates.note(0, "failed")
    assert gates.states() == [("open", EJECTED_SECONDS, 1)] * 2


def test_who_is_told_to_wait_tells_and_so_does_who_need_not_any_more() -> None:
    gates = Gates()
    gates.note(0, "busy", 7.0)
    assert (gates.ranks(), gates.ranks("other")) == ([WAITING] * 2, [WELL] * 2)
    gates.note(1, "answered")
    assert gates.ranks() == [WELL] * 2
    assert all(gates.one(number).clear for number in range(2))
    gates.one(1).hear(Word(KEY, False, 0, "", 0.0, 0, {"m": 1e9}), START)
    assert gates.one(1).rank("m", START + LONGEST_SECONDS) == WELL, "no wait is longer than its bound"


def test_what_is_heard_is_not_told_and_what_is_well_is_nothing_new() -> None:
    gates = Gates()
    for number in range(100):
        gates.note(number % 2, "answered")
    gates.lag = True
    assert gates.send() == 0
    for stands in ("ejected", "probed", "closed"):
        gates.one(1).hear(Word(KEY, True, 2, stands, 5.0, 1, {"m": 5.0}), gates.time(1))
        assert gates.send() == 0
    assert not gates.one(1).clear


def test_half_failures_are_each_gates_own() -> None:
    gates = Gates(lag=True)
    for _ in range(10):
        gates.note(0, "doubtful")
    assert gates.send() == 0


def test_news_of_one_upstream_become_one_word_and_of_many_no_more_than_were_asked_for() -> None:
    health = Breakers(RetryBudgets())
    called: list[None] = []
    keys = [KEY._replace(name=f"u{number}") for number in range(5)]
    health.tell(lambda: called.append(None))
    for _ in range(3):
        for key in keys:
            health.of(key).note("m", "failed", START)
    assert called == [None]
    first, rest = health.words(START, 3), health.words(START, 3)
    assert [word.upstream.name for word in (*first, *rest)] == ["u0", "u1", "u2", "u3", "u4"]
    assert {word.failed for word in (*first, *rest)} == {3}
    assert health.untold == 0
    assert health.words(START, 3) == []


def test_who_begins_is_told_how_things_stand() -> None:
    gates = Gates()
    gates.note(0, "busy", 60.0, "other")
    for _ in range(5):
        gates.note(0, "failed")
    fresh = Breakers(RetryBudgets(2), 2)
    fresh.of(KEY)
    gates.healths[1] = fresh
    gates.now += 10
    assert gates.ranks() == [EJECTED, WELL]
    gates.healths[0].retell(gates.time(0))
    gates.settle()
    assert gates.ranks() == [EJECTED] * 2
    assert gates.states()[1] == ("open", EJECTED_SECONDS - 10, 1)
    assert fresh.of(KEY).state(gates.time(1))["waits"] == {"other": 50.0}


def test_upstreams_that_are_not_or_no_longer_known_are_passed_over() -> None:
    gates = Gates(lag=True)
    for _ in range(5):
        gates.note(0, "failed")
    gates.healths[1].keep([])
    gates.settle()
    assert gates.healths[1].states(START) == []
    # A call of an earlier configuration ends when its upstream is forgotten.
    gone = gates.one(0)
    gone.note("m", "busy", START, 5.0)
    gates.healths[0].keep([])
    gone.note("m", "busy", START, 5.0)
    assert gates.send() == 0


@pytest.mark.parametrize("gates,resorts", [(1, RESORTS_A_SECOND), (2, 5), (3, 3), (64, 1)])
def test_what_goes_to_an_ejected_one_all_the_same_is_shared_out(gates: int, resorts: int) -> None:
    one = Breakers(RetryBudgets(gates), gates).of(KEY)
    for _ in range(5):
        one.note("m", "failed", START)
    assert [one.admit(START) for _ in range(20)].count(True) == resorts


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([0.0, 0.0, 0.001, 1.0, 11.0, 31.0]),
        st.sampled_from(["answered", "busy", "doubtful", "failed", "failed", "failed", "lost"]),
        st.lists(st.sampled_from([(a, b) for a in range(3) for b in range(3) if a != b]), max_size=4),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_crosses_they_agree_once_all_is_heard(
    steps: list[tuple[int, float, str, list[tuple[int, int]]]],
) -> None:
    gates = Gates(3, lag=True)
    for number, pause, outcome, delivered in steps:
        if pause:
            gates.settle()  # Words take far less than the least pause.
            gates.now += pause
        if (gates.one(number).clear or gates.admit(number)) and outcome != "lost":
            gates.note(number, outcome, 5.0 if outcome == "busy" else None)  # type: ignore[arg-type]
        gates.send()
        for way in delivered:
            gates.deliver(way)
    gates.settle()
    for one, other in pairwise(range(3)):
        state, seconds, ejections = gates.states()[one]
        assert (state, ejections) == (gates.states()[other][0], gates.states()[other][2])
        assert abs(seconds - gates.states()[other][1]) < 0.2
    assert gates.send() == 0
