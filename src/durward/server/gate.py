"""The gate process: `python -m durward.server.gate PAIR HANDED SETTINGS LISTENER LOCK [SHARES NUMBER]`, all but the last descriptors.

Builds the call path over the machine's own clock, randomness and disk, and serves the listening socket as long as its `Life` lasts.
New settings come by way of HANDED. LOCK it only holds: while it finishes its calls, no other gate may write this journal, whatever
became of the supervisor.
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
from durward.config.log import log_to_stderr
from durward.config.settings import Settings, read_settings
from durward.records.recovery import RecoveryThread
from durward.server.agents import Command, KnowKeys
from durward.server.call_path import CallPath, Change, Machine, this_machine
from durward.server.lag import Lag
from durward.server.launch import content, handed_over
from durward.server.life import Life
from durward.server.measured import measured
from durward.server.overload import Overload
from durward.server.pair import Message
from durward.server.shares import Shares
from durward.server.telling import Telling

log = logging.getLogger("gate")

BEAT_SECONDS = 1.0


class Gate:
    """One life of the gate."""

    def __init__(self, settings: Settings, handed: socket.socket, machine: Machine | None = None) -> None:
        """`handed` brings the descriptors of new settings."""
        machine = machine or this_machine()
        self._clock = machine.clock
        self._path = path = CallPath(settings, machine)
        self._overload = Overload(settings, path.gateway, machine.clock, path.refusals.note)
        path.upstreams.holding.limit = self._overload.bounds.body_memory
        self._lag = Lag(machine.clock.monotonic)
        self._recovery = RecoveryThread(self._path.journal, Path(settings.data_dir))
        self._handed = handed
        self._life = Life("gate", self._obey)
        self._silent = False

    async def run(self, pair_end: socket.socket, listener: socket.socket, shares: Shares | None = None) -> None:
        """Serve until it is time to leave; then finish the calls, and close what they leaned on."""
        self._edge = edge = self._path.edge(self._overload.bounds, shares)
        self._overload.guard(edge)
        life = self._life
        life.begin(self._overload.watch())
        life.begin(self._beat())
        life.begin(self._lag.watch())
        telling = Telling(self._path.health, self._clock.monotonic, life.tell)
        life.on_heard = telling.hear
        await life.start(edge, pair_end, listener)
        if shares is not None:
            telling.begin(asyncio.get_running_loop().call_later)
        # What the last gate left open is looked after beside the calls: they do not wait for it.
        self._recovery.start()
        leave = await life.leaving()
        # Readiness says so at once; who sends callers here needs a while to learn of it, unless another serves them already.
        self._path.gateway.stopping = not leave.succeeded
        await life.drain(edge, await life.linger(leave), succeeded=leave.succeeded)
        await asyncio.to_thread(self._recovery.stop)
        self._path.close()
        self._overload.close()
        life.close()

    async def _obey(self, message: Message) -> Message:
        if message.get("do") == "reload":
            return await self._reload()
        if message.get("do") == "health":
            return self.states()
        if message.get("do") == "measure":
            path = self._path
            told = measured(self._edge, path.upstreams, path.refusals, self._lag, available=not self._silent)
            return self.states() | told
        try:
            command = msgspec.convert(message, Command | KnowKeys)
        except msgspec.ValidationError as error:
            raise CallerError(f"The command is not understood: {error}.") from error
        return await self._path.apply(command)

    async def _reload(self) -> Message:
        """Take over the settings whose descriptor was handed. Raises CallerError `agent_exists`, and nothing has changed then."""
        change = await asyncio.to_thread(self._read, handed_over(self._handed))
        await self._path.take_over(change)
        self._overload.take_over(change.settings)
        self._path.upstreams.holding.limit = self._overload.bounds.body_memory
        return {}

    def states(self) -> Message:
        """How this gate and its upstreams are at this moment: plain data, for people and for metrics."""
        path = self._path
        pool = path.upstreams
        return {
            "upstreams": path.health.states(self._clock.monotonic()),
            "overload": self._overload.state() | {"answer_bytes": pool.holding.held},
            "refused": dict(path.refusals.counts),
            "pool": {name: getattr(pool.counts, name) for name in ("opened", "reused", "retried", "refused")},
            "stopping": path.gateway.stopping,
        }

    def _read(self, fd: int) -> Change:
        try:
            settings = read_settings(content(fd))
        finally:
            os.close(fd)
        return self._path.prepared(settings)

    async def _beat(self) -> None:
        while True:
            self._watch_journal()
            await asyncio.sleep(BEAT_SECONDS)
            try:
                self._path.beat()
            except Exception:
                # A bug; the calls go on, and the next beat tries again.
                log.exception("the beat failed")

    def _watch_journal(self) -> None:
        """Log when the journal stops taking lines, and when it goes on."""
        if self._path.journal.unavailable() != self._silent:
            self._silent = not self._silent
            if self._silent:
                log.error("the journal cannot be written: %s; new calls are refused", self._path.journal.failure)
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
