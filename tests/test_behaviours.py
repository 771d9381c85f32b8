"""The manifest of behaviours, enforced both ways."""

import ast
from itertools import product
from pathlib import Path

import pytest

from tests.behaviours import BEHAVIOURS as OF_STAGES
from tests.behaviours import MODES, NO_STREAM, NOT_THERE, PROTOCOLS, STAGES, Behaviour
from tests.behaviours_of_once import OF_ONCE
from tests.behaviours_of_targets import OF_TARGETS

BEHAVIOURS = (*OF_STAGES, *OF_TARGETS, *OF_ONCE)

TESTS = Path(__file__).parent
PLAYBOOKS = sorted((TESTS / "playbooks").glob("test_*.py"))


def functions(path: Path) -> set[str]:
    """The tests of a file, as the manifest names them."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    name = path.relative_to(TESTS).as_posix()
    return {f"{name}::{node.name}" for node in nodes if node.name.startswith("test_")}


EXISTING = set().union(*map(functions, [*PLAYBOOKS, TESTS / "test_gateway.py", TESTS / "test_attempts.py"]))
NAMED = {test for behaviour in BEHAVIOURS for test in behaviour.tests}


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.promise)
def test_a_behaviour_names_tests_that_exist(behaviour: Behaviour) -> None:
    assert behaviour.tests
    assert EXISTING.issuperset(behaviour.tests)
    assert behaviour.stage in STAGES
    assert set(behaviour.protocols) <= set(PROTOCOLS)
    assert set(behaviour.modes) <= set(MODES)


def test_every_playbook_is_named_by_a_behaviour() -> None:
    assert not EXISTING - NAMED


@pytest.mark.parametrize("stage", STAGES)
def test_no_cell_of_the_matrix_is_empty(stage: str) -> None:
    held = {
        cell
        for behaviour in BEHAVIOURS
        if behaviour.stage == stage
        for cell in product(behaviour.protocols, behaviour.modes)
    }
    empty = [
        (protocol, mode)
        for protocol, mode in product(PROTOCOLS, MODES)
        if (protocol, mode) not in held
        and (stage, protocol) not in NOT_THERE
        and not (mode == "streamed" and protocol in NO_STREAM)
    ]
    assert empty == []


def test_a_reason_stands_only_where_nothing_is_promised() -> None:
    promised = {(behaviour.stage, protocol) for behaviour in BEHAVIOURS for protocol in behaviour.protocols}
    assert [cell for cell in NOT_THERE if cell in promised] == []
    assert all(NOT_THERE.values())
    assert all(NO_STREAM.values())
