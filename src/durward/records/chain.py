"""The chain of one writer's lines, as bytes: how a line is linked and sealed, and how that is checked. No I/O.

A line is one JSON object, `{"v":1,"writer":…,"seq":…,"prev":…,"type":…, …,"hash":…}`. `hash` stands last: SHA-256 over the line's bytes
before it, which hold `prev`, the hash of the line before. So a line's hash covers every byte of the chain up to it.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

GENESIS = b"0" * 64
"""`prev` of a chain's first line."""
TAIL = 76
"""Bytes of `,"hash":"…"}` and the line's end."""

_ENVELOPE = re.compile(rb'\{"v":1,"writer":"([^"\\]+)","seq":(\d+),"prev":"([0-9a-f]{64})","type":"([a-z_]+)"[,}]')


class Link(NamedTuple):
    """A line's place in its chain."""

    writer: str
    seq: int
    prev: bytes
    kind: str
    hash: bytes


class Chain:
    """The end of a chain that is being written. Lines count only once they are taken, so that those that cannot be written leave no gap."""

    __slots__ = ("_begin", "_made", "prev", "seq")

    def __init__(self, writer: str) -> None:
        self._begin = b'{"v":1,"writer":"%b","seq":' % writer.encode()
        self._made = 0, GENESIS
        self.seq = 0
        """Of the last line."""
        self.prev = GENESIS
        """The hash of the last line."""

    def lines(self, entries: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The next lines, with their ends: for each its type, and its JSON members without the braces and without a line feed in them."""
        begin, seq, prev = self._begin, self.seq, self.prev
        pieces: list[bytes] = []
        for kind, members in entries:
            seq += 1
            body = b'%b%d,"prev":"%b","type":"%b",%b' % (begin, seq, prev, kind, members)
            prev = sha256(body).hexdigest().encode()
            pieces += (body, b',"hash":"', prev, b'"}\n')
        self._made = seq, prev
        return b"".join(pieces)

    def line(self, kind: bytes, members: bytes) -> bytes:
        """The next line."""
        seq = self.seq + 1
        body = b'%b%d,"prev":"%b","type":"%b",%b' % (self._begin, seq, self.prev, kind, members)
        digest = sha256(body).hexdigest().encode()
        self._made = seq, digest
        return b'%b,"hash":"%b"}\n' % (body, digest)

    def take(self) -> None:
        """The lines made last have been written."""
        self.seq, self.prev = self._made


def read_link(line: bytes) -> Link | None:
    """A line's place, None where it is no line of a chain, or its bytes are not those that were sealed."""
    if not sealed(line) or (found := _ENVELOPE.match(line)) is None:
        return None
    writer, seq, prev, kind = found.groups()
    return Link(writer.decode(), int(seq), prev, kind.decode(), line[-67:-3])


def sealed(line: bytes) -> bool:
    """Whether a line, with its end, has the hash of its own bytes."""
    return (
        line[-TAIL:-67] == b',"hash":"'
        and line[-3:] == b'"}\n'
        and sha256(line[:-TAIL]).hexdigest().encode() == line[-67:-3]
    )


def follows(line: bytes, writer: bytes, seq: int, prev: bytes) -> bool:
    """Whether a sealed line is number `seq` of a writer's chain, behind the line whose hash is `prev`."""
    return line.startswith(b'{"v":1,"writer":"%b","seq":%d,"prev":"%b","type":"' % (writer, seq, prev))
