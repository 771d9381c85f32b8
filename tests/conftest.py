"""How tests run: coroutines on uvloop without a plugin, properties from fixed seeds, recorded traffic where it is at hand."""

import asyncio
import inspect
import os
from pathlib import Path

import pytest
import uvloop
from hypothesis import settings

from tests.peers.install import installed

# The same examples in every run: a red property is red for everybody, and green again only by a change.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None, print_blob=True)
settings.load_profile("fixed")

TIMEOUT = 60.0
LEFT_OUT = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simulation", "worlds over the real gate (tests/simulation)")
    group.addoption(
        "--seed", type=int, default=None, metavar="N", help="play this world only, and show its log with -s"
    )
    group.addoption("--seeds", type=int, default=1000, metavar="N", help="play so many worlds (1000)")


def recorded_traffic() -> Path | None:
    """The folder of recorded provider traffic, for parametrizing at collection."""
    named = os.environ.get("DURWARD_CASSETTES")
    if not named:
        return None
    folder = Path(named)
    if not folder.is_dir():
        raise pytest.UsageError(f"DURWARD_CASSETTES names no folder: {named}")
    return folder


@pytest.fixture(scope="session")
def cassettes() -> Path | None:
    """Recorded provider traffic. A test that asks for it is left out, and counted, where there is none."""
    return recorded_traffic()


@pytest.fixture(scope="session")
def peers() -> Path:
    """The folder of the command line clients and the independent upstream. Where they cannot be had, the test is red."""
    return installed()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    marker = pyfuncitem.get_closest_marker("timeout")
    seconds = marker.args[0] if marker else TIMEOUT
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await function(**arguments)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if recorded_traffic():
        return
    replaying = [item for item in items if "cassettes" in getattr(item, "fixturenames", ())]
    config.stash[LEFT_OUT] = len(replaying)
    if replaying:
        config.hook.pytest_deselected(items=replaying)
        items[:] = [item for item in items if item not in replaying]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out = terminalreporter.config.stash.get(LEFT_OUT, 0)
    if left_out:
        terminalreporter.write_line(
            f"left out: {left_out} tests over recorded provider traffic (DURWARD_CASSETTES is not set)"
        )
