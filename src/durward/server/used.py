"""What a process has of the machine. Standard library only."""

import os
from pathlib import Path

from durward.server.pair import Message

PROC = Path("/proc")


def used(name: str, pid: int | None, proc: Path = PROC) -> list[Message]:
    """Resident bytes and seconds of processor time of one of our processes; nothing where that cannot be seen, as on macOS."""
    if pid is None:
        return []
    try:
        pages = int((proc / str(pid) / "statm").read_text("ascii").split()[1])
        fields = (proc / str(pid) / "stat").read_text("utf-8").rpartition(")")[2].split()
    except (OSError, IndexError, ValueError):
        return []
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return [{"process": name, "pid": pid, "memory_bytes": pages * os.sysconf("SC_PAGE_SIZE"), "cpu_seconds": cpu}]
