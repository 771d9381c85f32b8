"""The usage objects of OpenAI's wire, as far as they are read. They are decoded by msgspec, so they are never compiled."""

from typing import Annotated, Final

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=10**15)] | None
NOTHING: Final = msgspec.Raw(b"null")
"""What a member holds that is not there."""


class CachedDetails(msgspec.Struct, gc=False):
    """Which of the cached tokens were not text."""

    audio_tokens: Count = None
    image_tokens: Count = None


class Details(msgspec.Struct, gc=False):
    """Parts of the tokens of one side."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None
    video_tokens: Count = None
    reasoning_tokens: Count = None
    cached_tokens_details: CachedDetails | None = None


class ServerTools(msgspec.Struct, gc=False):
    """OpenRouter: what its own tools did for the answer."""

    web_search_requests: Count = None


class Reported(msgspec.Struct, gc=False):
    """A usage object. `prompt`, `completion`: chat and embeddings; `input`, `output`: responses; then what single hosts add."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    input_tokens: Count = None
    input_tokens_details: Details | None = None
    output_tokens: Count = None
    output_tokens_details: Details | None = None
    prompt_cache_hit_tokens: Count = None
    """DeepSeek."""
    num_cached_tokens: Count = None
    """Mistral."""
    cached_tokens: Count = None
    """Moonshot."""
    cache_creation_input_tokens: Count = None
    """Hosts that translate from Anthropic's wire; counted within the prompt."""
    server_tool_use: ServerTools | None = None
    server_tool_use_details: ServerTools | None = None
    num_search_queries: Count = None
    """Perplexity."""
    num_sources_used: Count = None
    """xAI."""
