"""What running calls notice of reloads: paced calls on connections that stay open, while the file changes a hundred times."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench import prompts
from bench.processes import BenchError
from bench.subjects import PATH, Place, Subject
from durward.server.control import ask

RELOADS = 100
CONNECTIONS = 16
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
    load = Load(place, subject)
    quiet = await load.until(asyncio.sleep(QUIET_SECONDS))
    begin = time.monotonic()
    reloading = await load.until(asyncio.to_thread(_reload_all, subject, data_dir))
    return Noticed(sorted(quiet), sorted(reloading), load.failed, (time.monotonic() - begin) / RELOADS)


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


class Load:
    """Calls at a steady pace; a call that fails is counted, and its connection opened anew."""

    def __init__(self, place: Place, subject: Subject) -> None:
        body = prompts.plain()
        lines = (place.folder / "headers.txt").read_text().splitlines()
        head = [
            f"POST {PATH} HTTP/1.1",
            f"Host: 127.0.0.1:{subject.port}",
            f"Content-Length: {len(body)}",
            *lines,
            "",
            "",
        ]
        self._request = "\r\n".join(head).encode() + body
        self._port = subject.port
        self.failed = 0

    async def until(self, work: "asyncio.Future[None] | Any") -> list[float]:
        """The latencies of all calls that were begun before `work` was done."""
        done = asyncio.ensure_future(work)
        took: list[float] = []
        await asyncio.gather(*(self._call_on(done, took, number) for number in range(CONNECTIONS)))
        await done
        return took

    async def _call_on(self, done: "asyncio.Future[None]", took: list[float], number: int) -> None:
        pause = CONNECTIONS / CALLS_A_SECOND
        due = time.monotonic() + pause * number / CONNECTIONS
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while not done.done():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += pause
            begin = time.monotonic()
            try:
                writer.write(self._request)
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
                length = int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
                await asyncio.wait_for(reader.readexactly(length), PATIENCE)
                self.failed += not head.startswith(b"HTTP/1.1 200 ")
            except (OSError, EOFError, TimeoutError, ValueError):
                self.failed += 1
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            took.append((time.monotonic() - begin) * 1000)
        writer.close()
