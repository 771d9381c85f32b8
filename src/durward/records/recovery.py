"""Looks after writers that are gone: their torn last line, their reserve, and the calls that they left open.

A writer is gone when its lock is free. Each of its intents without an end becomes an `unknown` line in the chain of a writer that lives,
and a `recovered` line there vouches for the end of its chain. Before the first of them the mending writer leaves its name in `claims`,
after the last the mark `recovered`: whoever comes in between looks into the chains that are named, so that no call ends twice.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from durward.records import layout
from durward.records.chain import Link, read_link
from durward.records.compressing import expand
from durward.records.following import Follower
from durward.records.journal import FileJournal, unknown
from durward.records.pending import Posted
from durward.records.syncing import entries_to_disk, to_disk

EVERY_SECONDS = 5.0
STOP_SECONDS = 2.0
CHUNK = 256 * 1024
"""Bytes that are looked through at once: half a millisecond in which the event loop cannot run."""

log = logging.getLogger("recovery")

Lines = list[tuple[bytes, bytes]]


class _Glance(msgspec.Struct, gc=False):
    """As much of a line as recovery needs."""

    type: str
    id: str = ""
    reserved_nano: int | None = None
    open: dict[str, int | None] = {}
    of: str = ""


_glances = msgspec.json.Decoder(_Glance)


class Estate(NamedTuple):
    """What a writer left behind."""

    end: Link | None
    """Its last line, None where it wrote none."""
    open: dict[str, int | None]
    cut: int
    """Bytes of a torn last line."""


class Recovery:
    """Mends what earlier writers left; `look` does all that can be done now.

    `wait` returns once posted lines are written, False if they will not be.
    """

    def __init__(self, journal: FileJournal, data_dir: Path, wait: Callable[[Posted], bool]) -> None:
        self._journal = journal
        self._folder = data_dir / layout.JOURNAL
        self._wait = wait
        self._done: set[str] = set()
        self._trouble: dict[str, str] = {}

    def look(self) -> None:
        """Mend every writer that is gone. One that cannot be mended yet is tried again at the next look, and said once."""
        own = self._journal.writer
        if own is None:
            return
        for writer in layout.writers(self._folder):
            if writer.name in self._done or writer == own:
                continue
            try:
                if (writer / layout.RECOVERED).exists() or self._mend(writer, own.name):
                    self._done.add(writer.name)
            except OSError as error:
                if self._trouble.get(writer.name) != str(error):
                    log.warning("%s cannot be looked after yet: %s", writer.name, error)
                self._trouble[writer.name] = str(error)

    def _mend(self, writer: Path, own: str) -> bool:
        with layout.dead(writer) as gone:
            if not gone:
                return False
            if (writer / layout.RECOVERED).exists():
                return True
            claimed = _claims(writer)
            _note(writer / layout.CLAIMS, own)
            estate = settle_estate(writer)
            already = _settled_elsewhere(self._folder, claimed, writer.name)
            if already is not None and not self._tell(writer.name, estate, already):
                return False
            (writer / layout.RESERVE).unlink(missing_ok=True)
            _note(writer / layout.RECOVERED, own)
            return True

    def _tell(self, writer: str, estate: Estate, already: set[str]) -> bool:
        """Write the writer's end into our chain, whatever of it was not yet in another's."""
        end = estate.end
        lines: Lines = [
            (b"unknown", unknown(call, reserved) + b',"of":%b' % msgspec.json.encode(writer))
            for call, reserved in estate.open.items()
            if call not in already
        ]
        told = {
            "of": writer,
            "last": end.seq if end else 0,
            "digest": end.hash.decode() if end else "",
            "unknown": len(estate.open),
            "cut": estate.cut,
        }
        lines.append((b"recovered", msgspec.json.encode(told)[1:-1]))
        if estate.open:
            log.warning("%s ended; calls that it left open and that are now unknown: %d", writer, len(estate.open))
        return self._wait(self._journal.post(lines))


def settle_estate(writer: Path) -> Estate:
    """Cut a torn last line, bring the reserve's lines in, and find the calls that were left open. Raises OSError."""
    for number in reversed(layout.segments(writer)):
        # Compressed only where the disk lost all that was in the next one.
        path = expand(writer, number)
        whole = layout.whole_length(path)
        cut = path.stat().st_size - whole
        if cut:
            os.truncate(path, whole)
        if not whole:
            # A segment that was begun and got no line: the one before is the last.
            continue
        end = _bring_in_reserve(writer, path)
        # A writer that ended in order has left no call open.
        return Estate(end, {} if end and end.kind == "close" else _left_open(writer, number), cut)
    return Estate(None, {}, 0)


