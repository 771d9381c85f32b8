"""What the gate does about memory and lag, step by step, and whose calls give way."""

import pytest

from durward.server.pressure import BATCH, INTERACTIVE, Pressure

MEMORY = 1000


def pressed(share: float = 0.0, lag: float = 0.0) -> Pressure:
    pressure = Pressure(MEMORY)
    for _ in range(20):
        pressure.measure(lag, int(share * MEMORY))
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
    pressure.measure(0.19, 0)
    assert not pressure.sheds
    pressure = pressed(lag=1.0)
    taken = 0
    while pressure.sheds:
        pressure.measure(0.0, 0)
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
