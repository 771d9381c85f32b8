"""What is decoded of Gemini's answers to embeddings: the members that matter here."""

import msgspec

from durward.protocols.gemini_stream import NOTHING


class Embedded(msgspec.Struct, gc=False, rename="camel"):
    """An answer to an embedding."""

    usage_metadata: msgspec.Raw = NOTHING
