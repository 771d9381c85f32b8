"""Chunked transfer coding (RFC 9112 §7.1), both ways, in one strict reading.

What is ambiguous is refused: bare CR or LF, white space around a size, extensions or trailers outside their grammar, and whatever
exceeds the bounds below. Trailer fields are checked and dropped (§7.1.2 allows it).
"""

import re
from collections.abc import Callable
from typing import Final

TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
"""A token (RFC 9110 §5.6.2), to be built into a larger pattern."""
FIELD_VALUE: Final = rb"[\t\x20-\x7e\x80-\xff]*+"
"""A field value with the white space around it (RFC 9110 §5.5), obs-text allowed, control bytes not."""

EXTENSION_BYTES: Final = 256
"""The most bytes of chunk extensions a chunk may carry; they are dropped unread."""
TRAILER_BYTES: Final = 8192
TRAILER_LINES: Final = 20

LAST_CHUNK: Final = b"0\r\n\r\n"
"""Ends a message: the last chunk and no trailers."""

_SIZE = rb"([0-9A-Fa-f]{1,16}+)"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_EXTENSION = rb";[\t ]*+%b(?:[\t ]*+=[\t ]*+(?:%b|%b))?+[\t ]*+" % (TOKEN, TOKEN, _QUOTED)
_plain_size_line = re.compile(_SIZE + rb"\r\n").match
_size_line = re.compile(rb"%b((?:%b)*+)\r\n" % (_SIZE, _EXTENSION)).match
_size_line_begun = re.compile(rb"[0-9A-Fa-f]{1,16}+(?:;[^\r\n]{,%d}+)?+\r?" % (EXTENSION_BYTES - 1)).fullmatch
_trailer_line = re.compile(rb"%b:%b\r\n" % (TOKEN, FIELD_VALUE)).match
_trailer_line_begun = re.compile(rb"[^\r\n]*+\r?").fullmatch


class FramingError(ValueError):
    """The peer's framing is not valid chunked coding; where the message ends cannot be known, so the connection must be closed."""


def frame(data: bytes) -> bytes:
    """One chunk holding `data`; nothing at all for no data, since an empty chunk would end the message."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class Chunks:
    """Decodes one chunked message, fed as it arrives.

    `ended` is True once the whole message was read; `rest` then holds the bytes after it, which belong to whatever comes next.
    After a FramingError the decoder must not be fed again.
    """

    __slots__ = ("_held", "_left", "_step", "_trailer_bytes", "_trailer_lines", "ended", "rest")

    def __init__(self) -> None:
        self.ended = False
        self.rest = b""
        self._held = b""  # a line, or the end of a chunk, that has not come whole
        self._left = 0  # bytes of data that the chunk in hand still lacks
        self._step: Callable[[Chunks, bytes, int, list[bytes]], int | None] = (
            Chunks._read_size
        )  # a plain function: a bound method would make a cycle
        self._trailer_bytes = 0
        self._trailer_lines = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of the body that `data` completes, none of them empty. Raises FramingError."""
        if not self._held and self._step is Chunks._read_size:
            # Servers write an event as one chunk, and mostly it is read as it was written.
            match = _plain_size_line(data)
            if match is not None:
                start = match.end()
                end = start + int(match[1], 16)
                if len(data) == end + 2 and data.endswith(b"\r\n") and end > start:
                    return [data[start:end]]
        return self._walk(data)

    def _walk(self, data: bytes) -> list[bytes]:
        if self._held:
            data = self._held + data
            self._held = b""
        pieces: list[bytes] = []
        at = 0
        while not self.ended:
            passed = self._step(self, data, at, pieces)
            if passed is None:
                self._held = data[at:]
                return pieces
            at = passed
        self.rest += data[at:]
        return pieces

    # Each step reads one element at `at` and answers where the next one begins, or None if the element has not come whole;
    # then the bytes from `at` on are kept for the next feed.

    def _read_size(self, data: bytes, at: int, _pieces: list[bytes]) -> int | None:
        match = _size_line(data, at)
        if match is None:
            if at == len(data) or _size_line_begun(data, at):
                return None
            raise FramingError("chunk size line is malformed")
        if len(match[2]) > EXTENSION_BYTES:
            raise FramingError("chunk extensions are too long")
        self._left = int(match[1], 16)
        self._step = Chunks._read_data if self._left else Chunks._read_trailer
        return match.end()

    def _read_data(self, data: bytes, at: int, pieces: list[bytes]) -> int | None:
        end = at + self._left
        piece = data[at:end]
        if not piece:
            return None
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._step = Chunks._read_data_end
        return at + len(piece)

    def _read_data_end(self, data: bytes, at: int, _pieces: list[bytes]) -> int | None:
        mark = data[at : at + 2]
        if mark == b"\r\n":
            self._step = Chunks._read_size
            return at + 2
        if mark in (b"", b"\r"):
            return None
        raise FramingError("chunk data is longer than its size")

    def _read_trailer(self, data: bytes, at: int, _pieces: list[bytes]) -> int | None:
        if data.startswith(b"\r\n", at):
            self.ended = True
            return at + 2
        match = _trailer_line(data, at)
        end = match.end() if match else len(data)
        if self._trailer_bytes + end - at > TRAILER_BYTES:
            raise FramingError("trailers are too long")
        if match is None:
            if _trailer_line_begun(data, at):
                return None
            raise FramingError("trailer line is malformed")
        self._trailer_bytes += end - at
        self._trailer_lines += 1
        if self._trailer_lines > TRAILER_LINES:
            raise FramingError("too many trailers")
        return end


class Counted:
    """Reads a body of known length; a decoder with the same members as `Chunks`."""

    __slots__ = ("_left", "ended", "rest")

    def __init__(self, length: int) -> None:
        self._left = length
        self.ended = not length
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The bytes of `data` that belong to the body, in one piece or none."""
        piece = data[: self._left]
        self._left -= len(piece)
        if not self._left:
            self.ended = True
            self.rest += data[len(piece) :]
        return [piece] if piece else []


class UntilClose:
    """Reads a body that only the end of the connection ends (RFC 9112 §6.3); a decoder with the same members as `Chunks`."""

    __slots__ = ()
    ended = False
    rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """All of it."""
        return [data] if data else []
