"""Usage of the Gemini wire, in disjoint kinds."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.protocols.gemini_usage import Grounding, grounding_fees, read_usage


def read(**reported: Any) -> Usage:
    usage = read_usage(msgspec.Raw(json.dumps(reported).encode()))
    assert usage is not None
    return usage


def of(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items()]


def test_the_prompt_holds_the_cached_and_thoughts_stand_apart() -> None:
    usage = read(promptTokenCount=100, cachedContentTokenCount=80, candidatesTokenCount=7, thoughtsTokenCount=30)
    assert usage.tokens == Tokens(input=20, cached_input=80, output=7, reasoning=30)


def test_what_tools_put_into_the_prompt_is_input() -> None:
    assert read(promptTokenCount=10, toolUsePromptTokenCount=300).tokens == Tokens(input=310)


def test_an_answer_without_a_candidate_counts_its_prompt() -> None:
    assert read(promptTokenCount=10).tokens == Tokens(input=10)


def test_modalities_are_split_by_kind() -> None:
    usage = read(
        promptTokenCount=1000,
        promptTokensDetails=of(TEXT=100, AUDIO=500, VIDEO=300, DOCUMENT=60, IMAGE=40),
        cachedContentTokenCount=450,
        cacheTokensDetails=of(TEXT=50, AUDIO=400),
        candidatesTokenCount=1300,
        candidatesTokensDetails=of(IMAGE=1290, TEXT=10),
        toolUsePromptTokenCount=5,
        toolUsePromptTokensDetails=of(IMAGE=5),
    )
    assert usage.tokens == Tokens(input=555, cached_input=450, output=1300)
    assert usage.split == {
        "audio_input": 100,
        "audio_cached_input": 400,
        "video_input": 300,
        "image_input": 45,
        "image_output": 1290,
    }


def test_embeddings_spell_the_details_otherwise() -> None:
    assert read(promptTokenCount=9, promptTokenDetails=of(AUDIO=9)).split == {"audio_input": 9}


def test_the_tier_is_lower_case() -> None:
    assert read(promptTokenCount=1, serviceTier="PRIORITY").service_tier == "priority"


@pytest.mark.parametrize(
    "text",
    ["{}", "null", "[]", '{"promptTokenCount": null}', '{"promptTokenCount": -3}', '{"promptTokenCount": "x"}', "{"],
)
def test_what_is_no_usage_is_none(text: str) -> None:
    assert read_usage(msgspec.Raw(text.encode())) is None


def grounding(**members: Any) -> Grounding:
    return msgspec.json.decode(json.dumps(members), type=Grounding)


@pytest.mark.parametrize(
    "model,fees", [("gemini-1.5-pro", 1), ("gemini-2.5-flash", 1), ("gemini-3-pro-preview", 3), ("", 3)]
)
def test_older_models_charge_a_prompt_and_later_ones_a_search(model: str, fees: int) -> None:
    found = [grounding(webSearchQueries=["a", "b"]), grounding(webSearchQueries=["c"])]
    assert grounding_fees(found, model) == {"web_search": fees}


@pytest.mark.parametrize(
    "members,fees",
    [
        ({}, {}),
        ({"searchEntryPoint": {"renderedContent": "x"}}, {}),
        ({"webSearchQueries": []}, {}),
        ({"groundingChunks": [{"web": {"uri": "x"}}, {"web": {"uri": "y"}}]}, {"web_search": 1}),
        ({"groundingChunks": [{"maps": {}}]}, {"maps_grounding": 1}),
        ({"groundingChunks": [{"retrievedContext": {}}]}, {}),
        ({"imageSearchQueries": ["a"], "webSearchQueries": ["b"]}, {"web_search": 2}),
    ],
)
def test_grounding_is_charged_where_it_searched(members: Any, fees: dict[str, int]) -> None:
    assert grounding_fees([grounding(**members)], "gemini-3-flash") == fees


counts = st.integers(0, 2**40)


@given(counts, counts, counts, counts, counts)
def test_no_token_is_counted_twice_or_lost(prompt: int, cached: int, output: int, thoughts: int, tools: int) -> None:
    tokens = read(
        promptTokenCount=prompt,
        cachedContentTokenCount=cached,
        candidatesTokenCount=output,
        thoughtsTokenCount=thoughts,
        toolUsePromptTokenCount=tools,
    ).tokens
    assert tokens.input + tokens.cached_input == prompt + tools
    assert tokens.cached_input == min(cached, prompt)
    assert (tokens.output, tokens.reasoning, tokens.cache_write) == (output, thoughts, 0)
    assert tokens.input >= 0
