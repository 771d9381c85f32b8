"""The call path of one gate, put together: keys, journal, upstreams, gateway, edge, and how they begin, change and end.

The gate process builds it over the machine's own clock, randomness and disk, a simulation over others; what they build is the same.
"""

import os
import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from durward.calls.errors import GateError
from durward.calls.ports import Clock, Random
from durward.calls.retries import RetryBudgets
from durward.config.settings import Settings
from durward.gateway import Gateway
from durward.identity.keys import Keys
from durward.records.heads import load_signer
from durward.records.journal import FileJournal
from durward.records.lasting import LastingJournal
from durward.records.layout import JOURNAL, lives
from durward.records.segment import Write
from durward.records.syncing import Syncing, SyncThread
from durward.routing.health import Breakers
from durward.server.accepting import Entry, read_entry
from durward.server.agents import Agents, Command, KnowKeys
from durward.server.bounds import Bounds
from durward.server.clock import SystemClock, SystemRandom
from durward.server.edge import Edge
from durward.server.outbound import outbound_proxy
from durward.server.pair import Message
from durward.server.refusals import Refusals
from durward.server.shares import Shares
from durward.server.turn import Turn
from durward.snapshot import Snapshot
from durward.storage.answers import Answers
from durward.storage.answers_thread import AnswersThread
from durward.storage.state import State, StateThread
from durward.upstreams.pool import PooledUpstreams


class Machine(NamedTuple):
    """What a gate leans on besides its event loop."""

    clock: Clock
    random: Random
    environment: Mapping[str, str]
    host: str
    write: Write = os.write
    syncing: Callable[[], Syncing] = SyncThread


def this_machine() -> Machine:
    """The operating system's own."""
    return Machine(SystemClock(), SystemRandom(), os.environ, socket.gethostname())


class Change(NamedTuple):
    """Other settings, and what is built from them."""

    settings: Settings
    snapshot: Snapshot
    entry: Entry


class CallPath:
    """Everything that a call passes through. Needs a running event loop only from `edge` on.

    Raises GateError `state_unavailable` where the data folder cannot be used.
    """

    def __init__(self, settings: Settings, machine: Machine) -> None:
        folder = self._folder = Path(settings.data_dir)
        self._durability = settings.durability
        clock = machine.clock
        self._machine = machine
        self._turn = Turn()
        state = State(folder / "state.db")
        self._state = StateThread(state)
        keys = Keys(clock)
        self._agents = Agents(self._state, keys, clock)
        self._agents.write(settings.agents)
        self._agents.know(state.keys(clock.time()))
        self.journal = self._begin_journal(settings.durability, folder)
        self._turn.guard(self.journal.commit)
        budgets = RetryBudgets(settings.workers)
        self.health = Breakers(budgets, settings.workers)
        self.upstreams = PooledUpstreams(clock, settings.ca_file, batch=self._turn.upstreams, budgets=budgets)
        change = self.prepared(settings)
        self.gateway = Gateway(change.snapshot, keys, self.journal, self.upstreams, clock, machine.random)
        self._answers = AnswersThread(self._open_answers, self._writer, clock, settings.idempotency)
        self.gateway.replays.answers = self._answers
        self._keep_answers(settings)
        self.refusals = Refusals(clock)
        self.gateway.on_refused = self.refusals.note
        self.upstreams.go_through(outbound_proxy(settings.outbound_proxy, machine.environment))
        self._entry = change.entry
        self._edges: list[Edge] = []

    def _begin_journal(self, durability: str, folder: Path) -> FileJournal:
        machine, later, signer = self._machine, self._turn.schedule, load_signer(folder)
        if durability == "disk":
            lasting = LastingJournal(folder, machine.host, machine.clock, later, signer, machine.write)
            lasting.syncing = machine.syncing()
            return lasting
        return FileJournal(folder, machine.host, machine.clock, signer, machine.write, later)

    def _open_answers(self) -> Answers:
        lasting = self._durability == "disk"
        return Answers(self._folder, partial(lives, self._folder / JOURNAL), lasting=lasting)

    def _writer(self) -> str:
        """Raises GateError `journal_unavailable` while there is none: then nothing may begin anyway."""
        if self.journal.writer is None:
            raise GateError("The journal cannot be written.", reason="journal_unavailable")
        return self.journal.writer.name

    def _keep_answers(self, settings: Settings) -> None:
        self._answers.bounds = settings.idempotency
        self.gateway.replays.max_answer = settings.idempotency.max_answer

    def prepared(self, settings: Settings) -> Change:
        """What these settings describe, built; may be done in any thread."""
        snapshot = Snapshot(settings, self._machine.environment, self._state, self._machine.clock, self.health)
        return Change(settings, snapshot, read_entry(settings))

    def edge(self, bounds: Bounds, shares: Shares | None = None) -> Edge:
        """What hands callers' requests to the gateway; with `shares` it leaves some of them to other gates."""
        edge = Edge(self.gateway.handle, self._machine.clock, bounds, self.refusals.note, self._turn.callers)
        if shares is not None:
            edge.share(shares)
        edge.guard(self._entry)
        self._edges.append(edge)
        return edge

    async def apply(self, command: Command | KnowKeys) -> Message:
        """Do a command about agents. Raises CallerError as `Agents.apply` does."""
        return await self._agents.apply(command)

    async def take_over(self, change: Change) -> None:
        """Go by other settings from now on. Raises CallerError `agent_exists`, and nothing has changed then."""
        settings = change.settings
        await self._agents.rewrite(settings.agents)
        # In the same turn as the keys: no call is identified by one configuration and judged by another.
        self.gateway.take_over(change.snapshot)
        self._keep_answers(settings)
        self.upstreams.trust(settings.ca_file)
        self.upstreams.go_through(outbound_proxy(settings.outbound_proxy, self._machine.environment))
        self._entry = change.entry
        for edge in self._edges:
            edge.guard(change.entry)

    def beat(self) -> None:
        """What is due every second, whatever callers do."""
        self.gateway.pulse.beat()
        self.journal.tick()
        self._answers.tick()

    def close(self) -> None:
        """Close what the calls leaned on; the edge has drained."""
        self.upstreams.close()
        self._answers.close()
        self.journal.close()
        self._state.close()
