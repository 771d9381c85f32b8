"""Usage of the Anthropic wire, in disjoint kinds."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.protocols.anthropic_usage import merge, read_reported, to_usage


def usage_of(text: str, hour_cache: bool = False) -> Usage | None:
    raw = msgspec.Raw(text.encode())
    reported = read_reported(raw)
    return None if reported is None else to_usage(reported, raw, lambda: hour_cache)


def read(text: str, hour_cache: bool = False) -> Usage:
    usage = usage_of(text, hour_cache)
    assert usage is not None
    return usage


def test_input_stands_beside_the_cache() -> None:
    usage = read(
        '{"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 70,'
        ' "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 20}}'
    )
    assert usage.tokens == Tokens(input=3, cached_input=100, cache_write=70, output=5)
    assert usage.split == {"cache_write_1h": 20}


def test_thinking_is_part_of_output() -> None:
    usage = read('{"input_tokens": 1, "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 24}}')
    assert usage.tokens == Tokens(input=1, output=6, reasoning=24)


def test_the_parts_of_cache_writes_count_where_the_sum_is_missing() -> None:
    usage = read('{"input_tokens": 1, "output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 9}}')
    assert usage.tokens.cache_write == 9
    assert usage.split == {"cache_write_1h": 9}


@pytest.mark.parametrize("creation", ["", ', "cache_creation": {"ephemeral_5m_input_tokens": 10}'])
def test_writes_of_unknown_duration_matter_only_when_an_hour_was_asked_for(creation: str) -> None:
    text = f'{{"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 50{creation}}}'
    assert read(text).split == {}
    assert read(text, hour_cache=True).split == {"cache_write_unsplit": 40 if creation else 50}
    assert read(text, hour_cache=True).tokens.cache_write == 50


@pytest.mark.parametrize(
    "members,fees",
    [
        ('"server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 2}', {"web_search": 3}),
        ('"server_tool_use": {"web_search_requests": 0}', {}),
        ('"server_tool_use": {"new_thing_requests": 1}', {"new_thing": 1}),
        ('"server_tool_use": {"odd": [], "flag": null}', {}),
        (
            '"iterations": [{"type": "message"}, {"type": "advisor_message"}, {"type": "advisor_message"}]',
            {"advisor_message": 2},
        ),
        ('"iterations": [{"type": "message"}]', {}),
    ],
)
def test_what_is_charged_beside_tokens_is_a_fee(members: str, fees: dict[str, int]) -> None:
    assert read(f'{{"input_tokens": 1, "output_tokens": 1, {members}}}').fees == fees


@pytest.mark.parametrize(
    "members,tier",
    [
        ('"service_tier": "standard", "inference_geo": "not_available"', "standard"),
        ('"service_tier": "batch", "inference_geo": "global"', "batch"),
        ('"service_tier": "standard", "speed": "fast"', "fast"),
        ('"service_tier": "standard", "speed": "standard", "inference_geo": "us"', "us"),
        ('"service_tier": "priority", "speed": "fast", "inference_geo": "us"', "priority+fast+us"),
        ('"service_tier": null', ""),
    ],
)
def test_the_tier_tells_what_has_another_price_list(members: str, tier: str) -> None:
    assert read(f'{{"input_tokens": 1, "output_tokens": 1, {members}}}').service_tier == tier


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "null",
        "[]",
        '{"input_tokens": 1}',
        '{"output_tokens": 1}',
        '{"input_tokens": -1, "output_tokens": 1}',
        '{"input_tokens": "12", "output_tokens": 1}',
        '{"input_tokens": 1.5, "output_tokens": 1}',
        '{"input_tokens": 1e300, "output_tokens": 1}',
        '{"input_tokens": 1, "output_tokens": 1',
        '{"iterations":' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_what_is_no_usage_is_none(text: str) -> None:
    assert usage_of(text) is None


def test_later_counts_replace_earlier_ones_and_the_rest_stands() -> None:
    first = read_reported(
        msgspec.Raw(b'{"input_tokens": 9, "output_tokens": 1, "cache_read_input_tokens": 4, "service_tier": "batch"}')
    )
    second = read_reported(msgspec.Raw(b'{"output_tokens": 40, "cache_read_input_tokens": 6}'))
    assert first is not None
    assert second is not None
    usage = to_usage(merge(first, second), None, lambda: False)
    assert usage == Usage(Tokens(input=9, cached_input=6, output=40), service_tier="batch")


counts = st.integers(0, 2**40)


@given(counts, counts, counts, counts, counts, counts)
def test_no_token_is_counted_twice_or_lost(
    fresh: int, read_: int, short: int, hour: int, output: int, thinking: int
) -> None:
    usage = read(
        msgspec.json.encode(
            {
                "input_tokens": fresh,
                "cache_read_input_tokens": read_,
                "cache_creation_input_tokens": short + hour,
                "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": hour},
                "output_tokens": output,
                "output_tokens_details": {"thinking_tokens": thinking},
            }
        ).decode()
    )
    tokens = usage.tokens
    assert (tokens.input, tokens.cached_input, tokens.cache_write) == (fresh, read_, short + hour)
    assert tokens.output + tokens.reasoning == output
    assert min(tokens.output, tokens.reasoning) >= 0
    assert usage.split.get("cache_write_1h", 0) == hour
