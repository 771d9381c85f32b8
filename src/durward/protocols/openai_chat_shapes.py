"""What chat completions are made of, streamed or not, as far as the gate reads it.

Apart from what reads them: compiled modules define no Structs.
"""

import msgspec

from durward.protocols.openai_usage_shapes import NOTHING, Reported


class Called(msgspec.Struct, gc=False):
    """What a tool call says: a function's name and arguments, or a custom tool's name and input."""

    name: str | None = None
    arguments: str | None = None
    input: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    """One tool call, or the next piece of one."""

    function: Called | None = None
    custom: Called | None = None


class Audio(msgspec.Struct, gc=False):
    """Spoken output: the id by which it can be named again, and what was said."""

    id: str | None = None
    transcript: str | None = None


class Citation(msgspec.Struct, gc=False):
    """One annotation of a text."""

    type: str = ""


class Delta(msgspec.Struct, gc=False):
    """A message of a plain answer, or the next piece of one in a stream; reasoning has one name per host."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Called | None = None
    audio: Audio | None = None
    annotations: list[Citation] | None = None


class Choice(msgspec.Struct, gc=False):
    """One answer of those that were asked for, as far as a chunk goes."""

    delta: Delta | None = None
    finish_reason: str | None = None
    index: int = 0


class Groq(msgspec.Struct, gc=False):
    """Where Groq tells what was used."""

    usage: msgspec.Raw = NOTHING


class Chunk(msgspec.Struct, gc=False):
    """One event of a stream."""

    choices: list[Choice] | None = None
    usage: Reported | None = None
    model: str | None = None
    service_tier: str | None = None
    x_groq: Groq | None = None
    error: msgspec.Raw = NOTHING


class Used(msgspec.Struct, gc=False):
    """A chunk's usage as it stands."""

    usage: msgspec.Raw = NOTHING
