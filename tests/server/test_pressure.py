"""What the gate does about memory and lag, step by step, and whose calls give way."""

import pytest

from durward.server.pressure import BATCH, INTERACTIVE, Pressure

MEMORY = 1000


def pressed(share: float = 0.0, lag: float = 0.0) -> Pressure:
    pressure = Pressure(MEMORY)
    for _ in range(20):
        pressure.measure(lag, int(share * MEMORY), 10)
    return pressure


@pytest.mark.parametrize(
    "share,saves,parts,batch,interactive",
    [
        (0.84, False, False, 0.0, 0.0),
        (0.85, True, False, 0.0, 0.0),
        (0.92, True, True, 0.0, 0.0),
        (0.95, True, True, 1.0, 0.5),
        (0.98, True, True, 1.0, 1.0),
        (1.5, True, True, 1.0, 1.0),
    ],
)
def test_steps_of_memory(share: float, saves: bool, parts: bool, batch: float, interactive: float) -> None:
    pressure = pressed(share)
    assert (pressure.saves, pressure.parts, pressure.sheds) == (saves, parts, batch > 0)
    for priority, refused in ((BATCH, batch), (INTERACTIVE, interactive)):
        assert sum(pressure.turns_away(priority) for _ in range(100)) == 100 * refused


@pytest.mark.parametrize("lag,batch,interactive", [(0.09, 0.0, 0.0), (0.11, 1.0, 0.0), (0.26, 1.0, 0.25)])
def test_steps_of_lag(lag: float, batch: float, interactive: float) -> None:
    pressure = pressed(lag=lag)
    assert not pressure.saves
    for priority, refused in ((BATCH, batch), (INTERACTIVE, interactive)):
        assert sum(pressure.turns_away(priority) for _ in range(100)) == 100 * refused


def test_a_single_late_turn_is_none_and_a_second_of_calm_ends_it() -> None:
    pressure = pressed()
    pressure.measure(0.19, 0, 10)
    assert not pressure.sheds
    pressure = pressed(lag=1.0)
    taken = 0
    while pressure.sheds:
        pressure.measure(0.0, 0, 10)
        taken += 1
    assert taken <= 4
    assert pressure.state()["steps"] == []


def test_why_it_is_and_what_it_tells() -> None:
    assert "memory" in pressed(0.95).why
    assert "memory" not in pressed(lag=1.0).why
    state = pressed(0.95, 0.5).state()
    assert (state["lag_ms"], state["memory_share"], state["memory"]) == (500.0, 0.95, MEMORY)
    assert state["steps"] == ["saves", "parts", "sheds"]
    assert state["refused_share"] == {"batch": 1.0, "interactive": 0.5}


def test_what_a_storm_left_behind_is_no_reason_to_save_unless_it_grows() -> None:
    pressure = pressed(0.5)
    pressure.measure(0.0, 960, 2000)
    assert (pressure.parts, pressure.sheds) == (True, True)
    pressure.measure(0.0, 950, 1200)
    assert pressure.sheds, "the load is still much of what it was"
    pressure.measure(0.0, 950, 900)
    assert (pressure.tight, pressure.saves, pressure.parts, pressure.sheds) == (True, False, False, False)
    pressure.measure(0.0, 979, 900)
    assert [pressure.sheds] == [False]
    pressure.measure(0.0, 981, 900)
    assert pressure.sheds, "half the load takes more than all did"
    pressure.measure(0.0, 500, 900)
    pressure.measure(0.0, 930, 900)
    assert pressure.parts, "another storm is another one"


def test_where_hardly_anything_is_left_care_is_taken_all_the_same() -> None:
    pressure = pressed(0.5)
    pressure.measure(0.0, 990, 2000)
    assert pressure.turns_away(INTERACTIVE)
    pressure.measure(0.0, 990, 10)
    assert sum(pressure.turns_away(INTERACTIVE) for _ in range(100)) == 50
    assert sum(pressure.turns_away(BATCH) for _ in range(100)) == 100


def test_few_callers_leave_nothing_behind() -> None:
    pressure = pressed(0.5)
    pressure.measure(0.0, 990, 40)
    pressure.measure(0.0, 990, 1)
    assert [pressure.turns_away(INTERACTIVE) for _ in range(3)] == [True] * 3
