"""The gate process: `python -m durward.server.gate PAIR HANDED SETTINGS LISTENER LOCK [SHARES NUMBER]`, all but the last descriptors.

Builds the real ports and the gateway from the settings, and serves the listening socket as long as its `Life` lasts. New settings come
by way of HANDED. LOCK it only holds: while it finishes its calls, no other gate may write this journal, whatever became of the supervisor.
"""

import asyncio
import logging
import os
import socket
import sys
from pathlib import Path

import msgspec
import uvloop

from durward.calls.errors import CallerError, DurwardError
from durward.calls.retries import RetryBudgets
from durward.config.log import log_to_stderr
from durward.config.settings import Settings, read_settings
from durward.gateway import Gateway
from durward.identity.keys import Keys
from durward.records.heads import load_signer
from durward.records.journal import FileJournal
from durward.records.lasting import LastingJournal
from durward.records.recovery import RecoveryThread
from durward.routing.health import Breakers
from durward.server.accepting import Entry, read_entry
from durward.server.agents import Agents, Command, KnowKeys
from durward.server.clock import SystemClock, SystemRandom
from durward.server.edge import Edge
from durward.server.lag import Lag
from durward.server.launch import content, handed_over
from durward.server.life import Life
from durward.server.measured import measured
from durward.server.outbound import outbound_proxy
from durward.server.overload import Overload
from durward.server.pair import Message
from durward.server.refusals import Refusals
from durward.server.shares import Shares
from durward.server.turn import Turn
from durward.snapshot import Snapshot
from durward.storage.state import State, StateThread
from durward.upstreams.pool import PooledUpstreams

log = logging.getLogger("gate")

BEAT_SECONDS = 1.0


