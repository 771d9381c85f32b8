"""What is decoded of OpenAI's embeddings: the members that matter here, all others passed over."""

import msgspec

from durward.protocols.openai_usage_shapes import NOTHING


class Request(msgspec.Struct, gc=False):
    """The member of a request that is governed."""

    model: str = ""


class WholeAnswer(msgspec.Struct, gc=False):
    """The vectors are passed over: they can be megabytes."""

    model: str | None = None
    usage: msgspec.Raw = NOTHING
