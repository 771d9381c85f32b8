"""Events of a stream that are like one that was read in full: the same bytes, but for strings and numbers in known places.

Models stream one event a token, and nearly all of its bytes are those of the event before. Such an event needs no JSON decoder: what
is the same means the same, and where it differs stands a valid JSON string or number of which nothing counts but a string's length.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec

from durward.protocols.members import UNREADABLE
from durward.protocols.sse import BOUND

PLACES: Final = 4
"""Events that may differ in more places are read in full."""
LONGEST: Final = 8192
"""Nothing is learnt from an event of more bytes than this."""

_Match = Callable[[bytes, int], re.Match[bytes] | None]

# The member names under which hosts tell text, padding and counts. In valid JSON, a colon behind a quote and before a value makes that
# value a member's, wherever it stands.
_PLACE: Final = re.compile(
    rb'"(?:content|reasoning_content|reasoning|text|arguments|delta|thinking|partial_json|obfuscation)":[ ]?"'
    rb'(?P<text>[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+)"'
    rb'|"sequence_number":[ ]?(?P<number>[1-9][0-9]{0,15}+)(?=[,}])'
)
_plain: Final[_Match] = re.compile(rb"[ !#-\[\]-~]*+").match
_text: Final[_Match] = re.compile(rb'[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+').match
_number: Final[_Match] = re.compile(rb"[1-9][0-9]{0,15}+").match
_PLAIN: Final = bytes([0x20 <= byte < 0x7F and byte not in b'"\\' for byte in range(256)])
_DIGITS: Final = bytes([byte in b"0123456789" for byte in range(256)])
_ZERO: Final = 0x30
_SHORT: Final = 0 if __file__.endswith(".py") else 48
"""How many bytes of a text are looked at one by one before the pattern is asked: as many as a token has, where this is compiled."""
_STRING: Final = msgspec.json.Decoder(str)
_PROBE: Final = b"probe"


class _Place:
    """Where events differ.

    `match` and `known`: what may stand there if no closer look is to be needed, as a pattern and byte by byte. `counted`: whether it
    is generated text. `behind`: what follows, `size` bytes.
    """

    __slots__ = ("behind", "counted", "is_number", "known", "match", "size")

    def __init__(self, is_number: bool, counted: bool, behind: bytes) -> None:
        self.is_number = is_number
        self.known = _DIGITS if is_number else _PLAIN
        self.match = _number if is_number else _plain
        self.counted = counted
        self.behind = behind
        self.size = len(behind)

    def end(self, data: bytes, start: int) -> int:
        """Where that ends which begins at `start`, found byte by byte while it is short; -1 for a number that is none."""
        known = self.known
        at = start
        stop = min(start + _SHORT, len(data))
        while at < stop and known[data[at]]:
            at += 1
        if at < stop and not (self.is_number and (at == start or data[start] == _ZERO or at - start > 15)):
            return at
        match = self.match(data, start)
        return match.end() if match is not None else -1


class Likeness:
    """What events that are alike have in common."""

    __slots__ = ("_before", "_length", "_places", "_same", "_size", "met", "said")

    def __init__(self, before: bytes, places: list[_Place], same: int) -> None:
        self._before = before
        self._size = len(before)
        self._places = places
        self._same = same
        """Bytes of generated text that each of the events says outside the places."""
        self._length = 0
        self.said = 0
        """Bytes of generated text (UTF-8) in the events that `reach` passed last."""
        self.met = False
        """Whether any event was found to be alike."""

    def reach(self, data: bytes) -> int:
        """How many bytes of `data`, from its beginning, are whole events that are alike."""
        size = len(data)
        reached = self.said = 0
        while reached < size <= BOUND:
            end = self._end_of(data, reached)
            if end < 0:
                break
            self.said += self._length
            self.met = True
            reached = end
        return reached

    def _end_of(self, data: bytes, start: int) -> int:
        """The end of the event that begins at `start`, -1 if it is not alike; its text's bytes are then in `_length`."""
        at = start + self._size
        if data[start:at] != self._before:
            return -1
        said = self._same
        for place in self._places:
            start = at
            if _SHORT:
                at = place.end(data, at)
            else:
                match = place.match(data, at)
                at = match.end() if match is not None else -1
            if at < 0:
                return -1
            length = at - start
            end = at + place.size
            if data[at:end] != place.behind:
                at = _end_of_text(place, data, start)
                if at < 0 or (length := _length_between(data[start - 1 : at + 1])) < 0:
                    return -1
                end = at + place.size
            if place.counted:
                said += length
            at = end
        self._length = said
        return at


