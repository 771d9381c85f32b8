"""Where the journal lies: `data_dir/journal/<writer>/<n>.jsonl`, `.jsonl.zst` once it is compressed, and beside the segments what else
belongs to their writer.

A writer is one process: its name is the host and the moment at which it began. It holds `lock` as long as it lives; `reserve` is where
calls settle when the disk is full; `claims` and `recovered` are left by whoever mends the chain of a writer that died.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

JOURNAL = "journal"
LOCK = "lock"
RESERVE = "reserve"
CLAIMS = "claims"
RECOVERED = "recovered"
SUFFIX = ".jsonl"
COMPRESSED = ".jsonl.zst"
UPKEEP = "upkeep"
"""The file that is locked by whoever compresses segments that are closed."""
HOST_LENGTH = 48
LONGEST_WRITER = 80
BLOCK = 64 * 1024

_FOREIGN = re.compile("[^a-z0-9.]+")
_SEGMENT = re.compile(r"([1-9]\d{0,17})\.jsonl(?:\.zst)?")
_WRITER = re.compile(r"[a-z0-9][a-z0-9.-]*-(\d{10,})")


def writer_name(host: str, moment_ms: int) -> str:
    """The name of a writer: a host name cut to what file names and JSON need no escape for, and a Unix time in milliseconds."""
    plain = _FOREIGN.sub("-", host.lower())[:HOST_LENGTH].strip(".-")
    return f"{plain or 'host'}-{moment_ms}"


def writers(journal: Path) -> list[Path]:
    """The folders of all writers, the one that began first first. Empty where there is no journal."""
    try:
        names = [path.name for path in journal.iterdir()]
    except FileNotFoundError:
        return []
    found = [(int(match[1]), name) for name in names if (match := _WRITER.fullmatch(name))]
    return [journal / name for _, name in sorted(found)]


def segments(writer: Path) -> list[int]:
    """The numbers of a writer's segments, ascending."""
    return sorted({int(match[1]) for path in writer.iterdir() if (match := _SEGMENT.fullmatch(path.name))})


def segment(writer: Path, number: int) -> Path:
    """The file of a segment that is not compressed."""
    return writer / f"{number}{SUFFIX}"


def compressed(writer: Path, number: int) -> Path:
    """The file of a segment that is."""
    return writer / f"{number}{COMPRESSED}"


def present(writer: Path, number: int) -> bool:
    """Whether a segment is there, in either form."""
    return segment(writer, number).exists() or compressed(writer, number).exists()


def worth_keeping(path: str) -> bool:
    """Whether a path below `data_dir/journal` is that of a file that a copy of the journal holds: a lock and what is under way is not."""
    writer, _, name = path.partition("/")
    known = name in {RESERVE, CLAIMS, RECOVERED} or _SEGMENT.fullmatch(name) is not None
    return known and len(writer) <= LONGEST_WRITER and _WRITER.fullmatch(writer) is not None


def whole_length(path: Path) -> int:
    """The bytes of a segment up to its last line's end; what follows is a line being written, or torn."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - BLOCK)
            file.seek(begin)
            at = file.read(end - begin).rfind(b"\n")
            if at >= 0:
                return begin + at + 1
            end = begin
    return 0


@contextmanager
def upkeep(journal: Path) -> Iterator[bool]:
    """Whether closed segments belong to this process while the block runs: nobody else changes their form."""
    lock = os.open(journal / UPKEEP, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield try_lock(lock)
    finally:
        os.close(lock)


@contextmanager
def dead(writer: Path) -> Iterator[bool]:
    """Whether a writer's process is gone: True holds its lock while the block runs, so that only one process mends its chain."""
    try:
        lock = os.open(writer / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        # The lock is the first thing a writer makes: this one is just beginning, or died before it wrote anything.
        yield False
        return
    try:
        yield try_lock(lock)
    finally:
        os.close(lock)


def lives(journal: Path, writer: str) -> bool:
    """Whether the process of a writer is alive. Looking does not keep another from looking; one that was cleared away is not."""
    try:
        lock = os.open(journal / writer / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def try_lock(fd: int) -> bool:
    """Lock an open file for as long as it stays open, unless another process, or another opening of it, has."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
