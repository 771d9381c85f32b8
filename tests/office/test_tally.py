"""What the tally holds is the sum of what it was told, in a bounded number of cells."""

from dataclasses import dataclass
from typing import Any

import pytest

from durward.calls.tokens import Attempt, Tokens
from durward.office.tally import CELLS, CELLS_AN_AGENT, OTHER, Spread, Tally, group
from durward.records.halves import Beginning, Ending, Unknown
from durward.records.merging import Pair


@dataclass
class Made:
    """Makes calls."""

    agent: str = "support"

    def call(self, number: int = 0, **members: object) -> Pair:
        resource = f"model/m{number}"
        began = Beginning("id", self.agent, "openai_chat", "generate", f"m{number}", resource=resource)
        usual: dict[str, object] = {"outcome": "ok", "provider": "openai", "duration_ms": 20.0}
        return began, Ending("id", "2026-11-27T00:00:00.000Z", **{**usual, **members})  # type: ignore[arg-type]


def test_calls_add_up() -> None:
    tally = Tally()
    attempts = [Attempt("local", "", 0, "upstream_unreachable"), Attempt("openai", "", 200)]
    used: dict[str, Any] = {
        "cost_nano": 7,
        "tokens": Tokens(10, 2, 1, 5, 3),
        "gate_ms": 0.5,
        "first_byte_ms": 12.0,
        "attempts": attempts,
    }
    tally.take([Made().call(**used), Made().call(**used), Made().call(outcome="refused", reason="denied", provider="")])
    answered, refused = tally.cells.values()
    assert (answered.calls, answered.cost_nano, answered.tokens) == (2, 14, [20, 4, 2, 10, 6])
    assert (answered.gate.total, answered.upstream.total, answered.input.total) == (0.001, 0.039, 26.0)
    assert (refused.calls, sum(refused.gate.counts), sum(refused.input.counts)) == (1, 0, 0)
    assert tally.attempts == {("local", "upstream_unreachable"): 2, ("openai", "2xx"): 2}


def test_what_a_dead_gate_had_set_aside_is_no_cost() -> None:
    tally = Tally()
    began, _ = Made().call()
    tally.take([(began, Unknown("id", outcome="unknown", cost_nano=9))])
    (cell,) = tally.cells.values()
    assert (cell.cost_nano, cell.unknown_nano) == (0, 9)


def test_an_agent_that_makes_up_names_fills_its_own_share_only() -> None:
    tally = Tally()
    tally.take([Made("noisy").call(number) for number in range(CELLS_AN_AGENT + 50)])
    tally.take([Made().call()])
    assert (tally.folded, len(tally.cells)) == (50, CELLS_AN_AGENT + 2)
    (other,) = [cell for at, cell in tally.cells.items() if at.agent == OTHER]
    assert other.calls == 50


def test_there_is_an_end_to_cells() -> None:
    tally = Tally()
    tally.take([Made(f"a{number}").call() for number in range(CELLS + 50)])
    assert (tally.folded, len(tally.cells)) == (50, CELLS + 1)


def test_calls_of_another_life_are_not_counted() -> None:
    tally = Tally(since="2026-11-27T00:00:00.000Z")
    tally.take([Made().call(), (Made().call()[0], Ending("id", "2026-11-26T23:59:59.999Z"))])
    assert sum(cell.calls for cell in tally.cells.values()) == 1


@pytest.mark.parametrize(
    "resource,grouped",
    [
        ("model/gpt-4o", "model/gpt-4o"),
        ("model/local/qwen/3", "model/local/qwen/3"),
        ("api/crm/GET/customers/7", "api/crm"),
        ("provider/openai/POST/v1/files", "provider/openai"),
        ("models/gpt-4o", "models"),
        ("", ""),
    ],
)
def test_resources_are_told_without_what_callers_make_up(resource: str, grouped: str) -> None:
    assert group(resource) == grouped


def test_a_value_at_a_bound_lies_below_it() -> None:
    spread = Spread((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        spread.note(value)
    assert (spread.counts, spread.total) == ([2, 1, 1], 12.0)
