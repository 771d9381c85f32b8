"""What running calls notice of reloads: paced calls on connections that stay open, while the file changes a hundred times."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench.pace import Pace
from bench.processes import BenchError
from bench.subjects import Place, Subject
from durward.server.control import ask

RELOADS = 100
CALLS_A_SECOND = 200
QUIET_SECONDS = 15.0
PATIENCE = 30.0
MODELS = 2_000


class Noticed(NamedTuple):
    """Latencies in milliseconds without reloads and with them, in order of size; calls that failed; how long a reload took."""

    quiet: list[float]
    reloading: list[float]
    failed: int
    reload_seconds: float


def models() -> str:
    """Entries enough to make a file large."""
    entries = "".join(f"  model-{number}: {{provider: bench}}\n" for number in range(MODELS))
    return f'models:\n  "gpt-*": {{provider: bench}}\n{entries}'


async def measure(place: Place, subject: Subject, data_dir: Path) -> Noticed:
    """Call before and during the reloads, every third of which is of a broken file."""
    pace = Pace(place, subject, CALLS_A_SECOND)
    quiet = await pace.until(asyncio.sleep(QUIET_SECONDS))
    begin = time.monotonic()
    reloading = await pace.until(asyncio.to_thread(_reload_all, subject, data_dir))
    return Noticed(sorted(quiet), sorted(reloading), len(pace.failed), (time.monotonic() - begin) / RELOADS)


def _reload_all(subject: Subject, data_dir: Path) -> None:
    assert subject.config is not None
    good = subject.config.read_text()
    for number in range(RELOADS):
        broken = number % 3 == 2
        subject.config.write_text(good + (f"moode: x{number}\n" if broken else f"# {number}\n"))
        before = _told(data_dir, "settings")["mark"]
        os.kill(subject.pid, signal.SIGHUP)
        _wait(partial(_done, data_dir, "moode" if broken else "", number, before), f"reload {number}")


def _done(data_dir: Path, broken: str, number: int, before: int) -> bool:
    if broken:
        return f"{broken}: x{number}" in _told(data_dir, "status")["refused"]
    return bool(_told(data_dir, "settings")["mark"] > before)


def _told(data_dir: Path, what: str) -> dict[str, Any]:
    answer = ask(data_dir, {"do": what})
    if answer is None:
        raise BenchError("the supervisor is gone")
    return answer


def _wait(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise BenchError(f"waited too long for {what}")
        time.sleep(0.05)
