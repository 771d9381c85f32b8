"""What an answer of the Gemini wire used, from its `usageMetadata`.

`promptTokenCount` holds what came from the cache; thoughts stand outside `candidatesTokenCount`; what server tools put into the
prompt (`toolUsePromptTokenCount`) stands outside `promptTokenCount`.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.protocols.members import UNREADABLE

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]

PRICED_APART = {"AUDIO": "audio", "IMAGE": "image", "VIDEO": "video"}
"""Modalities that have a price of their own; text and documents are charged as the kind they stand in."""
PER_PROMPT = ("gemini-1", "gemini-2")
"""Models whose grounding is charged by the prompt; later ones are charged by the search."""


class _Modality(msgspec.Struct, gc=False, rename="camel"):
    modality: str = ""
    token_count: Count = 0


Details = list[_Modality] | None


class _Reported(msgspec.Struct, gc=False, rename="camel"):
    prompt_token_count: Count | None = None
    candidates_token_count: Count | None = None
    thoughts_token_count: Count | None = None
    cached_content_token_count: Count | None = None
    tool_use_prompt_token_count: Count | None = None
    prompt_tokens_details: Details = None
    prompt_token_details: Details = None
    """Embeddings spell it so."""
    candidates_tokens_details: Details = None
    cache_tokens_details: Details = None
    tool_use_prompt_tokens_details: Details = None
    service_tier: str | None = None


class Grounding(msgspec.Struct, gc=False, rename="camel"):
    """A candidate's `groundingMetadata`: which searches the provider made for it, and what they brought."""

    web_search_queries: list[msgspec.Raw] | None = None
    image_search_queries: list[msgspec.Raw] | None = None
    grounding_chunks: list[dict[str, msgspec.Raw]] | None = None


_reported = msgspec.json.Decoder(_Reported)


def read_usage(raw: msgspec.Raw) -> Usage | None:
    """The usage in disjoint kinds; None where the object is not what the wire documents, or counts no prompt."""
    try:
        reported = _reported.decode(raw)
    except UNREADABLE:
        return None
    prompt = reported.prompt_token_count
    if prompt is None:
        return None
    cached = min(reported.cached_content_token_count or 0, prompt)
    tokens = Tokens(
        prompt - cached + (reported.tool_use_prompt_token_count or 0),
        cached,
        0,
        reported.candidates_token_count or 0,
        reported.thoughts_token_count or 0,
    )
    return Usage(tokens, _split(reported), {}, (reported.service_tier or "").lower(), raw)


def _split(reported: _Reported) -> dict[str, int]:
    """Tokens of a modality with a price of its own; cached ones are counted in the prompt's details too."""
    split: dict[str, int] = {}
    if details := reported.prompt_tokens_details or reported.prompt_token_details:
        _add(split, details, "input")
    if reported.cache_tokens_details is not None:
        for detail in reported.cache_tokens_details:
            if (word := PRICED_APART.get(detail.modality)) is not None and detail.token_count:
                split[f"{word}_cached_input"] = split.get(f"{word}_cached_input", 0) + detail.token_count
                split[f"{word}_input"] = max(0, split.get(f"{word}_input", 0) - detail.token_count)
    if reported.tool_use_prompt_tokens_details:
        _add(split, reported.tool_use_prompt_tokens_details, "input")
    if reported.candidates_tokens_details:
        _add(split, reported.candidates_tokens_details, "output")
    return split


def _add(split: dict[str, int], details: list[_Modality], kind: str) -> None:
    for detail in details:
        if detail.modality != "TEXT" and (word := PRICED_APART.get(detail.modality)) is not None and detail.token_count:
            split[f"{word}_{kind}"] = split.get(f"{word}_{kind}", 0) + detail.token_count


def grounding_fees(groundings: Iterable[Grounding], model: str) -> dict[str, int]:
    """Searches that are charged beside tokens. `model` is the version that answered: older ones charge a prompt, not a search."""
    searches = maps = 0
    for grounding in groundings:
        chunks = grounding.grounding_chunks or ()
        maps += any("maps" in chunk for chunk in chunks)
        queries = len(grounding.web_search_queries or ()) + len(grounding.image_search_queries or ())
        searches += max(queries, any("web" in chunk or "image" in chunk for chunk in chunks))
    if searches and model.startswith(PER_PROMPT):
        searches = 1
    fees = {"web_search": searches} if searches else {}
    return fees | {"maps_grounding": maps} if maps else fees
