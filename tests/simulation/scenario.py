"""What a seed stands for: who asks what and how, what upstreams do, and what befalls the gate."""

from random import Random
from typing import NamedTuple

from durward.calls.origin import Timeouts
from tests.simulation.caller import Asked, Manner
from tests.simulation.disk import NOTHING, Trouble
from tests.simulation.traffic import KEY, KINDS, OWN_KINDS, RETIRED, Kind
from tests.simulation.truth import Call, Plan

FAULTS = (
    *("silent", "reset", "reset", "cut", "cut", "stall", "429", "429", "500", "503", "400"),
    *("malformed", "switch", "interim", "flood", "event", "event", "early"),
)
HANG_UPS = ("close", "reset", "half")
DISKS = ("full", "short", "broken", "torn")
BEFORE_SECONDS = 3.0
"""Callers begin within this time."""


class Event(NamedTuple):
    """Something that befalls the gate at a moment: `reload`, `crash`, `hand over`, `restart`; from `beside` on two serve."""

    at: float
    kind: str
    letter: str
    seconds: float = 0.0
    """How long the calls may take where it drains."""
    pause: float = 0.0
    """How long nobody serves afterwards."""
    mends: bool = True
    """Whether the next life gets as far as to look after this one."""


class Scenario(NamedTuple):
    """One world, before it begins."""

    letter: str
    timeouts: Timeouts
    scripts: list[list[Asked]]
    events: list[Event]
    troubles: list[Trouble]
    last_write: int
    """The write to the journal with which the first life dies."""
    refused: float
    """How many connections to upstreams are refused, or not answered."""
    hangs: float
    lasting: bool
    """Whether lines wait for the disk (`durability: disk`)."""


def draw(dice: Random) -> Scenario:
    """What these dice say."""
    faulty = dice.choice((0.0, 0.15, 0.5))
    restless = dice.choice((0.0, 0.15, 0.4))
    patient = dice.random() < 0.06
    timeouts = Timeouts(1.0, 4.0, 40.0 if patient else 3.0)
    scripts: list[list[Asked]] = []
    number = 0
    for _ in range(dice.randint(3, 6)):
        script: list[Asked] = []
        for place in range(dice.randint(1, 5)):
            script.append(_ask(dice, number, place, (faulty, restless, patient)))
            number += 1
        scripts.append(script)
    troubles = _troubles(dice)
    return Scenario(
        dice.choice("ab"),
        timeouts,
        scripts,
        _events(dice),
        troubles,
        dice.randint(2, 40) if dice.random() < 0.12 else NOTHING,
        dice.choice((0.0, 0.0, 0.1)),
        dice.choice((0.0, 0.0, 0.05)),
        dice.random() < 0.3,
    )


def _ask(dice: Random, number: int, place: int, odds: tuple[float, float, bool]) -> Asked:
    faulty, restless, patient = odds
    kind = dice.choice(OWN_KINDS) if dice.random() < 0.12 else dice.choice(KINDS)
    if place and dice.random() < 0.4:
        kind = KINDS[0]  # heads that repeat on one connection are read only once
    plans = [_plan(dice, kind, faulty, patient) for _ in range(2 if kind.model == "both" else 1)]
    key = RETIRED if dice.random() < 0.06 else KEY
    size = dice.choice((0, 10, 300, 20_000)) if dice.random() < 0.3 else 0
    return Asked(Call(number, kind, key, size, plans), _manner(dice, kind, place, restless))


def _plan(dice: Random, kind: Kind, faulty: float, patient: bool) -> Plan:
    fault = dice.choice(FAULTS) if dice.random() < faulty else ""
    if kind.chunked and dice.random() < faulty:
        fault = "early"
    pace = dice.choice((0.0, 0.001, 0.05, 0.3))
    if patient and kind.stream:
        pace = 30.0
    return Plan(
        fault,
        dice.choice((0.0, 1.0, dice.random(), dice.random())) if fault in ("reset", "cut", "stall", "event") else 0.0,
        dice.choice((0.0, 0.001, 0.02, 0.8)),
        pace,
        dice.choice((1, 3, 6, 12)),
        dice.choice(("", "", "", "later", "close", "garbage")),
        dice.random() < 0.5,
    )


def _manner(dice: Random, kind: Kind, place: int, restless: float) -> Manner:
    think = dice.choice((0.0, 0.001, 0.1, 0.5, dice.uniform(0.0, 4.0))) if place else dice.uniform(0.0, BEFORE_SECONDS)
    slow = dice.choice((0.01, 0.2)) if dice.random() < 0.1 else 0.0
    ahead = bool(place) and dice.random() < 0.15
    if dice.random() >= restless:
        halts = dice.uniform(0.0, 2.0) if dice.random() < 0.1 else 0.0
        return Manner(slow=slow, ahead=ahead, think=think, halts=halts)
    if dice.random() < 0.1:
        return Manner(stalls=True, request=dice.random(), ahead=ahead, think=think)
    return Manner(
        dice.choice(HANG_UPS),
        dice.random() if dice.random() < 0.3 else 1.0,
        dice.choice((0, 1, dice.randint(0, 900), dice.randint(0, 900))) if dice.random() < 0.6 else -1,
        dice.choice((0.0, 0.0005, dice.uniform(0.0, 0.1), dice.uniform(0.0, 2.0))),
        slow=slow,
        ahead=ahead,
        think=think,
    )


def _events(dice: Random) -> list[Event]:
    events = []
    for kind, odds in (
        ("reload", 0.5),
        ("reload", 0.3),
        ("crash", 0.2),
        ("hand over", 0.15),
        ("restart", 0.1),
        ("beside", 0.1),
    ):
        if dice.random() < odds:
            events.append(
                Event(
                    dice.uniform(0.05, BEFORE_SECONDS + 2),
                    kind,
                    dice.choice("ab"),
                    dice.choice((0.0, 0.3, 3.0, 30.0)),
                    dice.choice((0.0, 0.05, 0.7)),
                    dice.random() < 0.7,
                )
            )
    return sorted(events)


def _troubles(dice: Random) -> list[Trouble]:
    if dice.random() >= 0.12:
        return []
    begin = dice.uniform(0.0, BEFORE_SECONDS)
    return [Trouble(dice.choice(DISKS), begin, begin + dice.choice((0.01, 0.5, 3.0)))]
