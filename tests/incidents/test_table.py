"""The table of docs/incidents.md is held against this folder: each requirement is tested here, or says what will bring it."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
TABLE = (HERE.parent.parent / "docs" / "incidents.md").read_text("utf-8")
ROWS = {int(row[0]): row[1:] for row in re.findall(r"^\| R(\d+) \| (.*?) \| (.*?) \| (.*?) \|$", TABLE, re.MULTILINE)}
TESTS = {path.name: path for path in HERE.glob("test_r*.py")}


def test_every_requirement_is_in_the_table() -> None:
    assert list(ROWS) == list(range(1, 29))


def test_each_is_tested_or_says_what_will_bring_it() -> None:
    linked = {number: re.search(r"\(\.\./tests/incidents/(\w+\.py)\)", row[2]) for number, row in ROWS.items()}
    assert {
        number for number, found in linked.items() if not found and not ROWS[number][2].startswith("comes with ")
    } == set()
    assert {found[1] for found in linked.values() if found} == set(TESTS)
    for number, found in linked.items():
        if found:
            said = ast.get_docstring(ast.parse(TESTS[found[1]].read_text("utf-8"))) or ""
            assert f"_r{number:02}_" in found[1] or f"R{number}" in said, f"{found[1]} does not speak of R{number}"


def test_each_file_says_what_happened_and_what_holds_here() -> None:
    for path in TESTS.values():
        tree = ast.parse(path.read_text("utf-8"))
        said = ast.get_docstring(tree) or ""
        assert "\n\nHere: " in said, path.name
        assert any(
            isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_")
            for each in tree.body
        )
