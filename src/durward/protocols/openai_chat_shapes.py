"""What is decoded of OpenAI's chat completions: the members that matter here, all others passed over."""

import msgspec

from durward.protocols.openai_chat_stream import Citation, Delta
from durward.protocols.openai_usage import NOTHING


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
