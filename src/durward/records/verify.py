"""Checks the journal: that every line is the one that was written, at its place, and that nothing is missing.

Inside a chain the hashes tell; its end is vouched for by signed heads, by the writers that came later (`recovered`), and, against
whoever can rewrite the whole folder, by a head that was kept outside.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from durward.records import layout
from durward.records.chain import GENESIS, follows, read_link, sealed
from durward.records.following import Follower
from durward.records.frames import Damaged
from durward.records.heads import Head, holds, public_key
from durward.records.lines import Opened, Recovered, Signed, read_line
from durward.records.stored import stored
from durward.records.times import milliseconds

PROBLEMS = 100
"""Problems that are told at most; after the first the others are of the same making."""
UNSIGNED_MS = 60_000
"""A chain whose end has no head for longer than this was not left so by a gate: it signs each second."""
TIME = re.compile(rb'"time":"([0-9TZ:.-]+)"')
USUAL = (b"inte", b"sett", b"refu", b"unkn")
"""How the types begin that most lines have, and that need no closer look."""


class Problem(NamedTuple):
    """Something that is not as it was written."""

    place: str
    """`<writer>/<segment>.jsonl:<line>`, or the writer."""
    what: str


class Verdict:
    """What was found. The journal is whole where there are no problems."""

    def __init__(self) -> None:
        self.lines = 0
        self.writers = 0
        self.unsigned = 0
        """Lines behind the last head of their writer: those of the last second, or of a crash."""
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def problem(self, place: str, what: str) -> None:
        """Note a problem, if there is still room for it."""
        if len(self.problems) < PROBLEMS:
            self.problems.append(Problem(place, what))


class _End(NamedTuple):
    seq: int
    hash: bytes


def verify(data_dir: Path, outside: list[Head]) -> Verdict:
    """Check every writer's chain, against the heads that were kept outside too. Raises OSError, GateError `state_unavailable`."""
    verdict = Verdict()
    key = public_key(data_dir)
    walks: list[_Walk] = []
    ends: dict[str, _End] = {}
    for writer in layout.writers(data_dir / layout.JOURNAL):
        walk = _Walk(writer, verdict, [head for head in outside if head.writer == writer.name])
        walk.run()
        walk.check_head(key)
        walks.append(walk)
        ends[writer.name] = _End(walk.seq, walk.prev)
    vouched = [told for walk in walks for told in walk.recovered]
    for told in vouched:
        _check_end(verdict, told, ends.get(told.of))
    for walk in walks if key is not None else ():
        if walk.name not in {told.of for told in vouched}:
            walk.check_silence()
    verdict.writers = len(walks)
    for head in outside:
        _check_outside(verdict, head, key, ends.get(head.writer))
    return verdict


