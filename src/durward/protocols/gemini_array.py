"""A streamed JSON array, cut into its elements as they come (RFC 8259): how Gemini streams without `alt=sse`.

Every byte that goes in comes out, in order. A piece is at most one element, with what stands before it (`[`, commas, white space).
"""

import re
from typing import Final

from durward.protocols.sse import BOUND, Piece, Unread

_BRACE: Final = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([{}\[\]])', re.DOTALL)
_QUIET: Final = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_OPENING: Final = (b"{", b"[")


class ArraySplitter:
    """Cuts one array. Keeps at most `bound` bytes and one read, and looks at each byte a bounded number of times.

    An object that stands alone, as an error may, is an element too.
    """

    __slots__ = ("_bound", "_depth", "_in_string", "_inside", "_level", "_rest", "_seen")

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._rest = bytearray()
        self._seen = 0
        """Bytes of `_rest` whose structure is known; they end outside a string, or inside one and outside an escape."""
        self._in_string = False
        self._depth = 0
        self._level: int | None = None
        """The depth at which elements stand: 1 in an array, 0 for an object alone."""
        self._inside = False

    @property
    def between(self) -> bool:
        """True when what has come out so far ends between two elements."""
        return not self._inside

    def feed(self, data: bytes) -> list[Piece]:
        """The elements that are complete now; pieces of larger ones as `Unread`."""
        self._rest += data
        pieces: list[Piece] = []
        start = 0
        while (end := self._next_end()) is not None:
            piece = bytes(self._rest[start:end])
            pieces.append(Unread(piece) if self._inside or len(piece) > self._bound else piece)
            self._inside = False
            start = end
        if start:
            del self._rest[:start]
            self._seen -= start
        if self._seen and (self._inside or len(self._rest) > self._bound):
            self._inside = True
            # What has not been seen yet is half an escape: it goes on with the next read.
            pieces.append(Unread(bytes(self._rest[: self._seen])))
            del self._rest[: self._seen]
            self._seen = 0
        return pieces

    def take_rest(self) -> bytes:
        """Hand out what has not come out: the array's end, or the beginning of an element that the stream ended in."""
        rest = bytes(self._rest)
        self._rest.clear()
        self._seen = 0
        return rest

    def _next_end(self) -> int | None:
        """Go on behind `_seen` to the next element's end; None at the end of what came."""
        rest = self._rest
        if self._in_string and not self._leave_string():
            return None
        seen = self._seen
        # Anchored at each step: a search would go on inside a string that has not ended.
        while (match := _BRACE.match(rest, seen)) is not None:
            seen = self._seen = match.end()
            if match[1] in _OPENING:
                if self._level is None:
                    self._level = int(match[1] == b"[")
                self._depth += 1
                continue
            self._depth -= 1
            if self._depth == self._level:
                return seen
        quiet = _QUIET.match(rest, self._seen)
        assert quiet is not None
        self._seen = quiet.end()
        if self._seen < len(rest):
            # The only thing left that is not quiet: a string whose end has not come.
            self._seen += 1
            self._in_string = True
            self._leave_string()
        return None

    def _leave_string(self) -> bool:
        """Move behind the string's closing quote, if it has come."""
        inner = _STRING.match(self._rest, self._seen)
        assert inner is not None
        self._seen = inner.end()
        if self._seen < len(self._rest) and self._rest[self._seen] == 0x22:
            self._seen += 1
            self._in_string = False
            return True
        return False


def element_of(piece: bytes) -> bytes:
    """The element in a piece; empty for one that holds none."""
    return piece.lstrip(b"\xef\xbb\xbf \t\r\n,[")
