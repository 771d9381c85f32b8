"""The bounds of the caller's side: how many, how much, how long; and how much memory this process may use at all."""

from pathlib import Path
from typing import Final, NamedTuple

MOST_BODY_MEMORY: Final = 512 * 2**20
CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")
MEMBERSHIP: Final = Path("/proc/self/cgroup")


class Bounds(NamedTuple):
    """What one edge grants its callers. Times are in seconds and kept within a second, sizes in bytes."""

    connections: int = 10_000
    body_memory: int = MOST_BODY_MEMORY
    """Of all request bodies together, as long as their calls last."""
    head_seconds: float = 10.0
    """From the first byte of a head, or from the connection's start, to the head's end."""
    idle_seconds: float = 75.0
    """Between two requests of one connection."""
    body_seconds: float = 10.0
    """How long a body that is waited for may stay behind `body_rate`."""
    body_rate: float = 1024.0
    reader_seconds: float = 60.0
    """How long a caller may take none of the answer that waits for it."""
    linger_seconds: float = 5.0
    """How long a connection is read, and what comes thrown away, after an answer that ends it, so that the answer can be read."""
    linger_bytes: int = 64 * 2**20
    farewell_seconds: float = 2.0
    """How long an idle connection stays when the edge drains: a request may be on its way already."""


def body_memory(groups: Path = CONTROL_GROUPS, membership: Path = MEMBERSHIP) -> int:
    """The bound of all buffered bodies: 512 MiB, or a quarter of the memory that this process's control groups allow."""
    limits = [limit for folder in _folders(groups, membership) if (limit := _limit(folder)) is not None]
    return min([MOST_BODY_MEMORY, *(limit // 4 for limit in limits)])


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
