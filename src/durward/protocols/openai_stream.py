"""Following a streamed answer of OpenAI's wire: what may be released now, and what waits until the call is settled."""

from durward.calls.usage import Usage
from durward.protocols.sse import EventSplitter, Unread
from durward.protocols.wire import ObjectId

ERROR_LENGTH = 64


class EventReader:
    """The part of a `StreamReader` that both streams of this wire share; a wire's own reader says what each event means.

    Bytes come out as they came in, but for the events that `see` drops.
    """

    __slots__ = (
        *("_held", "_over", "_passing", "_splitter"),
        *("ended", "error", "finished", "model", "objects", "text_bytes", "unread", "usage"),
    )

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.model = ""
        self.text_bytes = 0
        self.objects: list[ObjectId] = []
        self.ended = False
        self.finished = False
        self.error = ""
        self.unread = 0
        self._splitter = EventSplitter()
        self._held: list[bytes] = []
        self._over = False
        self._passing = False

    def see(self, event: bytes) -> bool:
        """Read one event: True where it may be released. False drops it, or holds it where it has set `ended`."""
        raise NotImplementedError

    def skim(self, piece: Unread) -> None:
        """Note what an event tells that is too large to be read."""

    def feed(self, data: bytes) -> bytes:
        """Bytes that may be released now."""
        if self._over:
            return self._behind(data)
        released: list[bytes] = []
        pieces = self._splitter.feed(data)
        for place, piece in enumerate(pieces):
            if type(piece) is Unread:
                self._count(piece)
                released.append(piece)
            elif self.see(piece):
                released.append(piece)
            elif self.ended:
                self._over = True
                self._held = [*pieces[place:], self._splitter.take_rest()]
                break
        return released[0] if len(released) == 1 else b"".join(released)

    def _behind(self, data: bytes) -> bytes:
        if self._passing:
            return data
        self._held.append(data)
        return b""

    def _count(self, piece: Unread) -> None:
        if self.unread < self._splitter.unread:
            self.unread += 1
            self.skim(piece)

    def take_held(self) -> bytes:
        """What was held back. From now on everything passes at once."""
        held = b"".join(self._held)
        self._held.clear()
        self._passing = self._over
        return held

    def finish(self) -> bytes:
        """The upstream ended: whatever was not yet released. An event without its blank line is read all the same."""
        rest = self._splitter.take_rest()
        if rest and not self.ended and not self.see(rest) and not self.ended:
            rest = b""
        return self.take_held() + rest

    def at_boundary(self) -> bool:
        """True when what was released so far ends between two events."""
        return self._splitter.between and not self._passing


def length_of(text: str | None) -> int:
    """The UTF-8 bytes of a text that may be missing."""
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode())


def error_name(error: object) -> str:
    """The type or code of an error object, for the record: low in cardinality, never the provider's message."""
    names = [error.get(member) for member in ("type", "code")] if isinstance(error, dict) else []
    name = next((str(name) for name in names if isinstance(name, str | int) and str(name)), "error")
    return name[:ERROR_LENGTH]
