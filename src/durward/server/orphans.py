"""What is left of processes whose parents are gone is collected: process 1 of a container inherits them. Standard library only."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

LOOK_SECONDS = 5.0
PROC = Path("/proc")


class Orphans:
    """Looks for ended children that nobody waits for. Those of our own are waited for at once, so whoever is there twice is none."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    async def collect(self) -> None:
        """Look now and then, for as long as this task lives."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Collect those that were there at the last look already."""
        ended = ended_children(os.getpid())
        for pid in ended & self._seen:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._seen = ended - self._seen


def ended_children(parent: int) -> set[int]:
    """Pids of the children that have ended and are not collected (proc(5): `pid (name) state ppid …`)."""
    found = set()
    for stat in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):
            state, ppid = stat.read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
            if state == "Z" and int(ppid) == parent:
                found.add(int(stat.parent.name))
    return found
