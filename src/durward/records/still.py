"""The journal as it stands at one moment, while gates write to it and mend each other: which files a copy holds, and how much of each.

Nobody is stopped for it. Segments only grow, so their lengths are noted, in milliseconds, and the bytes before them can be copied at
leisure. What holds whatever happens in those milliseconds:

- a line leaves the reserve only once it is in a segment, so reserves are read first;
- a dead writer's name is in its `claims` before anything is said of it elsewhere, and its chain has its last line before another
  vouches for that, so those that are claimed are looked at last;
- where a mark of recovery changes meanwhile, or a file is gone, all is looked at once more.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from durward.calls.errors import GateError
from durward.records import layout
from durward.records.chain import read_link
from durward.records.stored import stored

LOOKS = 50
PAUSE_SECONDS = 0.1

Marks = dict[Path, tuple[bytes, bytes]]
"""By writer: its `claims`, and its `recovered`."""


class Piece(NamedTuple):
    """A file of a copy: so many bytes of a file, or bytes that were read already."""

    name: str
    """Its path below the data directory."""
    size: int
    path: Path | None
    content: bytes = b""


class Tip(msgspec.Struct, frozen=True):
    """The last whole line of a writer."""

    writer: str
    seq: int
    hash: str


class Still(NamedTuple):
    """What a copy of the journal holds."""

    pieces: list[Piece]
    tips: list[Tip]


def held(name: str, content: bytes) -> Piece:
    """A file whose bytes were read."""
    return Piece(name, len(content), None, content)


def stand_still(data_dir: Path, pause: Callable[[float], None] = time.sleep) -> Still:
    """The journal as it is now. Raises OSError, GateError `state_unavailable` where it does not come to rest for 5 s."""
    journal = data_dir / layout.JOURNAL
    for _ in range(LOOKS):
        marks = _marks(journal)
        try:
            found = _look(marks)
        except FileNotFoundError:
            found = None  # A segment that had been begun in vain.
        if found is not None and _marks(journal) == marks:
            return found
        pause(PAUSE_SECONDS)
    raise GateError(
        "The journal does not come to rest: writers keep dying and being looked after.",
        reason="state_unavailable",
        remedy="See what `durward doctor` says, then ask again.",
    )


def _marks(journal: Path) -> Marks:
    return {
        writer: (_bytes(writer / layout.CLAIMS), _bytes(writer / layout.RECOVERED))
        for writer in layout.writers(journal)
    }


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _look(marks: Marks) -> Still:
    found = Still([], [])
    for writer, (_, recovered) in marks.items():
        waiting = b"" if recovered else _waiting(writer / layout.RESERVE)
        if waiting:
            found.pieces.append(held(_name(writer, layout.RESERVE), waiting))
    for writer, (claims, recovered) in sorted(marks.items(), key=lambda each: bool(each[1][0]) and not each[1][1]):
        _note_segments(writer, found)
        if claims:
            found.pieces.append(held(_name(writer, layout.CLAIMS), claims))
        if recovered:
            found.pieces.append(held(_name(writer, layout.RECOVERED), recovered))
    return found


def _name(writer: Path, name: str) -> str:
    return f"{layout.JOURNAL}/{writer.name}/{name}"


def _waiting(reserve: Path) -> bytes:
    """The lines at the beginning of a reserve; behind them is room that was taken beforehand."""
    content = _bytes(reserve)
    end = 0
    while (after := content.find(b"\n", end) + 1) and read_link(content[end:after]) is not None:
        end = after
    return content[:end]


def _note_segments(writer: Path, found: Still) -> None:
    last = b""
    for number in layout.segments(writer):
        with stored(writer, number) as opened:
            end = opened.whole()
            if end:
                last = opened.last_line(end)
        plain, compressed = layout.segment(writer, number), layout.compressed(writer, number)
        if plain.exists():
            found.pieces.extend([Piece(_name(writer, plain.name), end, plain)] if end else [])
        else:
            found.pieces.append(Piece(_name(writer, compressed.name), compressed.stat().st_size, compressed))
    link = read_link(last)
    if link is not None:
        found.tips.append(Tip(writer.name, link.seq, link.hash.decode()))