class Gate:
    """One life of the gate."""

    def __init__(self, settings: Settings, handed: socket.socket) -> None:
        """`handed` brings the descriptors of new settings."""
        self._clock = clock = SystemClock()
        folder = Path(settings.data_dir)
        self._turn = Turn()
        state = State(folder / "state.db")
        self._state = StateThread(state)
        keys = Keys(clock)
        self._agents = Agents(self._state, keys, clock)
        self._agents.write(settings.agents)
        self._agents.know(state.keys(clock.time()))
        self._journal = self._begin_journal(settings.durability, folder)
        self._turn.guard(self._journal.commit)
        self._recovery = RecoveryThread(self._journal, folder)
        budgets = RetryBudgets()
        self._health = Breakers(budgets)
        self._upstreams = PooledUpstreams(clock, settings.ca_file, batch=self._turn.upstreams, budgets=budgets)
        self._gateway = Gateway(self._snapshot(settings), keys, self._journal, self._upstreams, clock, SystemRandom())
        self._upstreams.go_through(outbound_proxy(settings.outbound_proxy, os.environ))
        self._entry = read_entry(settings)
        self._refusals = Refusals(clock)
        self._gateway.on_refused = self._refusals.note
        self._overload = Overload(settings, self._gateway, clock, self._refusals.note)
        self._upstreams.holding.limit = self._overload.bounds.body_memory
        self._lag = Lag(clock.monotonic)
        self._handed = handed
        self._life = Life("gate", self._obey)
        self._silent = False

    async def run(self, pair_end: socket.socket, listener: socket.socket, shares: Shares | None = None) -> None:
        """Serve until it is time to leave; then finish the calls, and close what they leaned on."""
        bounds = self._overload.bounds
        self._edge = edge = Edge(self._gateway.handle, self._clock, bounds, self._refusals.note, self._turn.callers)
        if shares is not None:
            edge.share(shares)
        edge.guard(self._entry)
        self._overload.guard(edge)
        life = self._life
        life.begin(self._overload.watch())
        life.begin(self._beat())
        life.begin(self._lag.watch())
        await life.start(edge, pair_end, listener)
        # What the last gate left open is looked after beside the calls: they do not wait for it.
        self._recovery.start()
        leave = await life.leaving()
        # Readiness says so at once; who sends callers here needs a while to learn of it, unless another serves them already.
        self._gateway.stopping = not leave.succeeded
        await life.drain(edge, await life.linger(leave), succeeded=leave.succeeded)
        await asyncio.to_thread(self._recovery.stop)
        self._upstreams.close()
        self._journal.close()
        self._state.close()
        self._overload.close()
        life.close()

    def _begin_journal(self, durability: str, folder: Path) -> FileJournal:
        host, later, signer = socket.gethostname(), self._turn.schedule, load_signer(folder)
        if durability == "disk":
            return LastingJournal(folder, host, self._clock, later, signer)
        return FileJournal(folder, host, self._clock, signer, later=later)

    def _snapshot(self, settings: Settings) -> Snapshot:
        return Snapshot(settings, os.environ, self._state, self._clock, self._health)

    async def _obey(self, message: Message) -> Message:
        if message.get("do") == "reload":
            return await self._reload()
        if message.get("do") == "health":
            return self.states()
        if message.get("do") == "measure":
            told = measured(self._edge, self._upstreams, self._refusals, self._lag, available=not self._silent)
            return self.states() | told
        try:
            command = msgspec.convert(message, Command | KnowKeys)
        except msgspec.ValidationError as error:
            raise CallerError(f"The command is not understood: {error}.") from error
        return await self._agents.apply(command)

    async def _reload(self) -> Message:
        """Take over the settings whose descriptor was handed. Raises CallerError `agent_exists`, and nothing has changed then."""
        settings, snapshot, entry = await asyncio.to_thread(self._read, handed_over(self._handed))
        await self._agents.rewrite(settings.agents)
        # In the same turn as the keys: no call is identified by one configuration and judged by another.
        self._gateway.take_over(snapshot)
        self._upstreams.trust(settings.ca_file)
        self._upstreams.go_through(outbound_proxy(settings.outbound_proxy, os.environ))
        self._edge.guard(entry)
        self._overload.take_over(settings)
        self._upstreams.holding.limit = self._overload.bounds.body_memory
        return {}

    def states(self) -> Message:
        """How this gate and its upstreams are at this moment: plain data, for people and for metrics."""
        pool = self._upstreams
        return {
            "upstreams": self._health.states(self._clock.monotonic()),
            "overload": self._overload.state() | {"answer_bytes": pool.holding.held},
            "refused": dict(self._refusals.counts),
            "pool": {name: getattr(pool.counts, name) for name in ("opened", "reused", "retried", "refused")},
            "stopping": self._gateway.stopping,
        }

    def _read(self, fd: int) -> tuple[Settings, Snapshot, Entry]:
        try:
            settings = read_settings(content(fd))
        finally:
            os.close(fd)
        return settings, self._snapshot(settings), read_entry(settings)

    async def _beat(self) -> None:
        """What is due every second, whatever callers do."""
        while True:
            self._watch_journal()
            await asyncio.sleep(BEAT_SECONDS)
            try:
                self._gateway.pulse.beat()
                self._journal.tick()
            except Exception:
                # A bug; the calls go on, and the next beat tries again.
                log.exception("the beat failed")

    def _watch_journal(self) -> None:
        """Log when the journal stops taking lines, and when it goes on."""
        if self._journal.unavailable() != self._silent:
            self._silent = not self._silent
            if self._silent:
                log.error("the journal cannot be written: %s; new calls are refused", self._journal.failure)
            else:
                log.error("the journal is written again")


def main() -> int:
    """Run on the descriptors of argv; the exit code. What keeps the gate from starting is said in one line."""
    log_to_stderr()
    pair, handed, settings, listener, _lock, *share = (int(word) for word in sys.argv[1:])
    try:
        wanted = read_settings(content(settings))
        log_to_stderr(wanted.log.format, wanted.log.level)
        gate = Gate(wanted, socket.socket(fileno=handed))
    except DurwardError as error:
        log.error("%s %s", error.message, error.remedy)
        return 1
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        shares = Shares(*share) if share else None
        runner.run(gate.run(socket.socket(fileno=pair), socket.socket(fileno=listener), shares))
    return 0


if __name__ == "__main__":
    sys.exit(main())
