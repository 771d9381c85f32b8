"""Usage objects of OpenAI's wire and of the hosts that speak it, in disjoint kinds."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.protocols.openai_usage import KEPT, loosely, read_usage, usage_of
from durward.protocols.openai_usage_shapes import NOTHING

COUNTS = st.one_of(
    st.integers(-5, 5000), st.none(), st.floats(), st.text(max_size=3), st.booleans(), st.integers(10**14, 10**30)
)
DETAILS = st.dictionaries(
    st.sampled_from(
        ["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "video_tokens", "reasoning_tokens"]
    ),
    COUNTS,
)
OBJECTS = st.dictionaries(
    st.sampled_from(
        [
            *("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens"),
            *("prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens", "cache_creation_input_tokens"),
            *("prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details"),
            *("server_tool_use", "num_search_queries", "cost"),
        ]
    ),
    st.one_of(COUNTS, DETAILS),
)


def read(value: object, tier: str | None = None) -> Usage | None:
    return read_usage(msgspec.Raw(json.dumps(value).encode()), tier)


def tokens(value: object) -> Tokens | None:
    usage = read(value)
    return usage.tokens if usage else None


@pytest.mark.parametrize(
    "reported,told",
    [
        ({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}, Tokens(9, 0, 0, 4, 0)),
        ({"input_tokens": 9, "output_tokens": 4}, Tokens(9, 0, 0, 4, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}, Tokens(5, 4, 0, 0, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3}}, Tokens(2, 4, 3)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 7, "cache_write_tokens": 7}}, Tokens(2, 7, 7)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 70}}, Tokens(0, 9, 0)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}, Tokens(5, 4)),
        ({"prompt_tokens": 9, "num_cached_tokens": 4}, Tokens(5, 4)),
        ({"prompt_tokens": 9, "cached_tokens": 4}, Tokens(5, 4)),
        ({"prompt_tokens": 9, "cache_creation_input_tokens": 4}, Tokens(5, 0, 4)),
        ({"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}}, Tokens(0, 0, 0, 5, 4)),
        ({"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 40}}, Tokens(0, 0, 0, 0, 9)),
        ({"total_tokens": 7}, Tokens(7)),
        ({"completion_tokens": 3, "total_tokens": 7}, Tokens(4, 0, 0, 3)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Tokens()),
        ({"prompt_tokens": 9, "prompt_tokens_details": None, "completion_tokens_details": None}, Tokens(9)),
    ],
)
def test_kinds_are_disjoint(reported: dict[str, Any], told: Tokens) -> None:
    assert tokens(reported) == told


@pytest.mark.parametrize(
    "total,reasoning,told",
    [
        (315, 300, Tokens(5, 0, 0, 10, 300)),
        (315, 0, Tokens(5, 0, 0, 10, 300)),
        (15, 4, Tokens(5, 0, 0, 6, 4)),
        (315, 4, Tokens(5, 0, 0, 6, 4)),
        (10**9, 0, Tokens(5, 0, 0, 10, 0)),
        (3, 0, Tokens(5, 0, 0, 10, 0)),
    ],
)
def test_thoughts_that_stand_outside_the_completion_are_told_by_the_total(
    total: int, reasoning: int, told: Tokens
) -> None:
    details = {"reasoning_tokens": reasoning}
    reported = {
        "prompt_tokens": 5,
        "completion_tokens": 10,
        "total_tokens": total,
        "completion_tokens_details": details,
    }
    assert tokens(reported) == told


@pytest.mark.parametrize(
    "inward,outward,split",
    [
        ({"audio_tokens": 4}, {}, {"audio_input": 4}),
        ({"audio_tokens": 9, "cached_tokens": 3}, {}, {"audio_input": 7, "audio_cached_input": 2}),
        (
            {"audio_tokens": 6, "cached_tokens": 5, "cached_tokens_details": {"audio_tokens": 5}},
            {},
            {"audio_input": 1, "audio_cached_input": 5},
        ),
        (
            {"image_tokens": 4, "video_tokens": 3},
            {"image_tokens": 2},
            {"image_input": 4, "video_input": 3, "image_output": 2},
        ),
        ({}, {"audio_tokens": 50, "reasoning_tokens": 1}, {"audio_output": 7}),
        ({"audio_tokens": 0, "image_tokens": 0}, {"audio_tokens": 0}, {}),
    ],
)
def test_parts_with_a_price_of_their_own(
    inward: dict[str, Any], outward: dict[str, Any], split: dict[str, int]
) -> None:
    reported = {
        "prompt_tokens": 10,
        "completion_tokens": 8,
        "prompt_tokens_details": inward,
        "completion_tokens_details": outward,
    }
    usage = read(reported)
    assert usage is not None
    assert usage.split == split


@pytest.mark.parametrize(
    "more,fees",
    [
        ({"server_tool_use_details": {"web_search_requests": 2, "tool_calls_executed": 5}}, {"web_search": 2}),
        ({"server_tool_use": {"web_search_requests": 2}}, {"web_search": 2}),
        ({"server_tool_use_details": {"tool_calls_executed": 5}}, {}),
        ({"num_search_queries": 3}, {"web_search": 3}),
        ({"num_sources_used": 4}, {"search_source": 4}),
        ({"cost": 0.1, "cost_details": {}}, {}),
    ],
)
def test_fees_of_single_hosts(more: dict[str, Any], fees: dict[str, int]) -> None:
    usage = read({"prompt_tokens": 1, **more})
    assert usage is not None
    assert usage.fees == fees


@pytest.mark.parametrize(
    "reported,told",
    [
        ({"prompt_tokens": -3, "completion_tokens": 2}, Tokens(0, 0, 0, 2)),
        ({"prompt_tokens": "9", "completion_tokens": 2}, Tokens(0, 0, 0, 2)),
        ({"prompt_tokens": 9.0, "completion_tokens": 2.5}, Tokens(9, 0, 0, 2)),
        ({"prompt_tokens": 10**30, "completion_tokens": 2}, Tokens(0, 0, 0, 2)),
        ({"prompt_tokens": True, "completion_tokens": 2}, Tokens(0, 0, 0, 2)),
        ({"prompt_tokens": 9, "prompt_tokens_details": 4}, Tokens(9)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": {"x": 1}}}, Tokens(9)),
        ({"prompt_tokens": {"x": 1}, "completion_tokens": 2}, Tokens(0, 0, 0, 2)),
        ({}, None),
        (None, None),
        ([], None),
        ("9", None),
        (7, None),
        ({"cost": 0.1}, None),
        ({"prompt_tokens": "nine"}, None),
    ],
)
def test_nonsense_is_left_out(reported: object, told: Tokens | None) -> None:
    assert tokens(reported) == told


@given(OBJECTS)
def test_no_usage_object_is_refused_and_none_makes_a_count_negative(reported: dict[str, Any]) -> None:
    usage = read(reported)
    if usage is None:
        return
    told = usage.tokens
    assert all(
        0 <= count <= 2 * 10**15
        for count in (told.input, told.cached_input, told.cache_write, told.output, told.reasoning)
    )
    for name, count in usage.split.items():
        kind = "cached_input" if "cached" in name else name.partition("_")[2]
        assert 0 < count <= getattr(told, kind)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_usage_are_none(raw: bytes) -> None:
    read_usage(msgspec.Raw(raw), None)


@pytest.mark.parametrize("tier,kept", [("flex", "flex"), (None, ""), ("", ""), ("x" * 33, "")])
def test_the_service_tier_is_recorded(tier: str | None, kept: str) -> None:
    usage = read({"prompt_tokens": 1}, tier)
    assert usage is not None
    assert usage.service_tier == kept


@pytest.mark.parametrize(
    "raw,kept",
    [
        (b'{"prompt_tokens":1, "cost": 1.40e-05}', b'{"prompt_tokens":1, "cost": 1.40e-05}'),
        (b'{\r\n  "prompt_tokens": 1\n}', b'{  "prompt_tokens": 1}'),
        ('{"prompt_tokens":1,"x":"é"}'.encode(), '{"prompt_tokens":1,"x":"é"}'.encode()),
        (b'{"prompt_tokens":1,"x":"\xff"}', None),
        (b'{"prompt_tokens":1,"x":"' + b"x" * KEPT + b'"}', None),
    ],
)
def test_the_object_is_kept_verbatim_on_one_line(raw: bytes, kept: bytes | None) -> None:
    usage = read_usage(msgspec.Raw(raw), None)
    assert usage is not None
    assert (usage.verbatim and bytes(usage.verbatim)) == kept


def test_what_is_kept_does_not_hold_the_answer_in_memory() -> None:
    body = b'{"usage":{"prompt_tokens":1},"data":"' + b"x" * 1000 + b'"}'
    raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])["usage"]
    usage = read_usage(raw, None)
    assert usage is not None
    assert usage.verbatim is not None
    assert memoryview(usage.verbatim).obj is not memoryview(raw).obj
    assert read_usage(NOTHING, None) is None


@pytest.mark.parametrize(
    "text,told",
    [
        (b'{"usage":{"prompt_tokens":3},"x":NaN}', Tokens(3)),
        (b'{"usage":{"prompt_tokens":3},"x":"\\ud800"}', Tokens(3)),
        (b'{"usage":{"prompt_tokens":3},"x":"\xff\x01"}', Tokens(3)),
        (b'{"usage":{"prompt_tokens":3,"\\ud800":1},"service_tier":1}', None),
        (b'{"usage":7}', None),
        (b"[1]", None),
        (b"{", None),
        (b"[" * 100_000, None),
    ],
)
def test_what_a_strict_reader_refuses_is_read_loosely(text: bytes, told: Tokens | None) -> None:
    usage = usage_of(loosely(text))
    assert (usage.tokens if usage else None) == told
