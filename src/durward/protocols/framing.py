"""Chunked transfer coding (RFC 9112 §7.1), both ways, in one strict reading.

What is ambiguous is refused: bare CR or LF, white space around a size, extensions or trailers outside their grammar, and whatever
exceeds the bounds below. Trailer fields are checked and dropped (§7.1.2 allows it).
"""

import re
from typing import Final

from durward.protocols.framing_error import FramingError

__all__ = [
    "EXTENSION_BYTES",
    "FIELD_VALUE",
    "LAST_CHUNK",
    "TOKEN",
    "TRAILER_BYTES",
    "TRAILER_LINES",
    "Chunks",
    "Counted",
    "FramingError",
    "UntilClose",
    "frame",
]

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
_size_line = re.compile(rb"%b((?:%b)*+)\r\n" % (_SIZE, _EXTENSION)).match
_size_line_begun = re.compile(rb"[0-9A-Fa-f]{1,16}+(?:;[^\r\n]{,%d}+)?+\r?" % (EXTENSION_BYTES - 1)).fullmatch
_trailer_line = re.compile(rb"%b:%b\r\n" % (TOKEN, FIELD_VALUE)).match
_trailer_line_begun = re.compile(rb"[^\r\n]*+\r?").fullmatch


_SIZE_NEXT: Final = 0
_DATA_NEXT: Final = 1
_DATA_END_NEXT: Final = 2
_TRAILER_NEXT: Final = 3


def _size_lines(most: int) -> list[bytes]:
    """For each length of a whole chunk below `most`: the only size line without leading zeros that fits it, empty where none does."""
    lines = [b""] * most
    for size in range(1, most):
        line = b"%x\r\n" % size
        length = len(line) + size + len(b"\r\n")
        if length < most:
            lines[length] = line
    return lines


_SIZE_LINES: Final = _size_lines(1024)
"""Chunks of streamed events are shorter than that."""


_FRAME_LINES: Final = [b"%x\r\n" % size for size in range(1024)]


def frame(data: bytes) -> bytes:
    """One chunk holding `data`; nothing at all for no data, since an empty chunk would end the message."""
    size = len(data)
    if 0 < size < len(_FRAME_LINES):
        return _FRAME_LINES[size] + data + b"\r\n"
    return b"%x\r\n%b\r\n" % (size, data) if data else b""


class Chunks:
    """Decodes one chunked message, fed as it arrives.

    `ended` is True once the whole message was read; `rest` then holds the bytes after it, which belong to whatever comes next.
    After a FramingError the decoder must not be fed again.
    """

    __slots__ = ("_held", "_left", "_state", "_trailer_bytes", "_trailer_lines", "ended", "rest")

    def __init__(self) -> None:
        self.ended = False
        self.rest = b""
        self._held = b""  # a line, or the end of a chunk, that has not come whole
        self._left = 0  # bytes of data that the chunk in hand still lacks
        self._state = _SIZE_NEXT
        self._trailer_bytes = 0
        self._trailer_lines = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of the body that `data` completes, none of them empty. Raises FramingError."""
        size = len(data)
        if self._state == _SIZE_NEXT and size < len(_SIZE_LINES) and not self._held:
            # Servers write an event as one chunk, and mostly it is read as it was written.
            line = _SIZE_LINES[size]
            if line and data.startswith(line) and data.endswith(b"\r\n"):
                return [data[len(line) : -2]]
        return self._walk(data)

    def _walk(self, data: bytes) -> list[bytes]:
        if self._held:
            data = self._held + data
            self._held = b""
        pieces: list[bytes] = []
        at = 0
        while not self.ended:
            passed = self._step(data, at, pieces)
            if passed < 0:
                self._held = data[at:]
                return pieces
            at = passed
        self.rest += data[at:]
        return pieces

    def _step(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Read one element at `at`: where the next one begins, or -1 if it has not come whole and waits for the next feed."""
        if self._state == _SIZE_NEXT:
            return self._read_size(data, at)
        if self._state == _DATA_NEXT:
            return self._read_data(data, at, pieces)
        if self._state == _DATA_END_NEXT:
            return self._read_data_end(data, at)
        return self._read_trailer(data, at)

    def _read_size(self, data: bytes, at: int) -> int:
        match = _size_line(data, at)
        if match is None:
            if at == len(data) or _size_line_begun(data, at):
                return -1
            raise FramingError("chunk size line is malformed")
        if len(match[2]) > EXTENSION_BYTES:
            raise FramingError("chunk extensions are too long")
        self._left = int(match[1], 16)
        self._state = _DATA_NEXT if self._left else _TRAILER_NEXT
        return match.end()

    def _read_data(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        piece = data[at : at + self._left]
        if not piece:
            return -1
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._state = _DATA_END_NEXT
        return at + len(piece)

    def _read_data_end(self, data: bytes, at: int) -> int:
        if data.startswith(b"\r\n", at):
            self._state = _SIZE_NEXT
            return at + 2
        if at == len(data) or (at == len(data) - 1 and data.endswith(b"\r")):
            return -1
        raise FramingError("chunk data is longer than its size")

    def _read_trailer(self, data: bytes, at: int) -> int:
        if data.startswith(b"\r\n", at):
            self.ended = True
            return at + 2
        match = _trailer_line(data, at)
        end = match.end() if match else len(data)
        if self._trailer_bytes + end - at > TRAILER_BYTES:
            raise FramingError("trailers are too long")
        if match is None:
            if _trailer_line_begun(data, at):
                return -1
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

    __slots__ = ("ended", "rest")

    def __init__(self) -> None:
        self.ended = False
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """All of it."""
        return [data] if data else []
