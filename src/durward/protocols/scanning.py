"""Shapes of request bodies, and the walk that tells in one pass where a body's members stand and whether it fits its shape.

The walk is `_scan.c`. Where that is not built, every body is simply one that needs the other reading, with msgspec.
"""

from collections.abc import Callable
from typing import Final

Scanned = tuple[tuple[str, ...], tuple[int, ...], bytes | None]
"""Names of the members; where the value of each starts and ends, in turns; the outline."""

scan: Callable[[bytes, bytes, bytes], Scanned | None] | None
try:
    from durward.protocols._scan import scan
except ImportError:
    scan = None

STRING: Final = 1
NULL: Final = 2
ARRAY: Final = 4
OBJECT: Final = 8
ANYTHING: Final = 255
"""The number of no node."""
WORD: Final = 30
"""Bytes of the longest word."""


class Shape:
    """What those members of a body may be that a wire's module looks into, so that a body which fits needs no second look.

    Written as Python's data, and compiled once:

    - `object`: anything; `str`: any string; `None`: null; `()`: nothing, the member must not be there
    - `frozenset({"a", "b"})`: one of these strings
    - `[each]`: an array of such elements
    - `{"name": value}`: an object, whose members of other names may be anything, or what stands under `...`;
      `{("a", "b"): any, ...}`: one of these, which are the object's first eight names, must be there
    - `(one, other)`: either; of strings, arrays and objects one each
    """

    __slots__ = ("_nodes", "_words", "nodes", "words")

    def __init__(self, members: dict[object, object]) -> None:
        self._nodes: list[bytes] = []
        self._words: list[bytes] = []
        self._add((members,))
        assert len(self._nodes) < ANYTHING > len(self._words), "a shape has at most 254 nodes and words"
        self.nodes = b"".join(self._nodes)
        """What a value may be, six numbers each, inner ones first (`Node` in `_scan.c`)."""
        self.words = b"".join(self._words)
        """Names and strings, each with the number of the node of its value (`Word` in `_scan.c`)."""

    def _add(self, choices: tuple[object, ...]) -> int:
        """The number of the node that allows any of these."""
        if object in choices:
            return ANYTHING
        allows, element, others, one_of = 0, ANYTHING, ANYTHING, 0
        words: list[bytes] = []
        for choice in choices:
            assert not (words and isinstance(choice, dict | frozenset)), "a node has the words of one choice"
            allows |= _kind(choice)
            if isinstance(choice, list):
                element = self._add(_choices(choice[0]))
            elif isinstance(choice, dict):
                named = {name: value for name, value in choice.items() if isinstance(name, str)}
                words = [_word(name, self._add(_choices(value))) for name, value in named.items()]
                others = self._add(_choices(choice.get(..., object)))
                needed = next((key for key in choice if isinstance(key, tuple)), ())
                one_of = sum(1 << list(named).index(name) for name in needed)
            elif isinstance(choice, frozenset):
                words = [_word(text, ANYTHING) for text in sorted(choice)]
        self._nodes.append(bytes((allows, element, others, one_of, len(self._words), len(words))))
        self._words += words
        return len(self._nodes) - 1


def _choices(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _kind(choice: object) -> int:
    if choice is None:
        return NULL
    if isinstance(choice, list):
        return ARRAY
    if isinstance(choice, dict):
        return OBJECT
    assert choice is str or (isinstance(choice, frozenset) and choice), "a shape is written in these words alone"
    return STRING


def _word(text: str, node: int) -> bytes:
    encoded = text.encode()
    assert len(encoded) <= WORD, "a word of a shape is short"
    return bytes((node, len(encoded))) + encoded.ljust(WORD, b"\0")
