"""A child is kept alive until it is told to end. Real processes; every wait is for a condition."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import durward
from durward.calls.errors import GateError
from durward.server import children
from durward.server.children import (
    ALLOCATOR,
    LONGEST_SECONDS,
    STABLE_SECONDS,
    Backoff,
    Child,
    Program,
    bare_environment,
    gate_environment,
)

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(durward.__file__).parent.parent
STAND_IN = "tests.server.stand_in"


@pytest.fixture(autouse=True)
def way(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The stand-in is found by its module name, wherever the tests run."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(PACKAGE)]))
    return monkeypatch


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition; the test's own limit bounds it."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def another(child: Child, *known: int | None) -> int:
    """The pid of a life of the child that is none of those known."""
    await until(lambda: child.pid not in (None, *known))
    assert child.pid is not None
    return child.pid


async def test_a_child_answers_and_ends_when_told() -> None:
    reading, writing = os.pipe()
    child = Child(Program("gate", STAND_IN, (reading,)))
    child.start()
    answer = await child.ask({"do": "tell"}, 30)
    assert (answer["pid"], answer["fds"]) == (child.pid, [str(reading)])
    await child.end(30)
    assert child.pid is None
    assert not lives(answer["pid"])
    os.close(reading)
    os.close(writing)


async def test_a_child_that_is_killed_is_started_again() -> None:
    child = Child(Program("gate", STAND_IN))
    child.start()
    first = (await child.ask({"do": "tell"}, 30))["pid"]
    with pytest.raises(GateError, match="ended before it answered"):
        await child.ask({"do": "die"}, 30)
    second = (await child.ask({"do": "tell"}, 30))["pid"]
    assert first != second
    os.kill(second, signal.SIGKILL)
    while (third := (await answered(child))["pid"]) == second:
        pass
    assert third not in (first, second)
    await child.end(30)


async def answered(child: Child) -> dict[str, int]:
    """What the child tells, asked anew if it dies while it is asked."""
    while True:
        try:
            return await child.ask({"do": "tell"}, 30)
        except GateError:
            continue


async def test_a_vital_child_that_never_gets_ready_ends_the_keeping(way: pytest.MonkeyPatch) -> None:
    way.setenv("STAND_IN", "fails")
    child = Child(Program("gate", STAND_IN, vital=True, secrets=True))
    await child.start()
    assert not child.ready.is_set()
    await child.end(0)


async def test_another_child_is_tried_again_and_again(way: pytest.MonkeyPatch) -> None:
    way.setenv("STAND_IN", "fails")
    child = Child(Program("office", STAND_IN, secrets=True))
    keeping = child.start()
    first = await another(child)
    second = await another(child, first)
    assert await another(child, first, second)
    assert not keeping.done()
    await child.end(0)


async def test_a_child_that_stays_is_ended_by_force(way: pytest.MonkeyPatch) -> None:
    way.setattr(children, "FORCE_SECONDS", 0.05)
    way.setenv("STAND_IN", "stays")
    child = Child(Program("gate", STAND_IN, secrets=True))
    child.start()
    await child.ready.wait()
    pid = child.pid
    assert pid is not None
    await child.end(0)
    assert not lives(pid)


async def test_a_child_that_no_longer_answers_is_replaced(way: pytest.MonkeyPatch) -> None:
    way.setattr(children, "PULSE_SECONDS", 0.01)
    way.setattr(children, "SILENT_SECONDS", 0.05)
    way.setenv("STAND_IN", "deaf")
    child = Child(Program("gate", STAND_IN, secrets=True))
    child.start()
    await child.ready.wait()
    first = child.pid
    assert await another(child, first) != first
    await child.end(30)


async def test_only_a_child_that_needs_them_gets_names_of_secrets(way: pytest.MonkeyPatch) -> None:
    way.setenv("OPENAI_API_KEY", "sk-not-a-real-one")
    for secrets in (True, False):
        child = Child(Program("child", STAND_IN, secrets=secrets))
        child.start()
        names = (await child.ask({"do": "tell"}, 30))["names"]
        assert ("OPENAI_API_KEY" in names) == secrets
        assert "PATH" in names
        await child.end(30)


def test_the_bare_environment_keeps_what_python_needs() -> None:
    whole = {"PATH": "/bin", "LC_ALL": "C", "PYTHONPATH": "/src", "AWS_SECRET_ACCESS_KEY": "x", "GITHUB_TOKEN": "x"}
    assert bare_environment(whole) == {"PATH": "/bin", "LC_ALL": "C", "PYTHONPATH": "/src"}


async def test_what_carries_calls_keeps_the_pages_of_large_bodies(way: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        way.delenv(name)
    for secrets in (True, False):
        child = Child(Program("child", STAND_IN, secrets=secrets))
        child.start()
        names = (await child.ask({"do": "tell"}, 30))["names"]
        assert [name for name in names if name.startswith("MALLOC_")] == (sorted(ALLOCATOR) if secrets else [])
        await child.end(30)


@pytest.mark.parametrize("set_by_the_operator", ["MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_an_allocator_that_the_operator_has_set_is_left_alone(set_by_the_operator: str) -> None:
    environment = {"PATH": "/bin", set_by_the_operator: "1"}
    assert gate_environment(environment) == environment
    assert gate_environment({"PATH": "/bin"}) == {"PATH": "/bin", **ALLOCATOR}


def test_the_first_early_end_costs_no_wait_the_following_do_up_to_a_bound() -> None:
    backoff = Backoff()
    waits = [backoff.delay(None) for _ in range(12)]
    assert waits[:4] == [0.0, 0.1, 0.2, 0.4]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_SECONDS
    assert backoff.delay(STABLE_SECONDS) == 0.0
    assert [backoff.delay(STABLE_SECONDS / 2), backoff.delay(None)] == [0.0, 0.1]
