"""What recorded answers report of their usage, read as the providers document it and as no line of the gate does."""

import json
from typing import Any

from durward.calls.tokens import Tokens

Usage = dict[str, Any]


def chat_tokens(usage: Usage) -> Tokens:
    """The prompt includes what was read from and written to a cache, the completion includes thought."""
    inward = usage.get("prompt_tokens_details") or {}
    outward = usage.get("completion_tokens_details") or {}
    hosts = (inward.get("cached_tokens"), usage.get("prompt_cache_hit_tokens"), usage.get("num_cached_tokens"))
    cached = next((told for told in hosts if told is not None), 0)
    written = inward.get("cache_write_tokens", 0)
    fresh = usage["prompt_tokens"] - cached
    # Gemini through OpenRouter writes again what it has read.
    fresh -= written if written <= fresh else 0
    reasoning = outward.get("reasoning_tokens", 0)
    return Tokens(fresh, cached, written, usage["completion_tokens"] - reasoning, reasoning)


def responses_tokens(usage: Usage) -> Tokens:
    """As in chat, under other names."""
    inward = usage.get("input_tokens_details") or {}
    outward = usage.get("output_tokens_details") or {}
    cached, written = inward.get("cached_tokens", 0), inward.get("cache_write_tokens", 0)
    reasoning = outward.get("reasoning_tokens", 0)
    return Tokens(
        usage["input_tokens"] - cached - written, cached, written, usage["output_tokens"] - reasoning, reasoning
    )


def anthropic_tokens(usage: Usage) -> Tokens:
    """Input, cache reads and cache writes are apart, thinking is part of output."""
    thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens", 0)
    return Tokens(
        input=usage["input_tokens"],
        cached_input=usage["cache_read_input_tokens"],
        cache_write=usage["cache_creation_input_tokens"],
        output=usage["output_tokens"] - thinking,
        reasoning=thinking,
    )


def gemini_tokens(usage: Usage) -> Tokens:
    """The prompt holds what was cached, thoughts and tool prompts stand apart."""
    cached = usage.get("cachedContentTokenCount", 0)
    return Tokens(
        input=usage["promptTokenCount"] - cached + usage.get("toolUsePromptTokenCount", 0),
        cached_input=cached,
        output=usage.get("candidatesTokenCount", 0),
        reasoning=usage.get("thoughtsTokenCount", 0),
    )


def chunks_of(stream: str) -> list[dict[str, Any]]:
    """The JSON objects of an event stream."""
    lines = [line[5:].strip() for line in stream.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line.startswith("{")]


def without_usage(stream: bytes) -> bytes:
    """What a caller gets who asked a chat stream for no usage: all but the chunk that tells nothing else."""
    kept = []
    for event in stream.split(b"\n\n"):
        text = event.removeprefix(b"data:").strip()
        chunk = json.loads(text) if event.startswith(b"data:") and text.startswith(b"{") else {}
        if chunk.get("choices") != [] or not chunk.get("usage"):
            kept.append(event)
    return b"\n\n".join(kept)