class _Walk:
    """One pass over one writer's lines."""

    def __init__(self, writer: Path, verdict: Verdict, outside: list[Head]) -> None:
        self._writer = writer
        self._encoded = writer.name.encode()
        self._verdict = verdict
        self._expected = {head.seq: head.hash.encode() for head in outside}
        self._head: tuple[int, bytes, Signed] | None = None
        self._first = self._last = b""
        self._place = (0, 0)
        self.name = writer.name
        self.seq = 0
        self.prev = GENESIS
        self.recovered: list[Recovered] = []

    def run(self) -> None:
        numbers = layout.segments(self._writer)
        for expected, number in enumerate(numbers, 1):
            if number != expected:
                self._verdict.problem(self.name, f"segments before {number} are missing")
                break
        for number in numbers:
            try:
                self._read(number)
            except Damaged as damage:
                # Of this segment or the next: whoever reads to an end looks behind it.
                self._verdict.problem(f"{self.name}/{Path(damage.filename).name}", "this file is damaged, or not ours")
                return
        self._note_ends(numbers)

    def _read(self, number: int) -> None:
        for at, line in enumerate(_lines(self._writer, number), 1):
            self._place = (number, at)
            self._first = self._first or line
            self._take(line)

    def _take(self, line: bytes) -> None:
        self._verdict.lines += 1
        if not (follows(line, self._encoded, self.seq + 1, self.prev) and sealed(line)):
            self._explain(line)
        else:
            self.seq += 1
            self.prev = line[-67:-3]
        self._last = line
        if self.seq in self._expected and self._expected[self.seq] != self.prev:
            self._say("this is not the line for which the outside head was signed")
        kind = line.find(b'"type":"') + 8
        if line[kind : kind + 4] not in USUAL:
            self._look(line)

    def _look(self, line: bytes) -> None:
        known = read_line(line)
        if isinstance(known, Signed) and known.signature:
            before = read_link(line)
            if before is not None:
                self._head = (before.seq - 1, before.prev, known)
        elif isinstance(known, Recovered):
            self.recovered.append(known)
        elif isinstance(known, Opened) and known.segment != self._place[0]:
            self._say(f"this is the beginning of segment {known.segment}")

    def _explain(self, line: bytes) -> None:
        """Say what is wrong with a line, and go on behind it."""
        link = read_link(line)
        if link is None:
            self._say("this line is not the one that was written")
            self.seq += 1
            self.prev = line[-67:-3]
            return
        if link.writer != self.name:
            self._say(f"this line is of the writer {link.writer}")
        elif link.seq > self.seq + 1:
            self._say(f"lines {self.seq + 1} to {link.seq - 1} are missing before this one")
        elif link.seq <= self.seq:
            self._say(f"line {link.seq} stands behind line {self.seq}: it was moved, or put in")
        else:
            self._say("this line follows another one than the one before it")
        self.seq = link.seq
        self.prev = link.hash

    def check_head(self, key: str | None) -> None:
        """The last head covers all before it, so its signature is enough."""
        if self._head is None:
            self._verdict.unsigned += self.seq
            return
        seq, digest, line = self._head
        head = Head(1, self.name, seq, digest.decode(), line.time, line.key, line.signature)
        if key is not None and (line.key != key or not holds(head)):
            self._verdict.problem(self.name, f"the head of line {seq} is not signed with journal.key")
        self._verdict.unsigned += max(0, self.seq - seq - 1)

    def check_silence(self) -> None:
        """A gate signs each second. Where it seems to have written on without, the heads were taken out.

        Not asked of a chain for whose end another one vouches: what settled into the reserve on a full disk has no heads either.
        """
        first = self._head[2].time if self._head else _time_of(self._first)
        last = _time_of(self._last)
        if first and last and milliseconds(last) - milliseconds(first) > UNSIGNED_MS:
            self._verdict.problem(self.name, f"nothing is signed between {first} and {last}")

    def _note_ends(self, numbers: list[int]) -> None:
        if not numbers:
            return
        with stored(self._writer, numbers[-1]) as opened:
            torn = opened.size - opened.whole()
        if torn:
            self._verdict.notes.append(f"{self.name} ends in a line that is not whole ({torn} bytes)")
        reserve = self._writer / layout.RESERVE
        waiting = [link for line in _reserved(reserve) if (link := read_link(line)) and link.seq > self.seq]
        if waiting:
            self._verdict.notes.append(f"{self.name} keeps {len(waiting)} lines in its reserve until there is room")

    def _say(self, what: str) -> None:
        segment, line = self._place
        self._verdict.problem(f"{self.name}/{segment}{layout.SUFFIX}:{line}", what)


def _lines(writer: Path, number: int) -> Iterator[bytes]:
    follower = Follower(writer, number)
    while follower.segment == number and (content := follower.read()):
        if follower.segment != number:
            return
        yield from content.splitlines(keepends=True)


def _reserved(path: Path) -> list[bytes]:
    try:
        return [line + b"\n" for line in path.read_bytes().split(b"\n")[:-1]]
    except FileNotFoundError:
        return []


def _time_of(line: bytes) -> str | None:
    found = TIME.search(line)
    return found[1].decode() if found else None


def _check_end(verdict: Verdict, told: Recovered, end: _End | None) -> None:
    if end is None:
        verdict.problem(told.of, "this writer's folder is gone; a later writer vouches that it was there")
    elif (end.seq, end.hash.decode() if end.seq else "") != (told.last, told.digest):
        verdict.problem(told.of, f"the chain ends at line {end.seq}; a later writer vouches for line {told.last}")


def _check_outside(verdict: Verdict, head: Head, key: str | None, end: _End | None) -> None:
    if not holds(head):
        verdict.problem(head.writer, f"the outside head of line {head.seq} does not have a valid signature")
    elif key != head.key:
        verdict.problem(head.writer, "the outside head was signed with another key than journal.key")
    if end is None:
        verdict.problem(head.writer, "this writer's folder is gone; the outside head is of it")
    elif end.seq < head.seq:
        verdict.problem(
            head.writer, f"the chain ends at line {end.seq}; the outside head was signed at line {head.seq}"
        )


def newest_heads(data_dir: Path) -> list[Head]:
    """The last signed head of every writer for which no later writer vouches, the newest last: what to keep outside."""
    heads: list[Head] = []
    for writer in layout.writers(data_dir / layout.JOURNAL):
        if (writer / layout.RECOVERED).exists():
            continue
        head = _last_head(writer)
        if head is not None:
            heads.append(head)
    return heads


def _last_head(writer: Path) -> Head | None:
    for number in reversed(layout.segments(writer)):
        found = None
        for line in _lines(writer, number):
            if b'"type":"head"' in line or b'"type":"close"' in line:
                link, known = read_link(line), read_line(line)
                if link is not None and isinstance(known, Signed) and known.signature:
                    found = Head(
                        1, link.writer, link.seq - 1, link.prev.decode(), known.time, known.key, known.signature
                    )
        if found is not None:
            return found
    return None
