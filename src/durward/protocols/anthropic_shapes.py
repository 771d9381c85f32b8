"""What Anthropic's answers and the events of its streams are made of, as far as the gate reads it.

Apart from what reads them: compiled modules define no Structs.
"""

import msgspec

from durward.protocols.anthropic_blocks import NOTHING, Block


class Container(msgspec.Struct, gc=False):
    """Where code of the model ran."""

    id: str | None = None


class Message(msgspec.Struct, gc=False):
    """An answer as it begins."""

    model: str | None = None
    usage: msgspec.Raw = NOTHING
    container: Container | None = None


class Delta(msgspec.Struct, gc=False):
    """What an event adds to the answer, or changes of it."""

    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    stop_reason: str | None = None
    container: Container | None = None


class Error(msgspec.Struct, gc=False):
    """Why a stream ended early."""

    type: str | None = None


class Event(msgspec.Struct, gc=False):
    """Any event."""

    type: str = ""
    delta: Delta | None = None
    message: Message | None = None
    usage: msgspec.Raw = NOTHING
    content_block: Block | None = None
    error: Error | None = None


class TextDelta(msgspec.Struct, gc=False):
    """Nearly every event: the members of a delta that hold generated text."""

    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None


class DeltaEvent(msgspec.Struct, gc=False):
    """An event that adds generated text."""

    delta: TextDelta


class WholeMessage(msgspec.Struct, gc=False):
    """A whole answer."""

    model: str = ""
    usage: msgspec.Raw = NOTHING
    content: msgspec.Raw = NOTHING
    container: Container | None = None
