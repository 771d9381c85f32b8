"""What an answer of the Anthropic wire used, from its `usage` object.

`input_tokens` leaves out what was read from or written to the cache; thinking stands inside `output_tokens`.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.protocols.members import UNREADABLE

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]

PLAIN_SPEEDS = (None, "", "standard")
PLAIN_GEOS = (None, "", "global", "not_available")
FREE_TOOLS = frozenset({"web_fetch_requests", "tool_search_requests"})
"""Server tools that cost nothing beside their tokens."""


class _CacheCreation(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class _OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: Count | None = None


class _Iteration(msgspec.Struct, gc=False):
    type: str | None = None


class ReportedUsage(msgspec.Struct, gc=False):
    """The members of a `usage` object that have a price; absent ones are None."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None
    server_tool_use: dict[str, Any] | None = None
    iterations: list[_Iteration] | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None


_reported = msgspec.json.Decoder(ReportedUsage)


def read_reported(raw: msgspec.Raw | None) -> ReportedUsage | None:
    """Read a `usage` object; None where there is none, or one that is not what the wire documents."""
    if raw is None:
        return None
    try:
        return _reported.decode(raw)
    except UNREADABLE:
        return None


def merge(older: ReportedUsage, newer: ReportedUsage) -> ReportedUsage:
    """Counts are cumulative: what a later event says replaces what an earlier one said, the rest stands."""
    for name in ReportedUsage.__struct_fields__:
        if getattr(newer, name) is None:
            setattr(newer, name, getattr(older, name))
    return newer


def to_usage(
    reported: ReportedUsage, verbatim: msgspec.Raw | None, asks_hour_cache: Callable[[], bool]
) -> Usage | None:
    """The usage in disjoint kinds; None without a count of input and output.

    `asks_hour_cache` tells whether the request wants the dearer one-hour cache: only then does it matter that a cumulative count
    of cache writes comes without saying for how long each was.
    """
    if reported.input_tokens is None or reported.output_tokens is None:
        return None
    written, split = (0, {}) if reported.cache_creation_input_tokens == 0 else _cache_writes(reported, asks_hour_cache)
    thinking = 0
    if reported.output_tokens_details is not None:
        thinking = min(reported.output_tokens_details.thinking_tokens or 0, reported.output_tokens)
    tokens = Tokens(
        reported.input_tokens,
        reported.cache_read_input_tokens or 0,
        written,
        reported.output_tokens - thinking,
        thinking,
    )
    fees = _fees(reported) if reported.server_tool_use or reported.iterations else {}
    return Usage(tokens, split, fees, _tier(reported), verbatim)


def _cache_writes(reported: ReportedUsage, asks_hour_cache: Callable[[], bool]) -> tuple[int, dict[str, int]]:
    creation = reported.cache_creation
    if creation is None:
        written = reported.cache_creation_input_tokens or 0
        return written, {"cache_write_unsplit": written} if written and asks_hour_cache() else {}
    hour = creation.ephemeral_1h_input_tokens or 0
    known = hour + (creation.ephemeral_5m_input_tokens or 0)
    written = max(known, reported.cache_creation_input_tokens or 0)
    split = {"cache_write_1h": hour} if hour else {}
    if written > known and asks_hour_cache():
        split["cache_write_unsplit"] = written - known
    return written, split


def _fees(reported: ReportedUsage) -> dict[str, int]:
    """What is charged beside the tokens above: server tools, and sampling that the top-level counts leave out."""
    fees: dict[str, int] = {}
    for name, count in (reported.server_tool_use or {}).items():
        if isinstance(count, int) and count > 0 and name not in FREE_TOOLS:
            fees[name.removesuffix("_requests")] = count
    for iteration in reported.iterations or ():
        if iteration.type not in (None, "message"):
            fees[str(iteration.type)] = fees.get(str(iteration.type), 0) + 1
    return fees


def _tier(reported: ReportedUsage) -> str:
    """The service tier; with it the fast mode and a pinned region, which are charged apart."""
    tier = reported.service_tier or ""
    if reported.inference_geo in PLAIN_GEOS and reported.speed in PLAIN_SPEEDS:
        return tier
    parts = [] if tier in ("", "standard") else [tier]
    parts += [reported.speed] if reported.speed and reported.speed not in PLAIN_SPEEDS else []
    parts += [reported.inference_geo] if reported.inference_geo and reported.inference_geo not in PLAIN_GEOS else []
    return "+".join(parts)
