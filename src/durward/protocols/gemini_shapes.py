"""What Gemini's answers are made of, whole or streamed, as far as the gate reads it.

Apart from what reads them: compiled modules define no Structs.
"""

from typing import Final

import msgspec

from durward.protocols.gemini_usage import Grounding

NOTHING: Final = msgspec.Raw()


class Part(msgspec.Struct, gc=False, rename="camel"):
    """A piece of what was generated."""

    text: str | None = None
    function_call: msgspec.Raw = NOTHING
    executable_code: msgspec.Raw = NOTHING


class Content(msgspec.Struct, gc=False):
    """What was generated."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    """One answer of those that were asked for."""

    index: int | None = None
    content: Content | None = None
    finish_reason: str | None = None
    grounding_metadata: Grounding | None = None


class Feedback(msgspec.Struct, gc=False, rename="camel"):
    """Why nothing was generated."""

    block_reason: str | None = None


class Error(msgspec.Struct, gc=False):
    """Why a stream ended early."""

    status: str | None = None
    code: int | None = None


class Chunk(msgspec.Struct, gc=False, rename="camel"):
    """A `GenerateContentResponse`: a whole answer, or a chunk of a streamed one."""

    candidates: list[Candidate] | None = None
    usage_metadata: msgspec.Raw = NOTHING
    model_version: str | None = None
    prompt_feedback: Feedback | None = None
    error: Error | None = None


class Bare(msgspec.Struct, gc=False, rename="camel"):
    """What still counts of a chunk whose candidates are not as documented."""

    usage_metadata: msgspec.Raw = NOTHING


class Embedded(msgspec.Struct, gc=False, rename="camel"):
    """An answer to an embedding."""

    usage_metadata: msgspec.Raw = NOTHING
