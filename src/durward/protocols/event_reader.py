"""Following a streamed answer of server-sent events: what may be released now, and what waits until the call is settled."""

from typing import Final

from durward.protocols.likeness import Likeness, learn
from durward.protocols.sse import EventSplitter, Piece, Unread, content_of
from durward.protocols.wire import StreamReader

BEGUN: Final = 4096
"""The beginning of an event up to so many bytes is looked at anew when more of it has come."""
PATIENCE: Final = 64
"""At most every so many events that were read in full, one is learnt from."""


class EventReader(StreamReader):
    """What readers of server-sent events share; a wire's own reader says what each event means.

    Bytes come out as they came in, but for the events that `see` drops. Events that are like an earlier one are not read: they are
    released, and their text is counted.
    """

    __slots__ = (
        *("_alike", "_begun", "_held", "_learnt", "_learnt_model", "_over", "_passing", "_skip", "_splitter", "_tries"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._splitter = EventSplitter()
        self._held: list[bytes] = []
        self._over = False
        self._passing = False
        self._learnt: Likeness | None = None
        self._learnt_model = ""
        self._alike: Likeness | None = None  # what was learnt, while the next bytes may be an event like it
        self._begun = False  # with the bytes that the splitter still has
        self._tries = 1
        self._skip = 0

    def see(self, event: bytes) -> bool:
        """Read one event: True where it may be released. False drops it, or holds it where it has set `ended`."""
        raise NotImplementedError

    def weigh(self, event: bytes) -> int:
        """The bytes of generated text that an event says; -1 if `see` would note anything of it but these and its model."""
        return -1

    def skim(self, piece: bytes) -> None:
        """Note what a piece tells of an event that is too large to be read."""

    def feed(self, data: bytes) -> bytes:
        """Bytes that may be released now."""
        alike = self._alike
        if alike is None:
            return self._follow(data)
        if self._begun:
            self._begun = False
            data = self._splitter.take_rest() + data
        reached = alike.reach(data)
        if not reached:
            return self._follow(data)
        self.text_bytes += alike.said
        if reached == len(data):
            return data
        return data[:reached] + self._follow(data[reached:])

    def _follow(self, data: bytes) -> bytes:
        """Release what is to be released, one event after the other."""
        if self._over:
            return self._behind(data)
        said = self.text_bytes
        released: list[bytes] = []
        pieces = self._splitter.feed(data)
        for place, piece in enumerate(pieces):
            if isinstance(piece, Unread):
                self._count(piece)
                released.append(piece.content)
            elif self.see(piece):
                released.append(piece)
            elif self.ended:
                self._over = True
                self._held = [*map(content_of, pieces[place:]), self._splitter.take_rest()]
                break
        self._look_ahead(pieces, self.text_bytes > said)
        return released[0] if len(released) == 1 else b"".join(released)

    def _look_ahead(self, pieces: list[Piece], speaks: bool) -> None:
        """Make out whether the next bytes may be an event like one that was read. Events without text come once or twice a stream."""
        self._alike = None
        begun = self._splitter.begun
        if self._over or not 0 <= begun <= BEGUN:
            return
        if pieces and speaks:
            self._learn(pieces[-1])
        # An event that told another model has come between; the ones like the old one must tell theirs again.
        if self._learnt is not None and self._learnt_model == self.model:
            self._alike = self._learnt
            self._begun = begun > 0

    def _learn(self, piece: Piece) -> None:
        """Learn from an event that was read in full, ever more rarely where what was learnt is met by no other."""
        if isinstance(piece, Unread):
            return
        if self._skip:
            self._skip -= 1
            return
        if self._learnt is not None and self._learnt.met:
            self._learnt.met = False
            self._tries = 0
        self._tries += 1
        self._skip = min(self._tries // 4, PATIENCE)
        learnt = learn(piece, self.weigh)
        if learnt is not None:
            self._learnt = learnt
            self._learnt_model = self.model

    def _behind(self, data: bytes) -> bytes:
        if self._passing:
            return data
        self._held.append(data)
        return b""

    def _count(self, piece: Unread) -> None:
        if self.unread < self._splitter.unread:
            self.unread += 1
            self.skim(piece.content)

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
