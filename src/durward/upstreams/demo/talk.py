"""What the demo model says: a short answer that takes up the prompt, a call of an offered tool, or JSON in the wanted shape.

It calls a tool where tools are offered, unless the last message is a tool's result, the caller forbids it, or the prompt just asks
it to say something ("say pong").
"""

import json
import re
from typing import Any, NamedTuple

from durward.upstreams.demo.dice import Dice
from durward.upstreams.demo.samples import Sampler, Schema

BYTES_PER_TOKEN = 4
QUOTED = 400
"""How many characters of a tool's result are quoted."""
TOPIC = 90

_say = re.compile(
    r"\b(?:say|repeat|(?:reply|respond|answer) with)(?: (?:only|exactly|just|the words?|this|back))*:? "
    r"[\"'`]?(?P<words>[^\n\"'`]{1,200}?)[\"'`]?[.!]?\s*$",
    re.IGNORECASE,
)
_asks = re.compile(r"^(?:please |can you |could you |would you |i want you to )+", re.IGNORECASE)
_word = re.compile(r"[a-z]{4,}")
_token = re.compile(r"\s*\S+|\s+$")
_camel = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\-.]")
_risky = re.compile(
    "apply|bash|close|create|delete|drop|edit|exec|fetch|input|kill|patch|post|put|"
    "remove|replace|resume|run|send|shell|spawn|stop|update|upload|write"
)
"""Words in a tool's name that make it the second choice: somebody may act on the call."""

OPENINGS = (
    "You asked about {topic}.",
    "Here is a short answer on {topic}.",
    "On {topic}:",
    "This is what the demo model has to say about {topic}.",
)
BODIES = (
    "Begin with one small step, look at what it did, and only then take the next.",
    "There are three things to know: what it is for, what it costs, and how to undo it.",
    "The plain way is the best one here; what looks clever is hard to mend.",
    "It depends on the details, but a good first guess is the one that is easiest to check.",
)
CLOSINGS = (
    "No model was asked: these words come from Durward's demo provider.",
    "A real provider takes this place once its key is configured.",
    "The next answer to the same question will be the same.",
)


class Wrong(Exception):
    """The request is not one that the wire documents."""


class Tool(NamedTuple):
    """A function that the caller offers."""

    name: str
    schema: Schema
    description: str = ""
    namespace: str = ""


class Result(NamedTuple):
    """What a tool answered, when that is the last message."""

    name: str
    content: str


class Prompt(NamedTuple):
    """A request as the model sees it, whatever wire it came in."""

    text: str
    """What the user said last."""
    input_bytes: int
    tools: tuple[Tool, ...] = ()
    result: Result | None = None
    forced: str | None = None
    """The tool that must be called; "" for any."""
    schema: Schema | None = None
    """The answer is JSON of this schema."""
    max_output: int | None = None


class Reply(NamedTuple):
    """An answer: text, or one call of a tool; `pieces` are the tokens in which it is streamed."""

    text: str
    tool: Tool | None
    arguments: dict[str, Any]
    pieces: tuple[str, ...]
    whole: bool
    """False where `max_output` cut it."""
    input_tokens: int
    output_tokens: int


def tokens_of(count: int) -> int:
    """Tokens in so many bytes of text."""
    return -(-count // BYTES_PER_TOKEN)


def reply_to(prompt: Prompt, dice: Dice) -> Reply:
    """The answer to a prompt; the same dice give the same one."""
    tool = _chosen(prompt)
    arguments: dict[str, Any] = {}
    if tool is not None:
        sampled = _sampled(tool.schema, prompt.text, dice)
        arguments = sampled if isinstance(sampled, dict) else {}
        text = json.dumps(arguments, ensure_ascii=False)
    elif prompt.schema is not None:
        text = json.dumps(_sampled(prompt.schema, prompt.text, dice), ensure_ascii=False)
    else:
        text = _said(prompt, dice)
    pieces = tuple(_token.findall(text))
    cut = pieces if tool is not None else _within(pieces, prompt.max_output)
    spoken = "".join(cut)
    output = max(1, tokens_of(len(spoken.encode("utf-8", "replace")) + (len(tool.name) if tool else 0)))
    return Reply(
        "" if tool else spoken,
        tool,
        arguments,
        cut,
        len(cut) == len(pieces),
        max(1, tokens_of(prompt.input_bytes)),
        output,
    )


def _sampled(schema: Schema, text: str, dice: Dice) -> Any:
    try:
        return Sampler(schema, text, dice).value()
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        # The schema is the caller's: whatever stands where a schema should is the caller's mistake.
        raise Wrong("the schema is not a JSON schema") from None


def _within(pieces: tuple[str, ...], max_output: int | None) -> tuple[str, ...]:
    if max_output is None:
        return pieces
    left = max_output * BYTES_PER_TOKEN
    for place, piece in enumerate(pieces):
        left -= len(piece.encode("utf-8", "replace"))
        if left < 0:
            return pieces[:place]
    return pieces


def _said(prompt: Prompt, dice: Dice) -> str:
    if prompt.result is not None:
        quoted = " ".join(prompt.result.content.split())[:QUOTED]
        return (
            f"The tool `{prompt.result.name}` answered: {quoted}"
            if quoted
            else f"The tool `{prompt.result.name}` is done."
        )
    if (said := _say.search(prompt.text)) is not None:
        return said["words"]
    opening = dice.pick(OPENINGS).format(topic=_topic(prompt.text))
    return f"{opening} {dice.pick(BODIES)} {dice.pick(CLOSINGS)}"


def _topic(text: str) -> str:
    first = _asks.sub("", " ".join(text.split()))
    first = re.split(r"(?<=[.?!])\s", first, maxsplit=1)[0].rstrip(".?! ")
    if not first:
        return "nothing in particular"
    short = first if len(first) <= TOPIC else first[:TOPIC].rsplit(" ", 1)[0] + " …"
    return f"“{short}”"


def _chosen(prompt: Prompt) -> Tool | None:
    """The tool to call, if any: the one that shares most words with the prompt, and harmless ones first."""
    if not prompt.tools:
        return None
    if prompt.forced:
        return next((tool for tool in prompt.tools if tool.name == prompt.forced), None)
    if prompt.forced is None and (prompt.result is not None or _say.search(prompt.text)):
        return None
    asked = set(_word.findall(prompt.text.lower()))
    return max(prompt.tools, key=lambda tool: _fits(tool, asked))


def _fits(tool: Tool, asked: set[str]) -> tuple[bool, int, int]:
    named = set(_camel.sub(" ", tool.name).lower().split())
    described = set(_word.findall(tool.description.lower()))
    risky = any(map(_risky.fullmatch, named)) and not named & asked
    return not risky, len(named & asked), len(described & asked)
