"""The office process: `python -m durward.office.main PAIR SETTINGS [LISTENER]`, all descriptors.

Serves the admin listener on a thread of its own, where there is one. Takes new lines of the journal into the index, a few times a
second, compresses segments that are closed while there are none, and listens to the supervisor between. It ends when it is told to, with
the index caught up as far as the time allows, and when the supervisor is gone.
"""

import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from durward.calls.errors import DurwardError
from durward.config.log import log_to_stderr
from durward.config.settings import Settings, read_settings
from durward.office.call_log import CallLog
from durward.office.link import Link
from durward.office.tally import Tally
from durward.records.compressing import Compressor
from durward.records.index import Indexer
from durward.records.merging import Pair
from durward.records.times import timestamp

log = logging.getLogger("office")

QUIET_SECONDS = 0.25
"""Between two looks at a journal that has nothing new."""
TROUBLE_SECONDS = 1.0
BEFORE_SECONDS = 60.0
"""Of a journal that nobody had indexed, calls that ended so long before the office's start are counted: the gate is there first."""
RECEIVED_BYTES = 64 * 1024
UNCOLLECTED = 50_000
"""Objects made before the collector looks for cycles. A batch has some thousand, none of them in a cycle."""


class Steps(Protocol):
    """What brings the index up to date, a step at a time."""

    def step(self) -> int: ...


class Spare(Protocol):
    """What is done while there is nothing to index, a step at a time; whether there is more."""

    def step(self) -> bool: ...


class Office:
    """One life of the office."""

    def __init__(self, pair: socket.socket, indexer: Steps, spare: Spare, link: Link | None = None) -> None:
        self._pair = pair
        self._link = link or Link(pair)
        self.caught_up = time.monotonic()
        """When the index last held all that the journal held."""
        self._indexer = indexer
        self._spare = spare
        self._rest = b""
        self._leave_by: float | None = None
        self._trouble = ""

    def run(self) -> None:
        """Index until it is time to leave."""
        self._say({"event": "ready"})
        while self._leave_by is None:
            wait = self._step()
            self._listen(0.0 if wait == QUIET_SECONDS and self._spare.step() else wait)
        while self._step() == 0.0 and time.monotonic() < self._leave_by:
            pass

    def _step(self) -> float:
        """One step. How long to wait before the next."""
        try:
            taken = self._indexer.step()
        except DurwardError as error:
            if self._trouble != error.message:
                log.error("%s The index waits; %s", error.message, error.remedy)
            self._trouble = error.message
            return TROUBLE_SECONDS
        self._trouble = ""
        if taken:
            return 0.0
        self.caught_up = time.monotonic()
        return QUIET_SECONDS

    def _listen(self, seconds: float) -> None:
        """Hear what the supervisor says within so many seconds."""
        if not select.select([self._pair], [], [], seconds)[0]:
            return
        received = self._pair.recv(RECEIVED_BYTES)
        if not received:
            log.warning("the supervisor is gone")
            self._leave_by = time.monotonic()
        *lines, self._rest = (self._rest + received).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, message: dict[str, Any]) -> None:
        if "to" in message:
            self._link.hear(message)
        elif message["do"] == "drain":
            self._leave_by = time.monotonic() + float(message["seconds"])
        else:
            self._say({"id": message["id"]})

    def _say(self, message: dict[str, Any]) -> None:
        try:
            self._link.say(message)
        except BrokenPipeError:
            self._leave_by = time.monotonic()


def main() -> int:
    """Run on the descriptors of argv; the exit code."""
    log_to_stderr()
    # Whoever stops everything at once also stops the supervisor, which tells us when the gate has written its last line.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Calls come first: the index has time.
    os.nice(5)
    pair, settings, *listener = (int(word) for word in sys.argv[1:])
    wanted = read_settings(os.pread(settings, os.fstat(settings).st_size, 0))
    log_to_stderr(wanted.log.format, wanted.log.level)
    tally, calls = Tally(), CallLog()
    takers = [*([tally.take] if listener else []), *([calls.take] if wanted.log.calls else [])]
    try:
        indexer = Indexer(
            Path(wanted.data_dir), partial(_tell, takers) if takers else None, partial(_skip, tally, calls, 0.0)
        )
    except DurwardError as error:
        log.error("%s %s", error.message, error.remedy)
        return 1
    gc.freeze()
    gc.set_threshold(UNCOLLECTED)
    if indexer.is_new:
        # Whatever is older was counted, and told, in another life.
        _skip(tally, calls, BEFORE_SECONDS)
    with socket.socket(fileno=pair) as end:
        office = Office(end, indexer, Compressor(Path(wanted.data_dir)), link := Link(end))
        door = _door(listener[0], wanted, tally, link, office) if listener else None
        office.run()
        if door is not None:
            door.stop()
    indexer.close()
    return 0


def _tell(takers: Sequence[Callable[[list[Pair]], None]], pairs: list[Pair]) -> None:
    for take in takers:
        take(pairs)


def _skip(tally: Tally, calls: CallLog, seconds: float) -> None:
    """Count and tell nothing of calls that ended longer ago: they were counted."""
    tally.since = calls.since = timestamp(time.time() - seconds)


def _door(listener: int, settings: Settings, tally: Tally, link: Link, office: Office) -> Any:
    """The listener's thread, started. What it needs is many times larger than the rest of the office, and only loaded for it."""
    module = import_module("durward.office.door")
    door = module.Door(socket.socket(fileno=listener), settings, tally, link, lambda: office.caught_up)
    door.start()
    return door


if __name__ == "__main__":
    sys.exit(main())
