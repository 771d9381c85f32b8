"""What is decoded of a request to OpenAI's Responses: the members that matter here, all others passed over."""

import msgspec

from durward.protocols.openai_usage_shapes import NOTHING


class Part(msgspec.Struct, gc=False):
    """A part of an item's content."""

    type: str = ""
    file_id: msgspec.Raw = NOTHING


class Item(msgspec.Struct, gc=False):
    """An item of an input that holds nothing but what stands here as it stands here."""

    type: str | None = None
    content: list[Part] | str | None = None
    output: str | None = None
    encrypted_content: str | None = None


class Tool(msgspec.Struct, gc=False):
    """A tool that the request offers."""

    type: str = ""


class Asked(msgspec.Struct, gc=False):
    """The members of a request that are governed."""

    model: str | None = None
    stream: bool | None = None
    max_output_tokens: int | float | None = None
    tools: list[Tool] | None = None


class AskedInText(Asked, gc=False):
    """The same, where the input can be nothing but text."""

    input: list[Item] | str | None = None


class Written(msgspec.Struct, gc=False):
    """What an answer says, unread: its size is what counts."""

    output: msgspec.Raw = NOTHING
