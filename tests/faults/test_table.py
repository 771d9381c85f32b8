"""The table of faults names tests that exist, in every row."""

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "faults.md"


def test_every_row_names_its_tests() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ") and "fault |" not in line]
    named = {row.split("|")[1].strip(): re.findall(r"`([a-z/_]+\.py)`", row.rpartition(" | ")[2]) for row in rows}
    assert len(named) > 25
    assert [fault for fault, tests in named.items() if not tests] == []
    assert [test for tests in named.values() for test in tests if not (TESTS / test).is_file()] == []
    here = {f"faults/{path.name}" for path in (TESTS / "faults").glob("test_*.py")}
    apart = {f"faults/test_{name}.py" for name in ("canaries", "ledger", "table")}
    assert here - apart <= {test for tests in named.values() for test in tests}
