"""Usage as OpenAI and the hosts that speak its wire report it, told in disjoint kinds.

`prompt_tokens` and `input_tokens` include what was read from and written to the cache, `completion_tokens` and `output_tokens` include
reasoning; details name parts of both. Hosts that count otherwise are told by their own totals, never by their names.
"""

import json
from typing import Any, Final

import msgspec

from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.protocols.members import UNREADABLE
from durward.protocols.openai_usage_shapes import Details, Reported

KEPT: Final = 4096
"""A usage object larger than this many bytes is not kept verbatim."""
TIER_LENGTH: Final = 32
BELIEVED: Final = 10_000_000
"""A total that goes beyond its parts by more tokens than this is nonsense, not thought."""
SEARCH_FEE: Final = "web_search"
"""Searches that a model made by itself, as they are priced."""


OBJECTS = frozenset(
    [
        *("prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details"),
        *("cached_tokens_details", "server_tool_use", "server_tool_use_details"),
    ]
)
"""Members that hold objects; all others hold counts."""
_NONE = Details()
_LF, _CR = b"\n\r"
_REPORTED = msgspec.json.Decoder(Reported)
_ANY = msgspec.json.Decoder()


def read_usage(raw: msgspec.Raw, service_tier: str | None) -> Usage | None:
    """An answer's usage from its raw usage member; None where it says nothing. Never raises."""
    try:
        reported = _REPORTED.decode(raw)
    except msgspec.ValidationError:
        if bytes(raw) == b"null":
            return None
        reported = _salvaged(raw)
    except UNREADABLE:
        return None
    usage = tell(reported)
    if usage is not None:
        usage.verbatim = _kept(raw)
        if service_tier and len(service_tier) <= TIER_LENGTH:
            usage.service_tier = service_tier
    return usage


def tell(reported: Reported) -> Usage | None:
    """The disjoint kinds of a usage object; None where it has no count at all."""
    taken, given, total = reported.prompt_tokens, reported.completion_tokens, reported.total_tokens
    if taken is None:
        taken = reported.input_tokens
    if given is None:
        given = reported.output_tokens
    if taken is None:
        if given is None and total is None:
            return None
        # Hosts of embeddings that count nothing but the total.
        taken = max(0, (total or 0) - (given or 0))
    given = given or 0
    tokens = Tokens(taken, 0, 0, given)
    usage = Usage(tokens)
    inward = reported.prompt_tokens_details or reported.input_tokens_details or _NONE
    outward = reported.completion_tokens_details or reported.output_tokens_details or _NONE
    _take_cached(tokens, inward, reported)
    beyond = 0 if total is None else total - taken - given
    if outward.reasoning_tokens or beyond > 0:
        _take_reasoning(tokens, outward.reasoning_tokens or 0, beyond)
    if inward.audio_tokens or inward.image_tokens or inward.video_tokens:
        _split_input(usage, inward)
    if outward.audio_tokens or outward.image_tokens:
        _split_output(usage, outward)
    if reported.server_tool_use_details or reported.server_tool_use or reported.num_search_queries:
        _count_searches(usage, reported)
    if reported.num_sources_used:
        usage.fees["search_source"] = reported.num_sources_used
    return usage


def _take_cached(tokens: Tokens, inward: Details, reported: Reported) -> None:
    cached = (
        inward.cached_tokens or reported.prompt_cache_hit_tokens or reported.num_cached_tokens or reported.cached_tokens
    )
    if cached:
        tokens.cached_input = min(cached, tokens.input)
        tokens.input -= tokens.cached_input
    if written := inward.cache_write_tokens or reported.cache_creation_input_tokens:
        tokens.cache_write = min(written, tokens.input + tokens.cached_input)
        # More than was left: what was read has been written again, and is paid for twice (Gemini through OpenRouter).
        if tokens.cache_write <= tokens.input:
            tokens.input -= tokens.cache_write


def _take_reasoning(tokens: Tokens, reasoning: int, beyond: int) -> None:
    if 0 < beyond <= BELIEVED and reasoning in (0, beyond):
        # xAI, and Gemini through this wire: thoughts are in the total, not in the completion.
        tokens.reasoning = beyond
    else:
        tokens.reasoning = min(reasoning, tokens.output)
        tokens.output -= tokens.reasoning


def _count_searches(usage: Usage, reported: Reported) -> None:
    tools = reported.server_tool_use_details or reported.server_tool_use
    searches = (tools.web_search_requests if tools is not None else None) or reported.num_search_queries
    if searches:
        usage.fees[SEARCH_FEE] = searches


def _split_input(usage: Usage, inward: Details) -> None:
    """Parts with a price of their own; each also counts in its kind."""
    of_cached = inward.cached_tokens_details
    for medium, count, cached in (
        ("audio", inward.audio_tokens, of_cached and of_cached.audio_tokens),
        ("image", inward.image_tokens, of_cached and of_cached.image_tokens),
        ("video", inward.video_tokens, None),
    ):
        if count:
            _split_medium(usage, medium, count, cached or 0)


def _split_medium(usage: Usage, medium: str, count: int, told: int) -> None:
    tokens = usage.tokens
    # What does not fit into the fresh input can only have come from the cache.
    cached = min(max(told, count - tokens.input), count, tokens.cached_input)
    fresh = min(count - cached, tokens.input)
    if fresh > 0:
        usage.split[f"{medium}_input"] = fresh
    if cached > 0:
        usage.split[f"{medium}_cached_input"] = cached


def _split_output(usage: Usage, outward: Details) -> None:
    for medium, count in (("audio", outward.audio_tokens), ("image", outward.image_tokens)):
        if count and usage.tokens.output:
            usage.split[f"{medium}_output"] = min(count, usage.tokens.output)


def _salvaged(raw: msgspec.Raw) -> Reported:
    """The usable counts of a usage object in which something is not what it must be: negative, fractional, text."""
    try:
        value = _ANY.decode(raw)
    except UNREADABLE:
        value = None
    return msgspec.convert(_cleaned(value) if isinstance(value, dict) else {}, Reported)


def _cleaned(value: object, depth: int = 3) -> object:
    """A count, or an object's usable counts; None for everything else."""
    if isinstance(value, dict):
        inside = {name: _cleaned(inner, depth - 1) for name, inner in value.items()} if depth else {}
        return {name: inner for name, inner in inside.items() if isinstance(inner, dict) == (name in OBJECTS)}
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10**15:
        return None
    return int(value)


def _kept(raw: msgspec.Raw) -> msgspec.Raw | None:
    """The object verbatim, as a copy that does not keep the whole answer in memory and fits on one line of a journal.

    Line feeds in JSON text stand between tokens only: taking them out changes no value.
    """
    text = bytes(raw)
    if len(text) > KEPT:
        return None
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError:
            return None
    if _LF in text:
        text = text.replace(b"\n", b"")
    if _CR in text:
        text = text.replace(b"\r", b"")
    return msgspec.Raw(text)


def loosely(text: bytes) -> dict[str, Any]:
    """What a JSON object tells that a strict reader refuses: `NaN`, half surrogate pairs, broken UTF-8. Empty where it is none."""
    try:
        value = json.loads(text.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def usage_of(value: dict[str, Any]) -> Usage | None:
    """The usage in a loosely read answer."""
    reported = value.get("usage")
    if not isinstance(reported, dict):
        return None
    try:
        raw = msgspec.Raw(msgspec.json.encode(reported))
    except (UnicodeEncodeError, RecursionError):
        return None
    tier = value.get("service_tier")
    return read_usage(raw, tier if isinstance(tier, str) else None)
