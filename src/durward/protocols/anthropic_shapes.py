"""What is decoded of Anthropic's answers: the members that matter here, all others passed over."""

import msgspec

from durward.protocols.anthropic_blocks import NOTHING


class Container(msgspec.Struct, gc=False):
    """Where the provider ran code for the answer."""

    id: str | None = None


class WholeMessage(msgspec.Struct, gc=False):
    """A whole answer."""

    model: str = ""
    usage: msgspec.Raw = NOTHING
    content: msgspec.Raw = NOTHING
    container: Container | None = None
