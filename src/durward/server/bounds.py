"""The bounds of the caller's side: how many, how much, how long; and how much memory this process may use at all."""

import os
import resource
from pathlib import Path
from typing import Final, NamedTuple

from durward.config.settings import Overload

MOST_BODY_MEMORY: Final = 512 * 2**20
CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")
MEMBERSHIP: Final = Path("/proc/self/cgroup")
MOST: Final = 10_000
"""Callers connected, and calls in progress, where nobody says otherwise."""
FEWEST: Final = 64
CALL_MEMORY: Final = 64 * 1024
"""What a call in progress may take on average, beside large bodies."""
OTHERS_MEMORY: Final = 128 * 2**20
"""What supervisor and office take of a control group's memory."""
ENOUGH_FILES: Final = 10_240
"""Where there is no limit: macOS takes no more."""
SPARE_FILES: Final = 64
"""Descriptors for everything that is no connection."""


class Bounds(NamedTuple):
    """What one edge grants its callers. Times are in seconds and kept within half a second: those of 9.5 s mean 10 s at most.

    Sizes are in bytes.
    """

    connections: int = 10_000
    calls: int = 10_000
    """In progress together."""
    body_memory: int = MOST_BODY_MEMORY
    """Of all request bodies together, as long as their calls last; and as much of all answers that are held whole."""
    memory: int = 2**40
    """Of the process."""
    head_seconds: float = 9.5
    """From the first byte of a head, or from the connection's start, to the head's end."""
    idle_seconds: float = 75.0
    """Between two requests of one connection."""
    body_seconds: float = 9.5
    """How long a body that is waited for may stay behind `slowest`."""
    slowest: float = 1024.0
    """Bytes a second, of bodies that come and of answers that are taken."""
    reader_seconds: float = 9.5
    """How long a caller may stay behind `slowest` in taking the answer that waits for it."""
    linger_seconds: float = 5.0
    """How long a connection is read, and what comes thrown away, after an answer that ends it, so that the answer can be read."""
    linger_bytes: int = 64 * 2**20
    farewell_seconds: float = 2.0
    """How long an idle connection stays when the edge drains: a request may be on its way already."""


def bounds(said: Overload, limit: int | None, machine: int, files: int, workers: int = 1) -> Bounds:
    """What the operator said, and for the rest what follows; of one gate, where `workers` share evenly what is there.

    `limit` is the memory that the control groups allow, if they do, `machine` all there is, `files` how many descriptors there may be:
    a call needs up to two of them, so connections get less than half whatever was said.
    """
    if limit is None or limit > machine:
        # No group sets a bound; the older interface writes an absurd number there.
        memory = min(said.memory or machine, machine)
    else:
        memory = min(said.memory or limit, max(limit - OTHERS_MEMORY, limit // 2))
    memory //= workers
    allowed = max(1, (files - SPARE_FILES) // 2)
    return Bounds(
        connections=min(-(-said.connections // workers) or MOST, allowed),
        calls=-(-said.calls // workers) or min(MOST, max(FEWEST, memory // CALL_MEMORY)),
        body_memory=min(MOST_BODY_MEMORY, memory // 4),
        memory=memory,
    )


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def raise_files() -> int:
    """Have as many descriptors as the hard limit allows; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH_FILES if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return max(soft, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def memory_limit(groups: Path = CONTROL_GROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """The memory that this process's control groups allow; None where they set no bound."""
    limits = [limit for folder in _folders(groups, membership) if (limit := _limit(folder)) is not None]
    return min(limits, default=None)


def _folders(groups: Path, membership: Path) -> list[Path]:
    """The control groups that bound this process's memory, inner and outer ones, of both versions of the interface."""
    try:
        lines = membership.read_text("utf-8").splitlines()
    except OSError:
        return []  # no Linux: nothing bounds but the machine
    folders: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            root = groups / controllers
            own = root / path.lstrip("/")
            folders += [own, *(outer for outer in own.parents if outer.is_relative_to(root))]
    return folders


def _limit(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            text = (folder / name).read_text("utf-8").strip()
        except OSError:
            continue
        return int(text) if text.isdigit() else None
    return None
