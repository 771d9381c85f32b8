"""What tests of records write with: a clock that stands still until it is told, calls, and a journal over them."""

import errno
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from durward.calls.identifiers import uuid7
from durward.calls.record import Closing, Opening
from durward.calls.tokens import Attempt, Tokens
from durward.records import layout
from durward.records.chain import GENESIS, read_link
from durward.records.heads import Signer, load_signer
from durward.records.journal import FileJournal
from durward.records.segment import RESERVED
from durward.records.times import timestamp

BEGIN = 1_795_000_000.0
"""A moment in November 2026."""


class Watch:
    """A Clock that tests move."""

    def __init__(self, now: float = BEGIN) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Disk:
    """A disk that is full, or broken, until it is mended; the reserve's room is ours all the same, unless that breaks too."""

    def __init__(self) -> None:
        self.error = 0
        self.bytes_left: int | None = None
        self.spares_reserve = True
        self.asked = 0

    def write(self, fd: int, data: bytes) -> int:
        if self.spares_reserve and os.fstat(fd).st_size == RESERVED:
            return os.write(fd, data)
        self.asked += 1
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        if self.bytes_left is not None:
            if not self.bytes_left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[: self.bytes_left]
            self.bytes_left -= len(data)
        return os.write(fd, data)

    def mend(self) -> None:
        self.error, self.bytes_left, self.spares_reserve = 0, None, True


class Calls:
    """Calls with ids of their moment, the same in every run."""

    def __init__(self, seed: int = 0, now: float = BEGIN) -> None:
        self.choose = random.Random(seed)
        self.now = now

    def opening(self, **members: Any) -> Opening:
        self.now += 0.05
        usual: dict[str, Any] = {
            "resource": "model/gpt-4o-mini",
            "action": "generate",
            "effect": "read",
            "protocol": "openai_chat",
            "trace": self.choose.randbytes(16).hex(),
            "decision": "allow",
            "rule": "work",
            "model": "gpt-4o-mini",
            "reserved_nano": 5_000,
        }
        identifier = uuid7(int(self.now * 1000), self.choose.randbytes(10))
        return Opening(identifier, timestamp(self.now), **{"agent": "support"} | usual | members)

    def closing(self, opening: Opening, **members: Any) -> Closing:
        usual: dict[str, Any] = {
            "outcome": "ok",
            "status": 200,
            "provider": "openai",
            "upstream_model": "gpt-4o-mini-2026",
            "duration_ms": 640.25,
            "first_byte_ms": 412.5,
            "bytes_in": 100,
            "bytes_out": 200,
            "request_id": "req_1",
            "attempts": [Attempt("openai", "gpt-4o-mini-2026", 200, "", 640.0)],
            "cost_nano": 1_234,
            "tokens": Tokens(10, 2, 0, 5, 1),
        }
        return Closing(opening.id, **usual | members)

    def refusal(self, opening: Opening, **members: Any) -> Closing:
        return Closing(
            opening.id, **dict[str, Any]({"outcome": "refused", "status": 403, "reason": "denied"}) | members
        )


@contextmanager
def journal(data_dir: Path, watch: Watch | None = None, *, signed: bool = False) -> Iterator[FileJournal]:
    """A journal that is closed at the end."""
    signer: Signer | None = load_signer(data_dir) if signed else None
    written = FileJournal(data_dir, "test", watch or Watch(), signer)
    try:
        yield written
    finally:
        written.close()


def after_death(data_dir: Path) -> Path:
    """What a start finds if every process over `data_dir` is killed just now: the same files, and nobody holds a lock."""
    found = data_dir.with_name(f"{data_dir.name}-after")
    shutil.rmtree(found, ignore_errors=True)
    shutil.copytree(data_dir, found)
    return found


def content(written: FileJournal) -> bytes:
    """Every byte of a writer's segments."""
    assert written.writer is not None
    return b"".join(layout.segment(written.writer, number).read_bytes() for number in layout.segments(written.writer))


def kinds(lines: bytes) -> list[str]:
    """The types of lines, in order; every line must be sealed and follow the one before."""
    found = []
    seq, prev = 0, GENESIS
    for line in lines.splitlines(keepends=True):
        link = read_link(line)
        assert link is not None, line
        assert (link.seq, link.prev) == (seq + 1, prev), line
        seq, prev = link.seq, link.hash
        found.append(link.kind)
    return found


def lines(written: FileJournal) -> list[dict[str, object]]:
    """What a writer's lines hold."""
    return [msgspec.json.decode(line) for line in content(written).splitlines()]
