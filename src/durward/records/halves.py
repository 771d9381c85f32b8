"""What the index keeps of the journal's lines: what listings filter and add up by, and where the line stands; the rest is read there.

Only these members are decoded, in whatever order they stand: a line has three times as many, and the index would not hold them.
"""

import msgspec

from durward.calls.usage import Tokens

NO_TAGS = msgspec.Raw(b"")
PLACE_BITS = 36
"""Bits of a line's place that say where in its segment it begins: a segment may have 64 GiB."""


class Placed(msgspec.Struct, gc=False, kw_only=True):
    """A line, and where it is read again."""

    # No member of a line has this name.
    place: int = msgspec.field(default=0, name="(place)")
    """The number of the segment, and the offset in it (`PLACE_BITS`)."""


class Beginning(Placed, gc=False, tag_field="type", tag="intent"):
    """The opening half of a call."""

    id: str
    agent: str = ""
    model: str = ""
    trace: str = ""
    session: str = ""
    tags: msgspec.Raw = NO_TAGS


class Ending(Placed, gc=False, tag_field="type", tag="settle"):
    """The closing half."""

    id: str
    outcome: str = ""
    price_partial: bool = False
    cost_nano: int | None = None
    tokens: Tokens | None = None


class Unknown(Ending, gc=False, tag_field="type", tag="unknown"):
    """The closing half of a call whose gate died."""


class Refusal(Beginning, gc=False, tag_field="type", tag="refused"):
    """Both halves at once."""

    outcome: str = ""
    price_partial: bool = False
    cost_nano: int | None = None
    tokens: Tokens | None = None

    def ending(self) -> Ending:
        """The closing half, which stands in the same place."""
        return Ending(self.id, self.outcome, self.price_partial, self.cost_nano, self.tokens, place=self.place)


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
    """One line that begins at a place, None where it is none that this version knows."""
    try:
        found: Half = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    found.place = place
    return found


def read_halves(content: bytes, place: int) -> list[Half]:
    """All that can be read of whole lines, the first of which begins at a place; what is no line of ours is passed over."""
    try:
        found: list[Half] = _decoder.decode_lines(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _one_by_one(content, place)
    at, find = 0, content.find
    for half in found:
        half.place = place + at
        at = find(b"\n", at) + 1
    # An empty line is passed over by the decoder, and then the places are wrong.
    return found if at == len(content) else _one_by_one(content, place)


def _one_by_one(content: bytes, place: int) -> list[Half]:
    found = []
    for line in content.splitlines(keepends=True):
        half = read_half(line, place)
        if half is not None:
            found.append(half)
        place += len(line)
    return found
