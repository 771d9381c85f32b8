"""The file as a tree whose values know their place, with the plain types of YAML 1.2."""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Literal

from durward.config.mistakes import Span

DIGITS_LIMIT = 40
"""Longer numbers stay exact decimals, which nothing here takes for a whole number."""

NULL = re.compile(r"~|null|Null|NULL|")
BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
INTEGER = re.compile(r"[-+]?[0-9]+")
BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
"""The core schema (YAML 1.2.2 §10.3.2), so that `yes`, `on` and `no` are words. So are infinity and not-a-number: nobody means them."""

Kind = Literal["scalar", "list", "mapping"]


class Node:
    """A value of the file: `text` of a scalar, `items` of a list, `entries` (key -> the key's node, the value's) of a mapping."""

    __slots__ = ("depth", "entries", "items", "kind", "last_line", "plain", "size", "span", "text")

    def __init__(self, kind: Kind, span: Span, text: str = "", plain: bool = False) -> None:
        self.kind = kind
        self.span = span
        self.last_line = span.line
        """The line on which it ends, from 0."""
        self.text = text
        self.plain = plain
        """Written without quotes, so that its type follows from its looks."""
        self.items: list[Node] = []
        self.entries: dict[str, tuple[Node, Node]] = {}
        self.size = 1
        """How many nodes it stands for, each alias counted with all that it repeats."""
        self.depth = 1

    def get(self, *path: str) -> "Node | None":
        """The value under these keys, None where there is none."""
        node = self
        for key in path:
            if key not in node.entries:
                return None
            node = node.entries[key][1]
        return node

    def pairs(self) -> Iterator[tuple[str, "Node", "Node"]]:
        """Key, its node, the value's node, for each entry of a mapping; nothing for any other kind."""
        for key, (key_node, value) in self.entries.items():
            yield key, key_node, value

    @property
    def empty(self) -> bool:
        """Nothing was written: `key:` alone, `~`, or null."""
        return self.kind == "scalar" and self.plain and NULL.fullmatch(self.text) is not None

    def string(self) -> str | None:
        """The text of a scalar that is text, else None."""
        value = self.value() if self.kind == "scalar" else None
        return value if isinstance(value, str) else None

    def strings(self) -> Iterator[tuple[str, "Node"]]:
        """The texts of a list, each with its node."""
        for item in self.items:
            text = item.string()
            if text is not None:
                yield text, item

    def value(self) -> object:
        """The plain value: None, bool, int, Decimal, str, list or dict."""
        if self.kind == "mapping":
            return {key: node.value() for key, _, node in self.pairs()}
        if self.kind == "list":
            return [node.value() for node in self.items]
        return resolve(self.text) if self.plain else self.text


def resolve(text: str) -> bool | int | Decimal | str | None:
    """What a plain scalar means. A number with a point or an exponent stays an exact decimal."""
    if NULL.fullmatch(text):
        return None
    if BOOLEAN.fullmatch(text):
        return text[0] in "tT"
    if len(text) <= DIGITS_LIMIT and INTEGER.fullmatch(text):
        return int(text)
    if len(text) <= DIGITS_LIMIT and BASED.fullmatch(text):
        return int(text, 0)
    if FLOAT.fullmatch(text):
        try:
            return Decimal(text)
        except InvalidOperation:  # an exponent beyond what decimals hold
            return text
    return text
