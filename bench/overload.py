"""Ten times the calls that a gate can carry, for a minute, from callers that never wait for an answer before the next call is due.

A call is due whether a connection is free for it or not; one for which none is free is lost to its caller, as in a client whose pool is
exhausted. What is refused is asked again at once, on the same connection.
"""

import asyncio
import contextlib
import os
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple, cast

import uvloop

from bench import prompts
from bench.processes import BenchError
from bench.subjects import PATH, Place, Subject

FACTOR = 10
SECONDS = 60.0
PEAK_SECONDS = 5.0
PEAK_CONNECTIONS = 64
MOST_CONNECTIONS = 2_000
PATIENCE = 10.0
CAP_MB = 512
STEP = 0.002
LOOK = 0.25
PAUSE = 0.05
CALM = 5
"""So many calls in a row that take no longer than usual: the gate has recovered."""
RECOVERY_SECONDS = 30.0


class Overloaded(NamedTuple):
    """Calls answered well a second at the peak and under overload, and how it ended.

    `waited` is the p99 of calls that were answered well, `recovered` how long after the storm calls took as long as before, in seconds.
    """

    peak: float
    goodput: float
    offered: float
    answers: Counter[str]
    waited: float
    recovered: float
    most_mb: float
    checks: Counter[int]


class Caller(asyncio.Protocol):
    """One connection with at most one call on it."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._received = b""
        self.since = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def ask(self, request: bytes, now: float) -> None:
        assert self.transport is not None
        self.since = now
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        if end < 0 or len(received) < end + 4 + _length(received[:end]):
            self._received = received
            return
        self._received = b""
        self._load.answered(self, int(received[9:12]), b"\r\nConnection: close" in received[:end])

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(self)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])


class Load:
    """Calls on as many connections as are allowed."""

    def __init__(self, port: int, request: bytes, most: int) -> None:
        self._port = port
        self._request = request
        self._most = most
        self._opening = 0
        self._free: list[Caller] = []
        self._busy: set[Caller] = set()
        self.answers: Counter[str] = Counter()
        self.waits: list[float] = []
        self.closed_loop = False
        self.first = asyncio.Event()
        """Set with the first answer."""

    async def open(self, count: int) -> None:
        """Connect so many."""
        loop = asyncio.get_running_loop()
        self._opening += count
        for _ in range(count):
            with contextlib.suppress(OSError):
                _, caller = await loop.create_connection(lambda: Caller(self), "127.0.0.1", self._port)
                self._free.append(caller)
            self._opening -= 1

    def call(self) -> bool:
        """Make a call, if a connection is free for it."""
        if not self._free:
            return False
        caller = self._free.pop()
        self._busy.add(caller)
        caller.ask(self._request, time.monotonic())
        return True

    def answered(self, caller: Caller, status: int, closes: bool) -> None:
        self._busy.discard(caller)
        self.answers[str(status)] += 1
        self.first.set()
        if status == 200:
            self.waits.append(time.monotonic() - caller.since)
        if not closes:
            self._free.append(caller)
            if self.closed_loop:
                self.call()

    def lost(self, caller: Caller) -> None:
        if caller in self._busy:
            self._busy.discard(caller)
            self.answers["lost"] += 1
        elif caller in self._free:
            self._free.remove(caller)

    def lose_patience(self) -> None:
        """Hang up where no answer came for too long."""
        late = [caller for caller in self._busy if time.monotonic() - caller.since > PATIENCE]
        for caller in late:
            self._busy.discard(caller)
            self.answers["no answer in time"] += 1
            assert caller.transport is not None
            caller.transport.abort()

    def missing(self) -> int:
        """How many more connections there may be."""
        return self._most - self._opening - len(self._free) - len(self._busy)

    async def storm(self, rate: float, seconds: float) -> float:
        """Calls at this rate, whatever becomes of them; how many a second were offered."""
        begin = looked = time.monotonic()
        due = 0
        opening: set[asyncio.Task[None]] = set()
        while (elapsed := time.monotonic() - begin) < seconds:
            fresh, due = int(rate * elapsed) - due, int(rate * elapsed)
            while fresh and self.call():
                fresh -= 1
            self.answers["no connection"] += fresh
            if (missing := self.missing()) > 0 and len(opening) < 8:
                task = asyncio.ensure_future(self.open(min(missing, 50)))
                opening.add(task)
                task.add_done_callback(opening.discard)
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                self.lose_patience()
            await asyncio.sleep(STEP)
        for task in opening:
            task.cancel()
        return due / seconds

    def close(self) -> None:
        self.closed_loop = False
        for caller in [*self._free, *self._busy]:
            assert caller.transport is not None
            caller.transport.abort()
        self._free.clear()
        self._busy.clear()


def measure(place: Place, subject: Subject, seconds: float = SECONDS) -> Overloaded:
    """The peak, the storm, and how long it takes to recover."""
    return uvloop.run(_measure(place, subject, seconds))


async def _measure(place: Place, subject: Subject, seconds: float) -> Overloaded:
    request = _request(place, subject)
    base = await _usual(subject, request)
    peak = await _peak(subject, request)
    pid = subject.gate_pid()
    load = Load(subject.port, request, MOST_CONNECTIONS)
    watch = asyncio.ensure_future(_watch(subject, pid))
    offered = await load.storm(peak * FACTOR, seconds)
    answers, waits = load.answers, sorted(load.waits)
    load.close()
    recovered = await _recovery(subject, request, base)
    watch.cancel()
    most_mb, checks = (await asyncio.gather(watch))[0]
    if subject.gate_pid() != pid:
        raise BenchError("the gate was replaced")
    return Overloaded(
        *(peak, answers["200"] / seconds, offered, answers),
        *(waits[len(waits) * 99 // 100 - 1], recovered, most_mb, checks),
    )


def _request(place: Place, subject: Subject) -> bytes:
    body = prompts.plain()
    lines = (place.folder / "headers.txt").read_text().splitlines()
    host = f"Host: 127.0.0.1:{subject.port}"
    head = [f"POST {PATH} HTTP/1.1", host, f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


async def _usual(subject: Subject, request: bytes) -> float:
    """How long a call takes where nothing else happens: the p90 of some, in seconds."""
    took = [await _one(subject, request) for _ in range(40)]
    return sorted(second for second in took if second is not None)[35]


async def _one(subject: Subject, request: bytes) -> float | None:
    """One call on a connection of its own; None where it is not answered well."""
    load = Load(subject.port, request, 1)
    await load.open(1)
    if load.call():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(load.first.wait(), PATIENCE)
    load.close()
    return load.waits[0] if load.waits else None


async def _peak(subject: Subject, request: bytes) -> float:
    load = Load(subject.port, request, PEAK_CONNECTIONS)
    load.closed_loop = True
    await load.open(PEAK_CONNECTIONS)
    while load.call():
        pass
    begin = time.monotonic()
    await asyncio.sleep(PEAK_SECONDS)
    elapsed, answers = time.monotonic() - begin, load.answers
    load.close()
    if answers.keys() != {"200"}:
        raise BenchError(f"at the peak: {answers}")
    return answers["200"] / elapsed


async def _recovery(subject: Subject, request: bytes, base: float) -> float:
    """Seconds until calls are answered again as they were."""
    begin = time.monotonic()
    calm, since = 0, 0.0
    while calm < CALM:
        sent = time.monotonic()
        took = await _one(subject, request)
        if took is not None and took <= max(2 * base, 0.1):
            calm += 1
            since = since or sent
        else:
            calm, since = 0, 0.0
        if sent - begin > RECOVERY_SECONDS:
            raise BenchError(f"not recovered within {RECOVERY_SECONDS:g} s")
        await asyncio.sleep(PAUSE)
    return since - begin


async def _watch(subject: Subject, pid: int) -> tuple[float, Counter[int]]:
    """Memory of the gate at its most, in MB, and what its health checks were answered, until cancelled."""
    most, checks = 0.0, Counter[int]()
    check = b"GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", subject.port)
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            most = max(most, _resident_mb(pid))
            writer.write(check)
            try:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\nok\n"), PATIENCE)
                checks[int(head[9:12])] += 1
            except (OSError, EOFError, TimeoutError):
                checks[0] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", subject.port)
            await asyncio.sleep(0.25)
    writer.close()
    return most, checks


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
