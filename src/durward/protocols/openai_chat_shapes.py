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


class Message(msgspec.Struct, gc=False):
    """A message of a request: whether its content is text, and whether it refers to audio."""

    content: msgspec.Raw = NOTHING
    audio: msgspec.Raw = NOTHING


class Part(msgspec.Struct, gc=False):
    """A part of a content that is an array."""

    type: str = "text"
    file_id: msgspec.Raw = NOTHING


class Tool(msgspec.Struct, gc=False):
    """A tool that the request offers."""

    type: str = "function"


class StreamOptions(msgspec.Struct, gc=False):
    """What the caller asked of the stream."""

    include_usage: bool | None = None


class Request(msgspec.Struct, gc=False):
    """The members of a request that are governed."""

    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | float | None = None
    max_completion_tokens: int | float | None = None
    n: int | None = None
    messages: list[Message] | None = None
    tools: list[Tool] | None = None


class WholeMessage(msgspec.Struct, gc=False):
    """An answer's message, as far as it can cost a fee."""

    annotations: list[Citation] | None = None


class WholeChoice(msgspec.Struct, gc=False):
    """One choice of an answer."""

    message: WholeMessage | None = None


class WholeAnswer(msgspec.Struct, gc=False):
    """A whole answer."""

    model: str | None = None
    choices: list[WholeChoice] | None = None
    usage: msgspec.Raw = NOTHING
    service_tier: str | None = None


class SpokenChoice(msgspec.Struct, gc=False):
    """One choice of an answer, for the text in it."""

    message: Delta | None = None


class Spoken(msgspec.Struct, gc=False):
    """A whole answer, for the text in it."""

    choices: list[SpokenChoice] | None = None
