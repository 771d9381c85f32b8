"""What the operating system says of a process and everything below it: CPU, memory, who is who."""

import os
import time
from collections.abc import Callable
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A figure could not be measured; the message says why."""


def tree(pid: int) -> list[int]:
    """A process and all its descendants, parents first."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    return found


def cpu(pids: list[int]) -> float:
    """Seconds of CPU, user and system, that these processes have used since they began."""
    ticks = 0
    for pid in pids:
        # The name in parentheses may hold anything; numbers follow the last one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def pss_mb(pid: int) -> float:
    """Memory in MB, pages that are shared counted in proportion."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise BenchError(f"no Pss of process {pid}")


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()


def wait_until(true: Callable[[], bool], seconds: float, what: str, pause: float = 0.005) -> float:
    """Wait for it; the seconds it took."""
    begin = time.monotonic()
    while not true():
        if time.monotonic() - begin > seconds:
            raise BenchError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)
    return time.monotonic() - begin
