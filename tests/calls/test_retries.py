"""Further attempts at an upstream: a fifth of its calls and ten a second, whatever is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.origin import Origin
from durward.calls.retries import RetryBudget, RetryBudgets


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 200), st.integers(0, 200)), max_size=20))
def test_no_ten_seconds_hold_more_than_the_share_and_ten_a_second(steps: list[tuple[float, int, int]]) -> None:
    budget, now = RetryBudget(), 1000.0
    calls: list[int] = []
    retries: list[int] = []
    for pause, called, tried in steps:
        now += pause
        for _ in range(called):
            budget.called(now)
            calls.append(int(now))
        granted = [budget.take(now) for _ in range(tried)]
        retries += [int(now)] * sum(granted)
        recent = [sum(second > int(now) - 10 for second in each) for each in (calls, retries)]
        # What was granted to calls that are forgotten by now is not taken back.
        assert not any(granted) or recent[1] <= recent[0] // 5 + 100
        assert all(granted) or recent[1] >= recent[0] // 5 + 100, "what the budget has is given"


def test_what_was_refused_is_counted() -> None:
    budget = RetryBudget()
    assert sum(budget.take(5.0) for _ in range(150)) == 100
    assert budget.state(5.0) == {"calls": 0, "retries": 100, "refused": 50}
    assert budget.take(15.0)


@pytest.mark.parametrize("gates,besides", [(1, 100), (2, 50), (3, 30), (64, 10)])
def test_gates_share_what_is_granted_besides(gates: int, besides: int) -> None:
    budget = RetryBudgets(gates).of(Origin("https", "a.example", 443))
    for _ in range(50):
        budget.called(5.0)
    assert sum(budget.take(5.0) for _ in range(200)) == besides + 10, "a fifth of its own calls is each gate's own"


def test_an_origin_has_one_budget() -> None:
    budgets = RetryBudgets()
    here, there = Origin("https", "a.example", 443), Origin("https", "b.example", 443)
    assert budgets.of(here) is budgets.of(Origin("https", "a.example", 443))
    assert budgets.of(here) is not budgets.of(there)
