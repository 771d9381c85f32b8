"""What callers notice when one Durward after another takes over: paced calls, and streams that live through several of them."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from bench import prompts
from bench.pace import PATIENCE, Pace, request
from bench.processes import BenchError
from bench.streams import EVENTS, LAST
from bench.subjects import DURWARD, Place, Subject, write_config

TAKEOVERS = 20
CALLS_A_SECOND = 500
STREAMS = 200
GAP = 0.05
"""Seconds between two events: a stream lives for five seconds."""
PAUSE = 1.0
"""Between two take-overs."""


class Seen(NamedTuple):
    """Calls and streams that ended, those that did not as they should, the calls' p99 in ms, and how long a take-over took."""

    calls: int
    streams: int
    failed: list[str]
    p99: float
    seconds: float


class Streams:
    """So many streams at any moment, each on a connection of its own, each read to its end."""

    def __init__(self, place: Place, port: int) -> None:
        self._request = request(place, port, prompts.stream())
        self._port = port
        self.complete = 0
        self.failed: list[str] = []

    async def until(self, done: "asyncio.Future[None]") -> None:
        await asyncio.gather(*(self._stream_on(done, number) for number in range(STREAMS)))

    async def _stream_on(self, done: "asyncio.Future[None]", number: int) -> None:
        await asyncio.sleep(number * GAP * EVENTS / STREAMS)
        while not done.done():
            try:
                await asyncio.wait_for(self._stream(), PATIENCE)
            except (OSError, ValueError, TimeoutError) as error:
                self.failed.append(f"stream: {type(error).__name__}: {error}")

    async def _stream(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(self._request)
            received = b""
            while not received.endswith(LAST):
                piece = await reader.read(65536)
                received += piece
                if not piece:
                    raise ValueError(f"cut after {len(received)} bytes: {received[:80]!r}")
            # Without the usage event, which the gate had asked for.
            if not received.startswith(b"HTTP/1.1 200 ") or received.count(b"data: ") != EVENTS - 1:
                raise ValueError(f"not what was sent: {received[:80]!r}")
            self.complete += 1
        finally:
            writer.close()


async def measure(place: Place, data_dir: Path) -> Seen:
    """Start one, then take over again and again under load; all of them are ended."""
    config = write_config(place, f"http://127.0.0.1:{place.ports.streams}/v1", data_dir)
    port = place.ports.gate
    async with _ended() as started:
        first = await _up(place, config, started)
        pace = Pace(place, Subject(first.pid, port, config), CALLS_A_SECOND)
        streams = Streams(place, port)
        took: list[float] = []
        work = asyncio.ensure_future(_take_over_all(place, config, started, took))
        latencies, _ = await asyncio.gather(pace.until(work), streams.until(work))
        latencies.sort()
        p99 = latencies[len(latencies) * 99 // 100]
        failed = [*pace.failed, *streams.failed]
        return Seen(len(latencies), streams.complete, failed, p99, sum(took) / len(took))


async def _take_over_all(
    place: Place, config: Path, started: "list[asyncio.subprocess.Process]", took: list[float]
) -> None:
    await asyncio.sleep(GAP * EVENTS)
    for _ in range(TAKEOVERS):
        begin = time.monotonic()
        await _up(place, config, started)
        took.append(time.monotonic() - begin)
        await asyncio.sleep(PAUSE)
    for old in started[:-1]:
        if await asyncio.wait_for(old.wait(), PATIENCE):
            raise BenchError(f"one that was taken over from ended with {old.returncode}")


async def _up(place: Place, config: Path, started: "list[asyncio.subprocess.Process]") -> asyncio.subprocess.Process:
    """One more `durward up`, ready."""
    process = await asyncio.create_subprocess_exec(
        *("taskset", "-c", str(place.subject_core), str(DURWARD), "up", "-c", str(config)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"BENCH_CREDENTIAL": "sk-upstream"},
    )
    started.append(process)
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while b"is ready on" not in (line := await process.stdout.readline()):
            if not line:
                raise BenchError(f"durward up ended with {await process.wait()}")
    return process


@contextlib.asynccontextmanager
async def _ended() -> AsyncIterator["list[asyncio.subprocess.Process]"]:
    started: list[asyncio.subprocess.Process] = []
    try:
        yield started
    finally:
        for process in started:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await process.wait()
