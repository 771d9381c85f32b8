"""Callers who are as slow as they can be, in their heads, their bodies or their reading, beside others who call as usual."""

import asyncio
import contextlib
import socket
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench import bulk, prompts
from bench.pace import Pace, request
from bench.processes import BenchError
from bench.subjects import HERE, Place, Subject

CONNECTIONS = 2_000
KINDS = ("head", "body", "read")
CALLS_A_SECOND = 100
QUIET_SECONDS = 10.0
WATCHED_SECONDS = 20.0
LOOK_SECONDS, DRIP_SECONDS = 0.1, 1.0


ESTABLISHED = 1
"""The state of a connection as Linux numbers it (tcp_states.h)."""


class Seen(NamedTuple):
    """The p99 of usual calls in ms, without slow ones and beside them; how many failed; when the last slow one was cut, in seconds."""

    quiet: float
    beside: float
    failed: int
    cut_seconds: float


class SlowCaller:
    """One connection, which says a little now and then."""

    def __init__(self, port: int) -> None:
        self.end = socket.socket()
        # A small window, so that whoever does not read is noticed.
        self.end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.end.connect(("127.0.0.1", port))
        self.end.setblocking(False)

    def say(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.end.send(data)

    def drip(self, kind: str) -> None:
        """Say one byte more, or read a few."""
        with contextlib.suppress(OSError):
            if kind == "read":
                self.end.recv(32)
            else:
                self.end.send(b"x")

    def is_cut(self) -> bool:
        """Whether the gate has closed, or answered with a refusal and will read nothing more."""
        try:
            received = self.end.recv(16, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        if self.end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != ESTABLISHED:
            return True  # A reset is not told as long as there is something to read.
        return not received or received.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))


def measure(place: Place, subject: Subject, kind: str) -> Seen:
    return asyncio.run(_measure(place, subject, kind))


async def _measure(place: Place, subject: Subject, kind: str) -> Seen:
    pace = Pace(place, subject, CALLS_A_SECOND)
    quiet = sorted(await pace.until(asyncio.sleep(QUIET_SECONDS)))
    beside = []
    asked = place.folder / "slow.request"
    asked.write_bytes(request(place, subject.port, prompts.plain()))
    # A process of its own: what it does must not keep the calls waiting that are measured here.
    begun = asyncio.ensure_future(_attacker(subject.port, kind, asked))
    beside = sorted(await pace.until(begun))
    return Seen(_p99(quiet), _p99(beside), len(pace.failed), begun.result())


async def _attacker(port: int, kind: str, asked: Path) -> float:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.slow", str(port), kind, str(asked)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=HERE.parent,
    )
    said, wrong = await process.communicate()
    if process.returncode:
        raise BenchError(wrong.decode().strip().rpartition("\n")[2])
    return float(said)


async def _attack(port: int, kind: str, asked: bytes) -> float:
    """Open them, drip, and watch until all are cut: how many seconds after its own beginning the last one was."""
    head, _, body = asked.partition(b"\r\n\r\n")
    # What is read slowly is larger than what the system's buffers take.
    first = {"head": head[:40], "body": head + b"\r\n\r\n" + body[:10], "read": bulk.asked("GET", port)}[kind]
    callers: dict[SlowCaller, float] = {}
    longest = 0.0
    for number in range(CONNECTIONS):
        caller = SlowCaller(port)
        caller.say(first)
        callers[caller] = time.monotonic()
        if number % 50 == 0:
            await asyncio.sleep(0.02)
    drip_at = time.monotonic()
    deadline = drip_at + WATCHED_SECONDS
    while callers:
        if time.monotonic() > deadline:
            raise BenchError(f"{len(callers)} slow connections were not cut in {WATCHED_SECONDS:g} s")
        await asyncio.sleep(LOOK_SECONDS)
        now = time.monotonic()
        drips = now >= drip_at
        drip_at = now + DRIP_SECONDS if drips else drip_at
        for caller in list(callers):
            if caller.is_cut():
                longest = max(longest, time.monotonic() - callers.pop(caller))
                caller.end.close()
            elif drips:
                caller.drip(kind)
    return longest


def _p99(ordered: list[float]) -> float:
    return ordered[len(ordered) * 99 // 100]


if __name__ == "__main__":
    print(asyncio.run(_attack(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_bytes())))
