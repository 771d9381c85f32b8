"""What each wire of the demo provider says in its own words, and what they all share."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from durward.upstreams.demo.talk import Prompt, Reply, Wrong

Body = dict[str, Any]


class Stamp(NamedTuple):
    """What makes one answer different from the next: part of its ids, and its Unix time in whole seconds."""

    token: str
    created: int


class Asked(NamedTuple):
    """A request, read."""

    model: str
    prompt: Prompt
    stream: bool
    body: Body
    choices: int = 1
    array: bool = False
    """Gemini without `alt=sse`: the stream is a JSON array."""


class Wire(Protocol):
    """One route of one provider's API. The instances have no state."""

    overloaded: int
    """The status of a provider that has no room."""

    def read(self, body: Body, model: str, stream: bool, query: str) -> Asked:
        """Read a request. `model` and `stream` come from the address where the wire puts them there. Raises Wrong."""

    def whole(self, asked: Asked, reply: Reply, stamp: Stamp) -> Body:
        """The whole answer."""

    def pieces(self, asked: Asked, reply: Reply, stamp: Stamp) -> Iterator[bytes]:
        """The answer as a stream, in the pieces in which a model gives it."""

    def fail(self, status: int, message: str, stamp: Stamp) -> Body:
        """An error's body."""

    def fail_inside(self, asked: Asked, stamp: Stamp) -> bytes:
        """The error of an overloaded provider inside a stream that has begun well."""

    def lines(self, asked: Asked | None, stamp: Stamp) -> bytes:
        """The header lines that the provider adds to every answer: request id, rate limits."""


CHOICES = 8
"""How many choices one request can have."""


def text_of(content: Any, kinds: tuple[str, ...] = ("text", "input_text", "output_text")) -> str:
    """The last text of a message's content: clients put what the user said behind what they add."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type", "text") in kinds]
    said = [text for text in texts if isinstance(text, str) and not text.lstrip().startswith("<system-reminder>")]
    return said[-1] if said else ""


def all_text_of(content: Any) -> str:
    """A tool's result as text, whatever its form."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(
            filter(None, (all_text_of(part.get("text") or "") if isinstance(part, dict) else "" for part in content))
        )
    return "" if content is None else json.dumps(content, ensure_ascii=False)


def size_of(*values: Any) -> int:
    """Bytes of what goes into a prompt."""
    return sum(
        len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) for value in values if value is not None
    )


def objects(value: Any) -> list[Body]:
    """The objects in a list; nothing where it is none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def bound_of(body: Body, *names: str) -> int | None:
    """The bound on output tokens, under the first of these names that has one. Raises Wrong."""
    for name in names:
        value = body.get(name)
        if value is not None:
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise Wrong(f"{name} must be a positive integer")
            return value
    return None


def count_of(value: Any) -> int:
    """How many choices are wanted, within reason."""
    return max(1, min(CHOICES, value)) if isinstance(value, int) else 1


def schema_of(value: Any) -> Body:
    return value if isinstance(value, dict) else {"type": "object", "properties": {}}


def event(payload: Body, name: str = "") -> bytes:
    """One server-sent event."""
    encoded = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return (b"event: %b\n" % name.encode() if name else b"") + b"data: %b\n\n" % encoded
