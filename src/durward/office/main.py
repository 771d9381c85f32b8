"""The office process: `python -m durward.office.main PAIR SETTINGS`, both descriptors. It opens no listener yet.

Takes new lines of the journal into the index, a few times a second, compresses segments that are closed while there are none, and
listens to the supervisor between. It ends when it is told to, with the index caught up as far as the time allows, and when the
supervisor is gone.
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
from pathlib import Path
from typing import Any, Protocol

from durward.calls.errors import DurwardError
from durward.config.settings import read_settings
from durward.records.compressing import Compressor
from durward.records.index import Indexer

log = logging.getLogger("office")

QUIET_SECONDS = 0.25
"""Between two looks at a journal that has nothing new."""
TROUBLE_SECONDS = 1.0
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

    def __init__(self, pair: socket.socket, indexer: Steps, spare: Spare) -> None:
        self._pair = pair
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
        return 0.0 if taken else QUIET_SECONDS

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
        if message["do"] == "drain":
            self._leave_by = time.monotonic() + float(message["seconds"])
        else:
            self._say({"id": message["id"]})

    def _say(self, message: dict[str, Any]) -> None:
        try:
            self._pair.sendall(json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            self._leave_by = time.monotonic()


def main() -> int:
    """Run on the descriptors of argv; the exit code."""
    logging.basicConfig(
        format="%(asctime)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ", level=logging.INFO, stream=sys.stderr
    )
    logging.Formatter.converter = time.gmtime
    # Whoever stops everything at once also stops the supervisor, which tells us when the gate has written its last line.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Calls come first: the index has time.
    os.nice(5)
    pair, settings = (int(word) for word in sys.argv[1:])
    wanted = read_settings(os.pread(settings, os.fstat(settings).st_size, 0))
    try:
        indexer = Indexer(Path(wanted.data_dir))
    except DurwardError as error:
        log.error("%s %s", error.message, error.remedy)
        return 1
    gc.freeze()
    gc.set_threshold(UNCOLLECTED)
    with socket.socket(fileno=pair) as end:
        Office(end, indexer, Compressor(Path(wanted.data_dir))).run()
    indexer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