def _bring_in_reserve(writer: Path, path: Path) -> Link | None:
    """Append those lines of the reserve that the chain does not have yet; its last line then."""
    end = _last_link(path)
    reserve = writer / layout.RESERVE
    if end is None or not reserve.exists():
        return end
    fresh = b""
    for line in reserve.read_bytes().split(b"\n"):
        link = read_link(line + b"\n")
        if link is None:
            break
        if link.seq == end.seq + 1 and link.prev == end.hash:
            fresh += line + b"\n"
            end = link
    if fresh:
        with path.open("ab") as file:
            file.write(fresh)
            file.flush()
            # Before the reserve is taken away: it is where these lines were known to be.
            to_disk(file.fileno())
    return end


def _last_link(path: Path) -> Link | None:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        back = layout.BLOCK
        while True:
            file.seek(max(0, size - back))
            lines = file.read().split(b"\n")
            if len(lines) > 2 or back >= size:
                return read_link(lines[-2] + b"\n")
            back *= 2


def _left_open(writer: Path, number: int) -> dict[str, int | None]:
    """Calls without an end. The last segment is enough: it begins with those that were open before it."""
    calls: dict[str, int | None] = {}
    for line in _glance_at(Follower(writer, number)):
        if line.type == "intent":
            calls[line.id] = line.reserved_nano
        elif line.type == "open":
            calls.update(line.open)
        elif line.type in {"settle", "unknown"} and not line.of:
            calls.pop(line.id, None)
    return calls


def _settled_elsewhere(folder: Path, claimed: list[str], writer: str) -> set[str] | None:
    """The calls of a writer whose ends stand in the chains of those who began to mend it; None where one of them had finished."""
    calls: set[str] = set()
    for name in claimed:
        if not (folder / name).exists():
            continue
        for line in _glance_at(Follower(folder / name)):
            if line.of == writer and line.type == "unknown":
                calls.add(line.id)
            elif line.of == writer and line.type == "recovered":
                return None
    return calls


def _glance_at(follower: Follower) -> Iterator[_Glance]:
    while lines := follower.read(CHUNK):
        try:
            yield from _glances.decode_lines(lines)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            yield from (found for line in lines.split(b"\n") if (found := _glance(line)) is not None)


def _glance(line: bytes) -> _Glance | None:
    try:
        return _glances.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _claims(writer: Path) -> list[str]:
    try:
        return (writer / layout.CLAIMS).read_text("utf-8").split()
    except FileNotFoundError:
        return []


def _note(path: Path, name: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, name.encode() + b"\n")
        to_disk(fd)
    finally:
        os.close(fd)
    entries_to_disk(path.parent)


class RecoveryThread:
    """Recovery beside the event loop. The journal must `tick`, as that is when its lines are written."""

    def __init__(self, journal: FileJournal, data_dir: Path) -> None:
        self._recovery = Recovery(journal, data_dir, self._written)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)

    def start(self) -> None:
        """Look now, then every few seconds: a writer that still lives may die later."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it has not finished, the next writer does. Call it before the journal is closed."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._recovery.look()
            self._stopping.wait(EVERY_SECONDS)

    def _written(self, posted: Posted) -> bool:
        while not posted.written.wait(0.1):
            if self._stopping.is_set():
                return False
        return True
