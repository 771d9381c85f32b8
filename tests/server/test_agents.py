"""Commands about agents: the same words with a running gate and without one, and memory that follows state.db."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from durward.calls.errors import CallerError
from durward.calls.principal import Principal
from durward.config.settings import Agent
from durward.identity.keys import Keys
from durward.server.agents import (
    AddAgent,
    Agents,
    Command,
    KnowKeys,
    ListAgents,
    RotateAgent,
    apply_offline,
    refuse_name,
)
from durward.storage.state import State, StateThread, open_offline


class Clock:
    now = 100.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class World:
    """A gate's agents, and the calls they would let in."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.keys = Keys(self.clock)
        self.thread = StateThread(State(folder / "state.db"))
        self.agents = Agents(self.thread, self.keys, self.clock)
        self.agents.write([Agent("written", keys=(digest("k0"),))])

    def knows(self, key: str) -> Principal | None:
        try:
            return self.keys.of(sha256(key.encode()).digest())
        except CallerError:
            return None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.thread.close()


def digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


async def test_a_new_agent_is_known_when_the_answer_comes(world: World) -> None:
    assert world.knows("k1") is None
    assert set(await world.agents.apply(AddAgent("one", digest("k1"), "acme", "care", "desk"))) == {"known"}
    assert world.knows("k1") == Principal("one", "acme", "care", "desk")


async def test_a_rotation_ends_the_old_key_when_it_says(world: World) -> None:
    await world.agents.apply(AddAgent("one", digest("k1")))
    await world.agents.apply(RotateAgent("one", digest("k2"), 60.0))
    assert world.knows("k1") == world.knows("k2") == Principal("one")
    world.clock.now = 160.0
    assert (world.knows("k1"), world.knows("k2")) == (None, Principal("one"))
    await world.agents.apply(RotateAgent("one", digest("k3"), 0.0))
    assert (world.knows("k2"), world.knows("k3")) == (None, Principal("one"))


@pytest.mark.parametrize("command", [AddAgent("written", digest("k")), RotateAgent("written", digest("k"), 0.0)])
async def test_what_the_file_names_is_left_to_the_file(world: World, command: AddAgent | RotateAgent) -> None:
    with pytest.raises(CallerError, match="written in the configuration file"):
        await world.agents.apply(command)
    assert world.knows("k") is None
    with pytest.raises(CallerError):
        refuse_name("written", frozenset({"written"}))
    refuse_name("other", frozenset({"written"}))


async def test_offline_the_same_commands_answer_the_same(world: World, tmp_path: Path) -> None:
    commands: list[AddAgent | RotateAgent | ListAgents] = [
        AddAgent("one", digest("k1"), team="care"),
        RotateAgent("one", digest("k2"), 5.0),
        ListAgents(),
    ]
    other = tmp_path / "other"
    other.mkdir()
    with open_offline(other / "state.db") as state:
        offline = [apply_offline(state, command, world.clock.now) for command in commands]
    online = [await world.agents.apply(command) for command in commands]
    # Who asked is not told what other gates must know.
    assert [{name: told for name, told in answer.items() if name != "known"} for answer in online] == offline
    (listed,) = offline[-1]["agents"]
    assert (listed["agent"]["team"], listed["keys"], listed["next_expiry"]) == ("care", 2, 105.0)


def test_a_command_keeps_its_meaning_on_the_wire() -> None:
    command = RotateAgent("one", digest("k"), 60.0)
    message: dict[str, Any] = msgspec.to_builtins(command)
    assert message["do"] == "agent.rotate"
    assert msgspec.convert({**message, "id": 7}, Command) == command


async def test_what_one_gate_has_done_another_knows_by_its_answer(world: World, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other")
    for command in (AddAgent("one", digest("k1"), "acme"), RotateAgent("one", digest("k2"), 0.0)):
        told = await world.agents.apply(command)
        assert await other.agents.apply(msgspec.convert({"do": "agent.know", "keys": told["known"]}, KnowKeys)) == {}
    assert (other.knows("k1"), other.knows("k2")) == (None, Principal("one", "acme"))
    other.thread.close()
