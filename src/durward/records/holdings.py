"""What a journal holds, in a few numbers: a pass over all its lines."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from durward.records import layout
from durward.records.following import Follower

READ = 256 * 1024


class Holdings:
    """Calls, and the times of the first and the last line; "" where there is none."""

    def __init__(self) -> None:
        self.calls = 0
        self.writers = 0
        self.begins = ""
        self.ends = ""
        self.open: set[str] = set()
        """Calls without an end. The next start ends those of writers that are gone as `unknown`."""


class _Line(msgspec.Struct, gc=False):
    type: str
    id: str = ""
    time: str = ""


_lines = msgspec.json.Decoder(_Line)


def holdings(data_dir: Path) -> Holdings:
    """Count. Lines that cannot be read are passed over. Raises OSError."""
    found = Holdings()
    ended_before: set[str] = set()
    for writer in layout.writers(data_dir / layout.JOURNAL):
        found.writers += 1
        for line in _lines_of(writer):
            _count(found, ended_before, line)
    return found


def _count(found: Holdings, ended_before: set[str], line: _Line) -> None:
    if line.time:
        found.begins = min(found.begins or line.time, line.time)
        found.ends = max(found.ends, line.time)
    if line.type in {"intent", "refused"}:
        found.calls += 1
    if line.type == "intent":
        if line.id in ended_before:
            ended_before.discard(line.id)
        else:
            found.open.add(line.id)
    elif line.type in {"settle", "unknown"}:
        if line.id in found.open:
            found.open.discard(line.id)
        else:
            # In the chain of a writer that began earlier, which mended a later one; or a line of the reserve that is in a segment too.
            ended_before.add(line.id)


def _lines_of(writer: Path) -> Iterator[_Line]:
    follower = Follower(writer)
    while content := follower.read(READ):
        yield from _decoded(content)
    try:
        yield from _decoded((writer / layout.RESERVE).read_bytes())
    except FileNotFoundError:
        return


def _decoded(content: bytes) -> Iterator[_Line]:
    try:
        yield from _lines.decode_lines(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        yield from (found for line in content.split(b"\n") if (found := _decode(line)) is not None)


def _decode(line: bytes) -> _Line | None:
    try:
        return _lines.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
