"""What the index keeps of the journal's lines: what listings filter and add up by, and where the line stands; the rest is read there.

Only these members are decoded, in whatever order they stand: a line has three times as many, and the index would not hold them.
"""

import msgspec

from durward.calls.tokens import Attempt, Tokens

NO_TAGS = msgspec.Raw(b"")
PLACE_BITS = 24
"""Bits of a line's place that say which line of its piece it is."""


class Placed(msgspec.Struct, gc=False, kw_only=True):
    """A line, and where it is read again."""

    # No member of a line has this name.
    place: int = msgspec.field(default=0, name="(place)")
    """The number of the piece of the journal that it was read with, and which of its lines it is (`PLACE_BITS`)."""


class Beginning(Placed, gc=False, tag_field="type", tag="intent"):
    """The opening half of a call."""

    id: str
    agent: str = ""
    protocol: str = ""
    action: str = ""
    model: str = ""
    trace: str = ""
    resource: str = ""
    session: str = ""
    tags: msgspec.Raw = NO_TAGS


class Ending(Placed, gc=False, tag_field="type", tag="settle"):
    """The closing half. What metrics are made of is kept as long as the half waits, and stands in no index."""

    id: str
    time: str = ""
    outcome: str = ""
    status: int = 0
    reason: str = ""
    provider: str = ""
    price_partial: bool = False
    duration_ms: float = 0.0
    first_byte_ms: float | None = None
    gate_ms: float = 0.0
    attempts: list[Attempt] = []
    cost_nano: int | None = None
    tokens: Tokens | None = None


class Unknown(Ending, gc=False, tag_field="type", tag="unknown"):
    """The closing half of a call whose gate died."""


class Refusal(Beginning, gc=False, tag_field="type", tag="refused"):
    """Both halves at once."""

    time: str = ""
    outcome: str = ""
    status: int = 0
    reason: str = ""
    provider: str = ""
    price_partial: bool = False
    duration_ms: float = 0.0
    attempts: list[Attempt] = []
    cost_nano: int | None = None
    tokens: Tokens | None = None

    def ending(self) -> Ending:
        """The closing half, which stands in the same place."""
        return Ending(
            self.id,
            self.time,
            self.outcome,
            self.status,
            self.reason,
            self.provider,
            self.price_partial,
            self.duration_ms,
            attempts=self.attempts,
            cost_nano=self.cost_nano,
            tokens=self.tokens,
            place=self.place,
        )


class Opened(Placed, gc=False, tag_field="type", tag="open"):
    """No half of a call, as those below."""


class Signed(Placed, gc=False, tag_field="type", tag="head"):
    """A signature over the chain."""


class Closed(Placed, gc=False, tag_field="type", tag="close"):
    """A writer's last line."""


class Recovered(Placed, gc=False, tag_field="type", tag="recovered"):
    """A writer that was looked after."""


Half = Beginning | Ending | Unknown | Refusal | Opened | Signed | Closed | Recovered

_decoder = msgspec.json.Decoder(Half)


def read_half(line: bytes, place: int) -> Half | None:
    """The line at a place, None where it is none that this version knows."""
    try:
        found: Half = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    found.place = place
    return found


def read_halves(content: bytes, piece: int) -> list[Half]:
    """All that can be read of a piece of the journal, in order; what is no line of ours is passed over."""
    first = piece << PLACE_BITS
    try:
        found: list[Half] = _decoder.decode_lines(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        numbered = enumerate(lines_of(content), first)
        return [half for place, line in numbered if (half := read_half(line, place)) is not None]
    for place, half in enumerate(found, first):
        half.place = place
    return found


def lines_of(piece: bytes) -> list[bytes]:
    """The lines of a piece, as places count them: empty ones do not count."""
    return [line for line in piece.split(b"\n") if line.strip()]
