"""Server-sent events cut out of a byte stream, unchanged (WHATWG HTML §9.2, "Server-sent events").

Lines end with CRLF, LF or CR; a blank line ends an event. Every byte that goes in comes out, in order: as whole events, as blank
lines between them, or as the unread pieces of an event that is larger than the bound. Where the bytes were cut into reads changes
nothing of the events.
"""

import re

BOUND = 2**20
"""Events with more content than this (bytes, blank lines aside) are not read."""

_BOM = b"\xef\xbb\xbf"
# CR LF CR waits for the byte behind it: a CR alone is no line end among CRLFs. Behind other line ends a CR ends the event at once,
# and should an LF still belong to it, it is a blank line that says nothing.
_END = re.compile(rb"\r\n(?:\n|\r(?:\n|(?=[^\n])))|(?<!\r)\n[\n\r]|\r\r")
_LF, _CR = _LINE_ENDS = b"\n\r"
_LOOK_BACK = 3
"""How many bytes of an event's end can have come before the read that completes it: CR LF CR."""


class Unread(bytes):
    """A piece of an event that is larger than the bound."""

    __slots__ = ()


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

    def feed(self, data: bytes) -> list[bytes]:
        """The events that are complete now, each with the blank line that ends it; pieces of larger ones as `Unread`."""
        if self._rest or self._inside or not self._opened:
            return self._resume(data)
        return self._cut(data)

    def take_rest(self) -> bytes:
        """Hand out the beginning of an event after all: the stream has ended inside it."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest

    def _cut(self, data: bytes) -> list[bytes]:
        """Cut bytes that begin at the beginning of an event."""
        if _is_one(data) and len(data) <= self._bound:
            return [data]
        if data.find(b"\r") < 0:
            pieces = _cut_at(data, b"\n\n")
        elif data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n"):
            pieces = _cut_at(data, b"\r\n\r\n")
        else:
            pieces = _cut_mixed(data)
        rest = pieces.pop()
        if any(piece[0] in _LINE_ENDS for piece in pieces):
            pieces = _without_blank(pieces)
        if len(data) > self._bound:
            pieces = [self._bounded(piece) for piece in pieces]
        if rest:
            self._keep(rest, pieces)
        return pieces

    def _bounded(self, piece: bytes) -> bytes:
        if len(piece) <= self._bound or len(piece.strip(b"\r\n")) <= self._bound:
            return piece
        self.unread += 1
        return Unread(piece)

    def _keep(self, rest: bytes, pieces: list[bytes]) -> None:
        begun = rest.lstrip(b"\r\n")
        if len(begun) < len(rest):
            # Blank lines are heartbeats: they do not wait for the event behind them.
            pieces.append(rest[: len(rest) - len(begun)])
        self._rest += begun
        if len(begun) > self._bound:
            self._overflow(pieces)

    def _overflow(self, pieces: list[bytes]) -> None:
        """Let the beginning of a large event out, but for line ends that may belong to the blank line behind it."""
        begun = self._rest.rstrip(b"\r\n")
        if begun and (self._inside or len(begun) > self._bound):
            self.unread += not self._inside
            self._inside = True
            pieces.append(Unread(begun))
            del self._rest[: len(begun)]

    def _resume(self, data: bytes) -> list[bytes]:
        """Go on inside an event, or before the stream's first one."""
        rest = self._rest
        if not self._opened:
            rest += data
            return self._open()
        start = max(0, len(rest) - _LOOK_BACK)
        rest += data
        end = self._find_end(start)
        if end < 0:
            pieces: list[bytes] = []
            if self._inside or len(rest) > self._bound:
                self._overflow(pieces)
            return pieces
        first = bytes(rest[:end])
        behind = bytes(rest[end:])
        rest.clear()
        first = Unread(first) if self._inside else self._bounded(first)
        self._inside = False
        return [first, *self._cut(behind)] if behind else [first]

    def _find_end(self, start: int) -> int:
        rest = self._rest
        if rest.find(b"\r", start) < 0:
            found = rest.find(b"\n\n", start)
            return found + 2 if found >= 0 else -1
        match = _END.search(rest, start)
        return match.end() if match else -1

    def _open(self) -> list[bytes]:
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


def _without_blank(pieces: list[bytes]) -> list[bytes]:
    """The same bytes, blank lines before an event as pieces of their own."""
    parted = []
    for piece in pieces:
        event = piece.lstrip(_LINE_ENDS)
        parted += [piece[: len(piece) - len(event)], event]
    return [piece for piece in parted if piece]


def _cut_mixed(data: bytes) -> list[bytes]:
    pieces = []
    start = 0
    for match in _END.finditer(data):
        pieces.append(data[start : match.end()])
        start = match.end()
    return [*pieces, data[start:]]


def data_of(event: bytes) -> bytes:
    """The event's data: its `data` lines, joined by LF. Empty where it has none, and for pieces that are no event."""
    if type(event) is Unread:
        return b""
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
    lines = [line for line in event.split(b"\n") if line.startswith(b"data")]
    return b"\n".join([line[5:].removeprefix(b" ") for line in lines if line[4:5] == b":" or line == b"data"])


def name_of(event: bytes) -> bytes:
    """The event's type as its last `event` line gives it, empty where none does."""
    if type(event) is Unread or event.find(b"event:") < 0:
        return b""
    names = [line[6:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"event:")]
    return names[-1] if names else b""
