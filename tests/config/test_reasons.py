"""Every reason is documented, with what the code says of it."""

import pytest

from durward.calls.errors import REASONS
from durward.config.reasons import FAULTS, page


@pytest.mark.parametrize("reason", list(REASONS))
def test_every_reason_has_one_row_and_an_anchor(reason: str) -> None:
    (row,) = [line for line in page().splitlines() if line.startswith(f'| <a id="{reason}"></a>')]
    facts = REASONS[reason]
    assert row.split(" | ")[1:] == [str(facts.status), "yes" if facts.retry else "no", f"{facts.remedy} |"]


def test_every_kind_of_fault_has_a_table() -> None:
    assert {facts.fault for facts in REASONS.values()} == set(FAULTS)
    assert page().count("| reason | status |") == len(FAULTS)