def _end_of_text(place: _Place, data: bytes, start: int) -> int:
    """Where a string's content ends that begins at `start`, escapes and letters beyond ASCII included; -1 where it is none."""
    match = None if place.is_number else _text(data, start)
    return match.end() if match is not None and data.startswith(place.behind, match.end()) else -1


def _length_between(quoted: bytes) -> int:
    """The UTF-8 bytes of a string with its quotes, -1 if it is none."""
    try:
        return length_of(_STRING.decode(quoted))
    except UNREADABLE:
        return -1


def length_of(text: str | None) -> int:
    """The UTF-8 bytes of a text that may be missing."""
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode())


def learn(event: bytes, weigh: Callable[[bytes], int]) -> Likeness | None:
    """What events that are alike to `event` have in common; None where that cannot be told.

    `weigh` tells the bytes of generated text in an event, -1 if it tells anything beside; of the strings that stand in places it
    may mind nothing but their lengths. What each place is to it is found out by asking.
    """
    if not _is_plain(event):
        return None
    spans: list[tuple[int, int]] = []
    numbers: list[bool] = []
    for match in _PLACE.finditer(event):
        group = match.lastgroup or ""
        spans.append(match.span(group))
        numbers.append(group == "number")
    if not 0 < len(spans) <= PLACES or all(start == end for start, end in spans) or weigh(event) < 0:
        return None
    edges = [0, *[edge for span in spans for edge in span], len(event)]
    between = [event[edges[at] : edges[at + 1]] for at in range(0, len(edges), 2)]
    return _weighed(between, numbers, weigh)


def _weighed(between: list[bytes], numbers: list[bool], weigh: Callable[[bytes], int]) -> Likeness | None:
    """Find out which places are generated text: those that make an event weigh as much more as they hold."""
    none = [b"1" if number else b"" for number in numbers]
    every = [b"23" if number else _PROBE for number in numbers]
    same = weigh(_filled(between, none))
    places: list[_Place] = []
    for at, number in enumerate(numbers):
        one = [*none[:at], every[at], *none[at + 1 :]]
        more = weigh(_filled(between, one)) - same
        counted = more == len(_PROBE) and not number
        if same < 0 or (more and not counted):
            return None
        places.append(_Place(number, counted, between[at + 1]))
    # Where one text stands for another, the sum is less than its parts.
    if len(numbers) > 1 and weigh(_filled(between, every)) - same != len(_PROBE) * sum(
        place.counted for place in places
    ):
        return None
    return Likeness(between[0], places, same)


def _filled(between: list[bytes], inside: list[bytes]) -> bytes:
    return b"".join([piece for pair in zip(between, [*inside, b""], strict=True) for piece in pair])


def _is_plain(event: bytes) -> bool:
    """Whether this is one `data` line, or an `event` line before it, as they are written nearly everywhere, and a blank line."""
    if len(event) > LONGEST:
        return False
    lines = event.count(b"\n")
    if not (event.startswith(b"data: ") and lines == 2) and not (event.startswith(b"event: ") and lines == 3):
        return False
    if event.find(b"\r") >= 0:
        return event.endswith(b"\r\n\r\n") and event.count(b"\r") == event.count(b"\r\n") == lines
    return event.endswith(b"\n\n")
