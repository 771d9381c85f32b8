"""state.db: agents and keys over time, owners of objects, and the thread the gate writes through."""

import asyncio
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError, GateError
from durward.calls.principal import Principal
from durward.storage.state import MIGRATIONS, QUEUED, Key, Owner, State, StateThread, open_offline

SUPPORT = Principal("support", "acme", "care", "helpdesk")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with open_offline(tmp_path / "state.db") as state:
        yield state


def test_only_the_owner_may_read_the_file(state: State, tmp_path: Path) -> None:
    state.add_agent(SUPPORT, "d1", 10.0)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}


def test_what_is_written_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with open_offline(path) as state:
        state.add_agent(SUPPORT, "d1", 10.0)
        state.own("openai", [("response", "resp_1")], Owner("acme", "support"), 11.0)
    with open_offline(path) as state:
        assert state.keys(12.0) == [Key("d1", SUPPORT, 10.0)]
        assert state.owner("openai", "response", "resp_1") == Owner("acme", "support")


def test_a_name_is_given_once(state: State) -> None:
    state.add_agent(SUPPORT, "d1", 10.0)
    with pytest.raises(CallerError, match="support already") as caught:
        state.add_agent(Principal("support"), "d2", 11.0)
    assert caught.value.reason == "agent_exists"
    assert [key.digest for key in state.keys(12.0)] == ["d1"]


def test_rotation_leaves_the_old_key_its_grace_and_no_more(state: State) -> None:
    state.add_agent(SUPPORT, "d1", 10.0)
    assert state.rotate("support", "d2", 20.0, 5.0) == [Key("d1", SUPPORT, 10.0, 25.0), Key("d2", SUPPORT, 20.0)]
    assert {key.digest for key in state.keys(24.9)} == {"d1", "d2"}
    assert {key.digest for key in state.keys(25.0)} == {"d2"}


def test_rotation_without_grace_ends_the_old_keys_and_tells_so(state: State) -> None:
    state.add_agent(SUPPORT, "d1", 10.0)
    assert Key("d1", SUPPORT, 10.0, 20.0) in state.rotate("support", "d2", 20.0, 0.0)
    assert [key.digest for key in state.keys(20.0)] == ["d2"]


def test_rotation_never_prolongs_a_key(state: State) -> None:
    state.add_agent(SUPPORT, "d1", 10.0)
    state.rotate("support", "d2", 20.0, 5.0)
    state.rotate("support", "d3", 21.0, 100.0)
    assert {key.digest: key.expires for key in state.keys(22.0)} == {"d1": 25.0, "d2": 121.0, "d3": None}


def test_an_unknown_agent_cannot_be_rotated(state: State) -> None:
    with pytest.raises(CallerError) as caught:
        state.rotate("nobody", "d1", 1.0, 0.0)
    assert caught.value.reason == "agent_unknown"


def test_a_listing_counts_the_keys_that_are_valid(state: State) -> None:
    state.add_agent(SUPPORT, "d1", 10.0)
    state.add_agent(Principal("batch"), "d2", 11.0)
    state.rotate("support", "d3", 20.0, 5.0)
    listed = [(row.agent.agent, row.keys, row.next_expiry) for row in state.agents(21.0)]
    assert listed == [("batch", 1, None), ("support", 2, 25.0)]
    assert [(row.agent, row.keys, row.next_expiry) for row in state.agents(26.0)][1] == (SUPPORT, 1, None)


def test_the_first_owner_of_an_object_stays(state: State) -> None:
    state.own("openai", [("file", "f1")], Owner("acme", "support"), 1.0)
    state.own("openai", [("file", "f1"), ("file", "f2")], Owner("evil", "other"), 2.0)
    assert state.owner("openai", "file", "f1") == Owner("acme", "support")
    assert state.owner("openai", "file", "f2") == Owner("evil", "other")
    assert state.owner("other", "file", "f1") is None
    assert state.owner("openai", "batch", "f1") is None


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as base:
        base.execute("PRAGMA user_version = 9999")
    with pytest.raises(GateError, match="later version"):
        State(path)


def test_gates_that_begin_at_once_all_find_a_whole_file(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / f"{number}.db"
        barrier = Barrier(6)

        def opened(path: Path, barrier: Barrier) -> list[Key]:
            barrier.wait()
            with closing(State(path)) as state:
                return state.keys(0.0)

        with ThreadPoolExecutor(6) as threads:
            assert [each.result() for each in [threads.submit(opened, path, barrier) for _ in range(6)]] == [[]] * 6


def test_what_is_no_database_is_said_to_be_unusable(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_text("not a database " * 100)
    with pytest.raises(GateError) as caught:
        State(path)
    assert caught.value.reason == "state_unavailable"
    with pytest.raises(GateError):
        State(tmp_path / "no" / "folder" / "state.db")


def test_every_migration_ends_at_its_own_number() -> None:
    with closing(sqlite3.connect(":memory:")) as base:
        for number, migration in enumerate(MIGRATIONS):
            base.executescript(migration)
            assert base.execute("PRAGMA user_version").fetchone() == (number + 1,)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 50)), max_size=12))
def test_keys_follow_a_plain_model(steps: list[tuple[str, int | None]]) -> None:
    """One step a second, an add (None) or a rotation with its grace: the valid keys are those of a dict kept beside it."""
    agents: set[str] = set()
    expected: dict[str, tuple[str, float | None]] = {}
    with TemporaryDirectory() as folder, open_offline(Path(folder, "state.db")) as state:
        for now, (name, grace) in enumerate(steps):
            possible = (name in agents) == (grace is not None)
            with nullcontext() if possible else pytest.raises(CallerError):
                if grace is None:
                    state.add_agent(Principal(name), f"k{now}", now)
                else:
                    state.rotate(name, f"k{now}", now, grace)
            if not possible:
                continue
            for key, (agent, end) in expected.items():
                if agent == name and grace is not None:
                    expected[key] = (agent, now + grace if end is None else min(end, now + grace))
            agents.add(name)
            expected[f"k{now}"] = (name, None)
        valid = {key: end for key, (_, end) in expected.items() if end is None or end > len(steps)}
        assert {key.digest: key.expires for key in state.keys(len(steps))} == valid


async def test_the_thread_answers_and_closes(tmp_path: Path) -> None:
    thread = StateThread(State(tmp_path / "state.db"))
    assert await thread.add_agent(SUPPORT, "d1", 1.0) == Key("d1", SUPPORT, 1.0)
    assert [key.digest for key in await thread.rotate("support", "d2", 2.0, 0.0)] == ["d1", "d2"]
    assert [row.keys for row in await thread.agents(3.0)] == [1]
    await thread.own("openai", [("file", "f1")], Owner("acme", "support"), 4.0)
    assert await thread.owner("openai", "file", "f1") == Owner("acme", "support")
    with pytest.raises(CallerError):
        await thread.rotate("nobody", "d3", 5.0, 0.0)
    thread.close()


async def test_the_threads_queue_is_bounded_and_counts_cancelled_callers(tmp_path: Path) -> None:
    thread = StateThread(State(tmp_path / "state.db"))
    asked = [asyncio.ensure_future(thread.owner("p", "k", "i")) for _ in range(QUEUED)]
    await asyncio.sleep(0)
    with pytest.raises(GateError) as caught:
        await thread.owner("p", "k", "i")
    assert caught.value.reason == "overloaded"
    asked[0].cancel()
    assert await asyncio.gather(*asked[1:]) == [None] * (QUEUED - 1)
    assert asked[0].cancelled()
    assert await thread.owner("p", "k", "i") is None
    thread.close()
