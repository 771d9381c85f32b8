"""Responses streams: the terminal event waits for the record; objects are known at the first event that shows them."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.tokens import Tokens
from durward.protocols.openai_responses import OPENAI_RESPONSES
from durward.protocols.sse import BOUND
from durward.protocols.wire import StreamReader
from tests.protocols.openai_golden import Pair, body_of, followed_alike, pairs, told_facts
from tests.protocols.replay import chunked, follow, random_chunks, told

STREAMS = pairs("openai_responses_stream")
USAGE = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def reader(**members: Any) -> StreamReader:
    request = OPENAI_RESPONSES.read(body_of({"model": "m", "input": "hi", "stream": True, **members}), "", None)
    return OPENAI_RESPONSES.stream(request, hide_usage=True)


@pytest.mark.parametrize("pair", STREAMS, ids=lambda pair: pair.name)
def test_golden_streams_are_read_and_released_alike_for_any_reads(pair: Pair) -> None:
    facts = pair.facts
    request = OPENAI_RESPONSES.read(body_of(facts["request"]), "", None)
    follower, followed = followed_alike(partial(OPENAI_RESPONSES.stream, request, facts["hide_usage"]), pair.stream)
    assert told_facts(follower, facts["told"]) == facts["told"]
    assert followed.all == pair.stream
    assert followed.released == pair.stream.removesuffix(facts["held"].encode())


def test_a_response_is_an_object_from_the_first_event_that_shows_it() -> None:
    follower = reader()
    created = event("response.created", response={"id": "resp_1", "status": "in_progress", "usage": None})
    assert follower.feed(created) == created
    assert follower.objects == [("response", "resp_1")]
    assert follower.usage is None
    follower.feed(
        event("response.output_item.added", item={"id": "ci_1", "type": "code_interpreter_call", "container_id": "c"})
    )
    assert follower.objects == [("response", "resp_1"), ("item", "ci_1"), ("container", "c")]


@pytest.mark.parametrize("asked,told_store", [({"store": False}, None), ({}, False), ({"store": False}, False)])
def test_what_is_not_stored_is_no_object(asked: dict[str, Any], told_store: bool | None) -> None:
    follower = reader(**asked)
    follower.feed(event("response.created", response={"id": "resp_1", "store": told_store}))
    assert follower.objects == []


@pytest.mark.parametrize(
    "name", ["response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"]
)
def test_every_end_is_held(name: str) -> None:
    follower = reader()
    last = event(name, response={"status": "x", "usage": USAGE})
    assert follower.feed(event("response.in_progress", response={"status": "in_progress"}) + last + b"\n") != b""
    assert follower.ended
    assert follower.finished is (name in ("response.completed", "response.incomplete"))
    assert bool(follower.error) is not follower.finished
    assert follower.take_held() == last + b"\n"
    assert follower.usage is not None
    assert follower.usage.tokens == Tokens(5, 0, 0, 2)


@pytest.mark.parametrize(
    "last,error",
    [
        (event("error", code="server_error", message="secret text"), "server_error"),
        (event("error", error={"type": "invalid_request_error", "code": "x"}), "invalid_request_error"),
        (event("error", message="secret text"), "error"),
        (event("response.failed", response={"error": {"code": "rate_limit_exceeded"}}), "rate_limit_exceeded"),
        (event("response.failed", response={"error": None}), "error"),
        (b'data: {"error":{"code":502,"message":"secret text"}}\n\n', "502"),
        (b'event: error\ndata: {"message":"secret text"}\n\n', "error"),
        (b'event: error\ndata: {"message":"secret text","sequence_number":NaN}\n\n', "error"),
    ],
)
def test_errors_are_told_by_type_or_code(last: bytes, error: str) -> None:
    follower = reader()
    assert follower.feed(last) == b""
    assert (follower.ended, follower.finished, follower.error) == (True, False, error)


def test_an_end_is_told_by_its_name_where_the_data_has_no_type() -> None:
    follower = reader()
    assert follower.feed(b'event: response.completed\ndata: {"response":{"usage":{"input_tokens":5}}}\n\n') == b""
    assert (follower.ended, follower.finished) == (True, True)


def test_a_host_that_ends_with_done() -> None:
    follower = reader()
    assert follower.feed(b"data: [DONE]\n\n") == b""
    assert follower.ended


@pytest.mark.parametrize(
    "kind,delta,length",
    [
        ("response.output_text.delta", "aé", 3),
        ("response.function_call_arguments.delta", "{}", 2),
        ("response.reasoning_summary_text.delta", "hm", 2),
        ("response.custom_tool_call_input.delta", "ls", 2),
        ("response.output_audio_transcript.delta", "hi", 2),
        ("response.output_audio.delta", "UklGRg==", 0),
    ],
)
def test_generated_text_is_measured(kind: str, delta: str, length: int) -> None:
    follower = reader()
    follower.feed(event(kind, delta=delta))
    assert follower.text_bytes == length


def test_events_that_are_not_as_documented_pass_and_tell_what_they_can() -> None:
    follower = reader()
    for odd in (
        event("response.mcp_call_arguments.delta", delta={"a": 1}),
        event("response.output_text.delta", delta="x", sequence_number=float("nan")).replace(b"x", b"\\ud800"),
        event("response.in_progress", response={"output": 7, "usage": USAGE}),
        b"data: not json\n\n",
        b": ping\n\n",
        b"data: []\n\n",
    ):
        assert follower.feed(odd) == odd
    assert follower.usage is not None
    assert follower.usage.tokens == Tokens(5, 0, 0, 2)


def test_a_last_event_too_large_to_be_read_still_tells_the_end() -> None:
    follower = reader()
    large = event("response.completed", response={"output": [], "instructions": "x" * BOUND})
    assert b"".join(follower.feed(part) for part in chunked(large, 100_000)) == large
    assert (follower.ended, follower.finished, follower.unread) == (False, True, 1)
    follower = reader()
    follower.feed(event("response.in_progress", response={"instructions": "x" * BOUND}))
    assert (follower.finished, follower.unread) == (False, 1)


def test_what_goes_on_in_the_background_has_no_price_yet() -> None:
    follower = reader(background=True)
    assert follower.usage is not None
    assert follower.usage.fees == {"background_response": 1}
    follower.feed(event("response.completed", response={"usage": USAGE}))
    assert follower.usage.fees == {}
    assert reader(background=False).usage is None


@pytest.mark.parametrize("action", [None, {}, {"type": None}, {"type": 7}, "search", {"type": "search"}])
def test_a_search_of_unknown_kind_is_a_search(action: object) -> None:
    follower = reader()
    response = {"usage": USAGE, "output": [{"type": "web_search_call", "action": action}]}
    follower.feed(event("response.completed", response=response))
    assert follower.usage is not None
    assert follower.usage.fees == {"web_search": 1}


def test_nonsense_counts_cost_no_memory() -> None:
    follower = reader()
    response = {"usage": USAGE, "output": [], "tool_usage": {"web_search": {"num_requests": 10**15}}}
    follower.feed(event("response.completed", response=response))
    assert follower.usage is not None
    assert follower.usage.fees == {"web_search": 10**15}


PIECES = st.sampled_from(
    [
        event("response.completed", response={"usage": USAGE}),
        event("response.output_text.delta", delta="é"),
        event("response.created", response={"id": "resp_1"}).replace(b"\n", b"\r\n"),
        event("error", code="x"),
        b": ping\n\n",
        b"event: response.comp",
        b"\r",
        b"\n",
        b"x",
    ]
)


@given(st.lists(PIECES, max_size=12).map(b"".join), st.integers(0, 2**16))
def test_nothing_is_lost_and_reads_change_nothing(stream: bytes, seed: int) -> None:
    whole, pieces = reader(), reader()
    assert follow(whole, [stream] if stream else []).all == stream
    assert follow(pieces, random_chunks(stream, seed)).all == stream
    assert told(pieces) == told(whole)
