"""Server-sent events cut out of a byte stream, unchanged (WHATWG HTML §9.2, "Server-sent events").

Lines end with CRLF, LF or CR; a blank line ends an event. Every byte that goes in comes out, in order: as whole events, as blank
lines between them, or as the unread pieces of an event that is larger than the bound. Where the bytes were cut into reads changes
nothing of the events.
"""

import re
from typing import Final

BOUND: Final = 2**20
"""Events with more content than this (bytes, blank lines aside) are not read."""

_BOM: Final = b"\xef\xbb\xbf"
# CR LF CR waits for the byte behind it: a CR alone is no line end among CRLFs. Behind other line ends a CR ends the event at once,
# and should an LF still belong to it, it is a blank line that says nothing.
_END = re.compile(rb"\r\n(?:\n|\r(?:\n|(?=[^\n])))|(?<!\r)\n[\n\r]|\r\r")
_LF: Final = 10
_CR: Final = 13
_LOOK_BACK: Final = 3
"""How many bytes of an event's end can have come before the read that completes it: CR LF CR."""


class Unread:
    """A piece of an event that is larger than the bound."""

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        self.content = content


Piece = bytes | Unread
"""What a splitter lets out."""


def content_of(piece: Piece) -> bytes:
    """The bytes of a piece, whether it can be read or not."""
    return piece.content if isinstance(piece, Unread) else piece


class EventSplitter:
    """Cuts one stream into events. Keeps at most `bound` bytes and one read, and looks at each byte a bounded number of times."""

    __slots__ = ("_bound", "_inside", "_opened", "_rest", "unread")

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._rest = bytearray()
        self._opened = False
        self._inside = False
        self.unread = 0
        """How many events were too large to be read."""

    @property
    def rest(self) -> bytes:
        """What was fed and has not come out: the beginning of an event."""
        return bytes(self._rest)

    @property
    def between(self) -> bool:
        """True when what has come out so far ends between two events."""
        return not self._inside

    @property
    def begun(self) -> int:
        """How many bytes of an event's beginning are kept; -1 before the stream's first event, and inside a large one."""
        return -1 if self._inside or not self._opened else len(self._rest)

    def feed(self, data: bytes) -> list[Piece]:
        """The events that are complete now, each with the blank line that ends it; pieces of larger ones as `Unread`."""
        if self._rest or self._inside or not self._opened:
            return self._resume(data)
        return self._cut(data)

    def take_rest(self) -> bytes:
        """Hand out the beginning of an event after all: the stream has ended inside it."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest

    def _cut(self, data: bytes) -> list[Piece]:
        """Cut bytes that begin at the beginning of an event."""
        if _is_one(data) and len(data) <= self._bound:
            return [data]
        if data.find(b"\r") < 0:
            events = _cut_at(data, b"\n\n")
        elif data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n"):
            events = _cut_at(data, b"\r\n\r\n")
        else:
            events = _cut_mixed(data)
        rest = events.pop()
        if any(event[0] == _LF or event[0] == _CR for event in events):
            events = _without_blank(events)
        pieces: list[Piece] = list(events)
        if len(data) > self._bound:
            pieces = [self._bounded(event) for event in events]
        if rest:
            self._keep(rest, pieces)
        return pieces

    def _bounded(self, event: bytes) -> Piece:
        if len(event) <= self._bound or len(event.strip(b"\r\n")) <= self._bound:
            return event
        self.unread += 1
        return Unread(event)

    def _keep(self, rest: bytes, pieces: list[Piece]) -> None:
        begun = rest.lstrip(b"\r\n")
        if len(begun) < len(rest):
            # Blank lines are heartbeats: they do not wait for the event behind them.
            pieces.append(rest[: len(rest) - len(begun)])
        self._rest += begun
        if len(begun) > self._bound:
            self._overflow(pieces)

    def _overflow(self, pieces: list[Piece]) -> None:
        """Let the beginning of a large event out, but for line ends that may belong to the blank line behind it."""
        begun = self._rest.rstrip(b"\r\n")
        if begun and (self._inside or len(begun) > self._bound):
            self.unread += not self._inside
            self._inside = True
            pieces.append(Unread(bytes(begun)))
            del self._rest[: len(begun)]

    def _resume(self, data: bytes) -> list[Piece]:
        """Go on inside an event, or before the stream's first one."""
        rest = self._rest
        if not self._opened:
            rest += data
            return self._open()
        start = max(0, len(rest) - _LOOK_BACK)
        rest += data
        end = self._find_end(start)
        if end < 0:
            pieces: list[Piece] = []
            if self._inside or len(rest) > self._bound:
                self._overflow(pieces)
            return pieces
        event = bytes(rest[:end])
        behind = bytes(rest[end:])
        rest.clear()
        first: Piece = Unread(event) if self._inside else self._bounded(event)
        self._inside = False
        return [first, *self._cut(behind)] if behind else [first]

    def _find_end(self, start: int) -> int:
        rest = self._rest
        if rest.find(b"\r", start) < 0:
            found = rest.find(b"\n\n", start)
            return found + 2 if found >= 0 else -1
        match = _END.search(rest, start)
        return match.end() if match else -1

    def _open(self) -> list[Piece]:
        """A byte order mark may stand before the first event; it comes out alone."""
        begun = bytes(self._rest)
        if len(begun) < len(_BOM) and _BOM.startswith(begun):
            return []
        self._opened = True
        self._rest.clear()
        if not begun.startswith(_BOM):
            return self._cut(begun)
        behind = begun[len(_BOM) :]
        return [_BOM, *self._cut(behind)] if behind else [_BOM]


def _is_one(data: bytes) -> bool:
    """Whether this is surely one event of one or two lines: one event a read is how models stream."""
    last = len(data) - 2
    first = data.find(b"\n")
    if first == last - 1 and data.find(b"\r") == first - 1:
        return first > 1 and data.endswith(b"\r\n\r\n")
    if first != last and data.find(b"\n", first + 1) != last:
        return False
    return first > 0 and data[-1] == _LF and _CR not in data


def _cut_at(data: bytes, end: bytes) -> list[bytes]:
    pieces = data.split(end)
    rest = pieces.pop()
    return [*[piece + end for piece in pieces], rest]


def _without_blank(events: list[bytes]) -> list[bytes]:
    """The same bytes, blank lines before an event as pieces of their own."""
    parted = []
    for event in events:
        begun = event.lstrip(b"\r\n")
        parted += [event[: len(event) - len(begun)], begun]
    return [piece for piece in parted if piece]


def _cut_mixed(data: bytes) -> list[bytes]:
    pieces: list[bytes] = []
    start = 0
    for match in _END.finditer(data):
        pieces.append(data[start : match.end()])
        start = match.end()
    return [*pieces, data[start:]]


def data_of(event: bytes) -> bytes:
    """The event's data: its `data` lines, joined by LF. Empty where it has none."""
    if _CR in event:
        event = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    last = len(event) - 2
    first = event.find(b"\n")
    if event.startswith(b"data: "):
        if first == last:
            return event[6:-2]
    elif (
        event.startswith(b"data: ", first + 1) and event.find(b"\n", first + 1) == last and event.startswith(b"event:")
    ):
        return event[first + 7 : -2]
    lines: list[bytes] = []
    for line in event.split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines)


def name_of(event: bytes) -> bytes:
    """The event's type as its last `event` line gives it, empty where none does."""
    if event.find(b"event:") < 0:
        return b""
    names = [line[6:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"event:")]
    return names[-1] if names else b""
