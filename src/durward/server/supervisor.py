"""The supervisor: owns the listening socket and the control socket, keeps gate, office and demo upstream alive.

`python -m durward.server.supervisor FD`, where FD is a `Launch`. It imports the standard library only, so that it stays small, and it
knows nothing of what settings mean, and no secret. It ends last: first the gate, which settles its calls, then what depends on it; unless
another takes its place (`succession.py`), whose office then looks after what its gate still writes.
"""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from durward.calls.errors import CallerError, DurwardError, GateError
from durward.config.log import log_to_stderr
from durward.server.children import Child, Program, bare_environment
from durward.server.claims import shown_address, sign
from durward.server.control import Control
from durward.server.gates import Gates
from durward.server.launch import SIGNALS, Launch, content, launched, unnamed
from durward.server.notify import Notifier
from durward.server.orphans import Orphans
from durward.server.pair import Message
from durward.server.reloading import Reloading
from durward.server.shares import room
from durward.server.succession import Place, Succession
from durward.server.used import used

log = logging.getLogger("supervisor")

OFFICE_SECONDS = 1.0
ANSWER_SECONDS = 10.0
MEASURE_SECONDS = 1.0
"""How long a gate may take to say how it stands."""
PIECE_BYTES = 128 * 1024


class Supervisor:
    """One run, from the launch to the exit code."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._listener: int | None = launch.listener
        self._gates = Gates(_gate_programs(launch))
        office = (launch.settings,) if launch.admin is None else (launch.settings, launch.admin)
        self._office = Child(Program("office", "durward.office.main", office), self._measured)
        self._demo = (
            None if launch.demo is None else Child(Program("demo", "durward.server.demo", (launch.demo,), vital=True))
        )
        self._kept: list[asyncio.Future[Any]] = []
        """One a vital child, done when nothing keeps it running any more."""
        self._watching: asyncio.Future[None] | None = None
        self._notifier = Notifier(os.environ)
        self._reloading = Reloading(launch, self._gates, self._notifier, self._office) if launch.config else None
        self._orphans: asyncio.Future[None] | None = None
        self._terminal = has_terminal()
        self._at_terminal = False
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._control = Control(Path(launch.data_dir), self._answer, self._hand_over)
        self._place = Place(launch.configured, launch.lock, launch.listener, (launch.admin_configured, launch.admin))
        self._others_serve = launch.predecessor is not None
        """Whether another Durward serves at this address: the one before us, or the one behind."""
        self._made_room = self._ready = False

    async def run(self) -> int:
        """Start everything, serve until a signal (or the end of a `--once` show), end everything. The exit code."""
        loop = asyncio.get_running_loop()
        told = {signal.SIGHUP: self._hung_up, signal.SIGINT: self._interrupted}
        for number in SIGNALS:
            # What was started with nohup outlives its terminal.
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, told.get(number, self._signalled))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if self._launch.predecessor is None:
            await self._control.start()
        if os.getpid() == 1:
            self._orphans = asyncio.ensure_future(Orphans().collect())
        try:
            return await self._serve()
        finally:
            self._control.close()
            await self._end()

    def _hung_up(self) -> None:
        """SIGHUP: the terminal is gone, or the operator wants the configuration loaded again."""
        if self._reloading is None or (self._terminal and not has_terminal()):
            self._signalled()
        else:
            self._reloading.ask()

    def _interrupted(self) -> None:
        """SIGINT: a person waits for the end, and nobody sends callers here who would have to learn of it."""
        self._at_terminal = True
        self._signalled()

    def _signalled(self) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()

    async def _serve(self) -> int:
        stopped = asyncio.ensure_future(self._stop.wait())
        if not await self._become_ready(stopped):
            return 0 if stopped.done() else 1  # Who could not start has said why.
        self._ready = True
        sys.stdout.write(self._launch.said)
        sys.stdout.flush()
        self._notifier.ready(os.getpid(), f"Serving on {self._launch.address}.")
        self._watch()
        if self._launch.show is not None:
            code = await self._play(self._launch.show, stopped)
            if self._launch.once or code is None:
                return code or 0
        await asyncio.wait([stopped, *self._kept], return_when=asyncio.FIRST_COMPLETED)
        return 0 if stopped.done() else 1

    def _watch(self) -> None:
        if self._reloading is not None:
            self._watching = asyncio.ensure_future(self._reloading.watch())

    async def _become_ready(self, stopped: "asyncio.Future[Any]") -> bool:
        """Start the children, those first that calls wait for. False where one of these ends at once, or a signal comes first."""
        self._kept = [*self._gates.start(), *([] if self._demo is None else [self._demo.start()])]
        ready = asyncio.ensure_future(self._all_ready())
        waited_for: list[asyncio.Future[Any]] = [ready, stopped, *self._kept]
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            return False
        if self._launch.predecessor is not None:
            await self._take_place(Succession(self._launch.predecessor))
        self._office.start()
        return True

    async def _all_ready(self) -> None:
        await self._gates.ready()
        if self._demo is not None:
            await self._demo.ready.wait()

    async def _take_place(self, succession: Succession) -> None:
        """Raises GateError where the Durward that runs stays; it goes on then."""
        await succession.relieve()
        sign(self._launch.lock)
        await self._control.start()
        await succession.taken()
        self._others_serve = False

    async def _hand_over(self, message: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Another wants our place."""
        if self._launch.show is not None:
            raise GateError("A demo runs here, and is not taken over from.", reason="already_running")
        if not self._ready or self._stop.is_set():
            raise GateError(
                f"The Durward that runs here (pid {os.getpid()}) is {'stopping' if self._ready else 'starting'}.",
                reason="already_running",
                remedy="Retry in a moment.",
            )
        pid = message.get("pid")
        if await self._place.hand_over(message, reader, writer, self._make_room):
            log.info("pid %s has taken over; finishing the calls under way", pid)
            self._others_serve = True
            if isinstance(pid, int):
                self._notifier.succeeded(pid)
            self._stop.set()
        elif self._made_room and not self._stop.is_set():
            log.warning("pid %s was to take over, and has not", pid)
            self._office.start()
            self._watch()
        self._made_room = False

    async def _make_room(self) -> None:
        """End what only one may have: the index's writer. The configuration is another's affair from now on, too."""
        self._made_room = True
        await self._cease_watching()
        await self._office.end(OFFICE_SECONDS)

    async def _cease_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
            self._watching = None

    async def _play(self, show: int, stopped: "asyncio.Future[Any]") -> int | None:
        """Let the demo's show run. Its exit code, None where it was cut short by a stop."""
        program = (sys.executable, "-P", "-m", "durward.cli.demo_show", str(show))
        process = await asyncio.create_subprocess_exec(
            *program, pass_fds=(show,), start_new_session=True, env=bare_environment(os.environ)
        )
        ended = asyncio.ensure_future(process.wait())
        waited_for: list[asyncio.Future[Any]] = [ended, stopped]
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            return ended.result()
        process.terminate()
        await ended
        return None

    async def _end(self) -> None:
        if not self._others_serve:
            self._notifier.stopping()
        await self._cease_watching()
        if self._listener is not None:
            # The gate closes its copy; with ours gone too, new connections are refused instead of left waiting.
            os.close(self._listener)
            self._listener = None
        seconds, delay = self._launch.drain if self._reloading is None else self._reloading.drain
        delay = 0.0 if self._at_terminal or self._others_serve else delay
        gate = asyncio.ensure_future(self._gates.end(seconds, delay, succeeded=self._others_serve))
        hurry = asyncio.ensure_future(self._hurry.wait())
        waited_for: list[asyncio.Future[Any]] = [gate, hurry]
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        if not gate.done():
            log.warning("asked to stop again: calls still under way are cut and settled")
            await asyncio.gather(gate, self._gates.end(0.0))
        hurry.cancel()
        leaving = [self._office.end(0.0 if self._hurry.is_set() else OFFICE_SECONDS)]
        if self._demo is not None:
            leaving.append(self._demo.end(0.0))
        await asyncio.gather(*leaving)

    def _piece_of_settings(self, start: int) -> Message:
        """A part of the settings in force, which may be longer than an answer; `mark` tells one state of them from another."""
        reloading = self._reloading
        settings = content(self._launch.settings if reloading is None else reloading.settings)
        mark = 0 if reloading is None else reloading.times
        piece = settings[start : start + PIECE_BYTES] if start >= 0 else b""
        return {"piece": piece.decode("latin-1"), "size": len(settings), "mark": mark, "listen": self._launch.listen}

    async def _measured(self, message: Message) -> Message:
        """What the office asks for its metrics page: how each gate stands, and what we have done about our children."""
        gates = await self._gates.ask_each({"do": "measure"}, MEASURE_SECONDS)
        reloading = self._reloading
        return {
            "gates": gates,
            "processes": [
                *used("supervisor", os.getpid()),
                *(each for pid in self._gates.pids for each in used("gate", pid)),
                *used("office", self._office.pid),
            ],
            "starts": {"gate": self._gates.lives, "office": self._office.lives},
            "config": None
            if reloading is None
            else {"taken_over": reloading.times, "refused": bool(reloading.refused)},
        }

    async def _answer(self, message: Message) -> Message:
        command = message.get("do")
        if command == "status":
            return {
                "pid": os.getpid(),
                "address": self._launch.address,
                "gates": self._gates.pids,
                "refused": self._reloading.refused if self._reloading is not None else "",
                "office": self._office.pid,
                "admin": "" if self._launch.admin is None else shown_address(self._launch.admin),
            }
        if command == "settings":
            return self._piece_of_settings(int(message.get("from", 0)))
        if command == "health":
            return {"gates": await self._gates.ask_each(message, ANSWER_SECONDS)}
        if not isinstance(command, str) or not command.startswith("agent."):
            raise CallerError(f"There is no command {command!r}.")
        if self._place.promised:
            # The next gate may have read already who the agents are.
            raise GateError("Another Durward is taking over just now.", reason="stopping", remedy="Retry in a moment.")
        try:
            return await self._gates.command(message, ANSWER_SECONDS)
        except TimeoutError as error:
            raise GateError("The gate did not answer in time.", reason="overloaded") from error


def has_terminal() -> bool:
    """Whether this process has a controlling terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _gate_programs(launch: Launch) -> list[Program]:
    # The gates keep the lock too: while one finishes its calls, no other may open the journal, whatever became of us.
    fds: tuple[int, ...] = (launch.settings, launch.listener, launch.lock)
    if launch.workers == 1:
        return [Program("gate", "durward.server.gate", fds, vital=True, secrets=True, takes=True)]
    fds = (*fds, unnamed(room(launch.workers)))
    return [
        Program(
            *(f"gate {number}", "durward.server.gate", fds),
            vital=True,
            secrets=True,
            words=(str(number),),
            takes=True,
        )
        for number in range(launch.workers)
    ]


def main() -> int:
    """Run what the launch in argv[1] says."""
    log_to_stderr()
    try:
        launch = launched(int(sys.argv[1]))
        log_to_stderr(*launch.log)
        return asyncio.run(Supervisor(launch).run())
    except DurwardError as error:
        log.error("%s %s", error.message, error.remedy)
        return 1
    except OSError as error:
        log.error("Durward cannot run on: %s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
