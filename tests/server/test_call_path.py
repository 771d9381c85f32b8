"""The call path put together: over what it is given, changed as a whole, and closed so that nothing stays behind."""

from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from durward.calls.errors import CallerError
from durward.calls.once import Idempotency
from durward.config.settings import Agent, Settings
from durward.records import layout
from durward.records.lines import Closed, Opened, read_lines
from durward.records.times import timestamp
from durward.server.agents import AddAgent
from durward.server.bounds import Bounds
from durward.server.call_path import CallPath, Machine, this_machine
from durward.storage.answers_thread import AnswersThread
from tests.playbooks.world import Caller, Counting, Still, World, settings


def key_of(name: str) -> str:
    return "dw_" + name[0] * 43


def known(folder: Path, *agents: str) -> Settings:
    """Settings with these agents."""
    written = tuple(Agent(name, keys=(sha256(key_of(name).encode()).hexdigest(),)) for name in agents)
    return msgspec.structs.replace(settings(agents=written), data_dir=str(folder))


def built(folder: Path, *agents: str) -> CallPath:
    return CallPath(known(folder, *agents), Machine(Still(), Counting(), {"CRM_TOKEN": "x"}, "here"))


async def listed(path: CallPath, agent: str) -> int:
    """The status with which an agent is told its models."""
    caller: Caller = World().caller("GET /anthropic/v1/models", key=key_of(agent))
    path.gateway.on_refused = lambda reason, peer: None
    await path.gateway.handle(caller)
    return caller.status


async def test_it_is_built_over_what_it_is_given_and_closed_in_order(tmp_path: Path) -> None:
    path = built(tmp_path, "first")
    edge = path.edge(Bounds())
    assert (edge.connections, edge.calls) == (0, 0)
    path.beat()
    path.close()
    (writer,) = layout.writers(tmp_path / layout.JOURNAL)
    assert writer.name == f"here-{int(Still().now * 1000)}"
    lines = read_lines(layout.segment(writer, 1).read_bytes())
    assert [type(line) for line in lines] == [Opened, type(lines[1]), Closed]
    assert isinstance(lines[2], Closed)
    assert lines[2].time == timestamp(Still().now)


async def test_other_settings_are_taken_over_keys_and_all(tmp_path: Path) -> None:
    path = built(tmp_path, "first")
    assert [await listed(path, name) for name in ("first", "second")] == [200, 401]
    after = known(tmp_path, "second")
    await path.take_over(path.prepared(after))
    assert [await listed(path, name) for name in ("first", "second")] == [401, 200]
    path.close()


async def test_what_is_kept_of_calls_follows_the_settings(tmp_path: Path) -> None:
    path = built(tmp_path, "first")
    assert path.gateway.replays.max_answer == Idempotency().max_answer
    bounds = Idempotency(60.0, 2**20, 1_000)
    change = path.prepared(msgspec.structs.replace(known(tmp_path, "first"), idempotency=bounds))
    await path.take_over(change)
    assert path.gateway.replays.max_answer == 1_000
    assert isinstance(path.gateway.replays.answers, AnswersThread)
    assert path.gateway.replays.answers.bounds == bounds
    path.close()


async def test_settings_that_clash_with_an_agent_made_by_command_change_nothing(tmp_path: Path) -> None:
    path = built(tmp_path, "first")
    await path.apply(AddAgent("third", sha256(key_of("third").encode()).hexdigest()))
    after = known(tmp_path, "second", "third")
    with pytest.raises(CallerError, match="third"):
        await path.take_over(path.prepared(after))
    assert [await listed(path, name) for name in ("first", "second", "third")] == [200, 401, 200]
    path.close()


def test_this_machine_is_the_operating_systems() -> None:
    machine = this_machine()
    assert machine.clock.time() > Still().now - 10**8
    assert machine.random.bytes(16) != machine.random.bytes(16)
