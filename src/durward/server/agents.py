"""Commands about agents, done by the running gate: state.db first, then the keys that calls are checked against, then the answer."""

import asyncio
from collections.abc import Iterable

import msgspec

from durward.calls.errors import CallerError
from durward.calls.ports import Clock
from durward.calls.principal import Principal
from durward.config.settings import Agent
from durward.identity.keys import Keys
from durward.server.pair import Message
from durward.storage.state import Key, State, StateThread


class AddAgent(msgspec.Struct, tag_field="do", tag="agent.add", frozen=True):
    """Make an agent. The key itself stays with the command that drew it; only its digest travels."""

    name: str
    digest: str
    tenant: str = ""
    team: str = ""
    app: str = ""

    def principal(self) -> Principal:
        return Principal(self.name, self.tenant, self.team, self.app)


class RotateAgent(msgspec.Struct, tag_field="do", tag="agent.rotate", frozen=True):
    """Give an agent a new key; the old ones end after `grace` seconds."""

    name: str
    digest: str
    grace: float


class ListAgents(msgspec.Struct, tag_field="do", tag="agent.list", frozen=True):
    """Tell the agents made by command."""


class KnowKeys(msgspec.Struct, tag_field="do", tag="agent.know", frozen=True):
    """Know what another gate of this Durward has done to the keys of an agent."""

    keys: tuple[Key, ...]


Command = AddAgent | RotateAgent | ListAgents


def refuse_name(name: str, written: frozenset[str]) -> None:
    """Raise CallerError `agent_exists` for a name that the configuration file has: a name is in one place only."""
    if name in written:
        raise CallerError(
            f"The agent {name} is written in the configuration file.",
            reason="agent_exists",
            remedy="Change it there, or choose another name.",
        )


def apply_offline(state: State, command: Command, now: float) -> Message:
    """Do a command where no gate runs. Raises CallerError as `State` does."""
    if isinstance(command, AddAgent):
        state.add_agent(command.principal(), command.digest, now)
    elif isinstance(command, RotateAgent):
        state.rotate(command.name, command.digest, now, command.grace)
    else:
        return {"agents": msgspec.to_builtins(state.agents(now))}
    return {}


def check_names(written: Iterable[Agent], made: Iterable[str]) -> None:
    """Raise CallerError `agent_exists` where an agent of the file was also made by command."""
    known = frozenset(made)
    for agent in written:
        if agent.name in known:
            raise CallerError(
                f"The agent {agent.name} is in the configuration and was also made by command.",
                reason="agent_exists",
                remedy="Rename the one in the file: each name is in one place only.",
            )


class Agents:
    """The agents of a running gate: those of the file, and those made by command."""

    def __init__(self, state: StateThread, keys: Keys, clock: Clock) -> None:
        self._state = state
        self._keys = keys
        self._written: frozenset[str] = frozenset()
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    def write(self, agents: Iterable[Agent]) -> None:
        """Take over the agents of the file, in place of those it had."""
        agents = tuple(agents)
        self._written = frozenset(agent.name for agent in agents)
        self._keys.write(
            (digest, Principal(agent.name, agent.tenant, agent.team, agent.app))
            for agent in agents
            for digest in agent.keys
        )

    async def rewrite(self, agents: tuple[Agent, ...]) -> None:
        """The same while commands may come. Raises CallerError `agent_exists`, and nothing has changed then."""
        async with self._one_at_a_time:
            check_names(agents, [made.agent.agent for made in await self._state.agents(self._clock.time())])
            self.write(agents)

    async def apply(self, command: Command | KnowKeys) -> Message:
        """Do it; the answer comes when calls are already judged by it. Raises CallerError as `State` does.

        The answer's `known` is what other gates of this Durward must know.
        """
        async with self._one_at_a_time:
            return await self._apply(command)

    async def _apply(self, command: Command | KnowKeys) -> Message:
        now = self._clock.time()
        if isinstance(command, ListAgents):
            return {"agents": msgspec.to_builtins(await self._state.agents(now))}
        if isinstance(command, KnowKeys):
            self.know(command.keys)
            return {}
        refuse_name(command.name, self._written)
        if isinstance(command, AddAgent):
            keys = [await self._state.add_agent(command.principal(), command.digest, now)]
        else:
            keys = await self._state.rotate(command.name, command.digest, now, command.grace)
        self.know(keys)
        return {"known": msgspec.to_builtins(keys)}

    def know(self, keys: Iterable[Key]) -> None:
        """Check calls against these keys, each until it ends."""
        for key in keys:
            self._keys.add(key.digest, key.agent, key.expires)
