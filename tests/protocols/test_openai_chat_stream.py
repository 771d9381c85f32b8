"""Chat streams: what is released at once, what waits for the record, what only the gate had asked for."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.tokens import Tokens
from durward.protocols.openai_chat import OPENAI_CHAT
from durward.protocols.sse import BOUND
from durward.protocols.wire import StreamReader
from tests.protocols.openai_golden import Pair, body_of, followed_alike, pairs, told_facts
from tests.protocols.replay import chunked, follow, random_chunks, told

STREAMS = pairs("openai_chat_stream")
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def event(**members: Any) -> bytes:
    return b"data: " + json.dumps(members).encode() + b"\n\n"


def delta(index: int = 0, finish: str | None = None, **members: Any) -> bytes:
    return event(choices=[{"index": index, "delta": members, "finish_reason": finish}])


def reader(hide_usage: bool = True, **members: Any) -> StreamReader:
    request = OPENAI_CHAT.read(body_of({"model": "m", "messages": [], "stream": True, **members}), "", None)
    return OPENAI_CHAT.stream(request, hide_usage)


@pytest.mark.parametrize("pair", STREAMS, ids=lambda pair: pair.name)
def test_golden_streams_are_read_and_released_alike_for_any_reads(pair: Pair) -> None:
    facts = pair.facts
    request = OPENAI_CHAT.read(body_of(facts["request"]), "", None)
    follower, followed = followed_alike(partial(OPENAI_CHAT.stream, request, facts["hide_usage"]), pair.stream)
    assert told_facts(follower, facts["told"]) == facts["told"]
    assert followed.all == pair.released
    if facts["held"]:
        assert followed.held + followed.after == facts["held"].encode()


def test_what_was_not_hidden_passes_byte_for_byte() -> None:
    for pair in STREAMS:
        request = OPENAI_CHAT.read(body_of(pair.facts["request"]), "", None)
        assert follow(OPENAI_CHAT.stream(request, False), chunked(pair.stream, 50)).all == pair.stream


def test_the_terminal_event_and_all_behind_it_wait() -> None:
    follower = reader()
    assert follower.feed(delta(content="a", finish="stop")) == delta(content="a", finish="stop")
    assert (follower.finished, follower.ended) == (True, False)
    assert follower.feed(b"data: [DO") == b""
    assert follower.at_boundary()
    assert follower.feed(b"NE]\n\n: behind\n\ndata") == b""
    assert follower.ended
    assert follower.feed(b": more") == b""
    assert follower.take_held() == DONE + b": behind\n\ndata: more"
    assert follower.take_held() == b""
    assert follower.feed(b"late") == b"late"
    assert not follower.at_boundary()
    assert follower.finish() == b""


@pytest.mark.parametrize(
    "chunk,dropped",
    [
        (event(choices=[], usage=USAGE), True),
        (event(usage=USAGE), True),
        (event(choices=None, usage=USAGE), True),
        (event(choices=[], usage=None), False),
        (event(choices=[]), False),
        (event(choices=[], prompt_filter_results=[{}]), False),
        (event(choices=[{"index": 0, "delta": {}}], usage=USAGE), False),
        (b": comment\n\n", False),
        (b"\n", False),
        (b"data:\n\n", False),
        (b"id: 7\nretry: 100\n\n", False),
        (b"data: not json\n\n", False),
        (b"data: [1]\n\n", False),
    ],
)
def test_only_the_chunk_that_tells_nothing_but_usage_is_hidden(chunk: bytes, dropped: bool) -> None:
    follower = reader(hide_usage=True)
    assert follower.feed(chunk) == (b"" if dropped else chunk)
    follower = reader(hide_usage=False)
    assert follower.feed(chunk) == chunk


def test_the_last_usage_counts() -> None:
    follower = reader()
    follower.feed(event(choices=[{"index": 0, "delta": {}}], usage={**USAGE, "completion_tokens": 1}))
    follower.feed(event(choices=[], usage=USAGE, service_tier="priority"))
    assert follower.usage is not None
    assert follower.usage.tokens == Tokens(5, 0, 0, 2)
    assert follower.usage.service_tier == "priority"
    assert json.loads(bytes(follower.usage.verbatim or b"")) == USAGE


def test_a_stream_is_finished_when_every_choice_is() -> None:
    follower = reader(n=2)
    follower.feed(delta(index=0, finish="stop") + delta(index=0, finish="stop"))
    assert not follower.finished
    follower.feed(delta(index=1, finish="length"))
    assert follower.finished


@pytest.mark.parametrize(
    "members,length",
    [
        ({"content": "aé"}, 3),
        ({"content": None, "refusal": "no"}, 2),
        ({"reasoning_content": "hm"}, 2),
        ({"reasoning": "hm", "reasoning_content": "hm"}, 2),
        ({"tool_calls": [{"index": 0, "function": {"name": "get", "arguments": "{}"}}]}, 5),
        ({"tool_calls": [{"index": 0, "custom": {"name": "sh", "input": "ls"}}]}, 4),
        ({"tool_calls": [{"index": 0}]}, 0),
        ({"function_call": {"name": "get", "arguments": "{}"}}, 5),
        ({"audio": {"id": "audio_1", "data": "UklG", "transcript": "hi"}}, 2),
        ({"role": "assistant"}, 0),
    ],
)
def test_generated_text_is_measured(members: dict[str, Any], length: int) -> None:
    follower = reader()
    follower.feed(delta(**members))
    assert follower.text_bytes == length


def test_a_message_in_pieces_of_its_own_is_measured_by_its_bytes() -> None:
    follower = reader()
    odd = delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}])
    assert follower.feed(odd) == odd
    assert follower.text_bytes >= 2
    assert follower.feed(delta(content=[], finish="stop")) != b""
    assert follower.finished


def test_a_chunk_that_is_not_as_documented_still_tells_usage_and_end() -> None:
    follower = reader()
    odd = b'data: {"choices":[],"created":NaN,"model":5,"usage":{"prompt_tokens":5,"completion_tokens":"2"}}\n\n'
    assert follower.feed(odd) == b""
    assert follower.usage is not None
    assert follower.usage.tokens == Tokens(5, 0, 0, 0)
    broken = b'data: {"choices":[],"model":5,"error":{"code":502}}\n\n'
    assert follower.feed(broken) == b""
    assert (follower.ended, follower.error) == (True, "502")
    assert follower.take_held() == broken


@pytest.mark.parametrize(
    "chunk,error",
    [
        (event(error={"message": "secret text", "type": "server_error", "code": None}), "server_error"),
        (event(error={"message": "secret text", "code": 502}, choices=[{"index": 0, "finish_reason": "error"}]), "502"),
        (event(error="secret text"), "error"),
        (event(error={"type": "x" * 100}), "x" * 64),
        (b"event: error\n" + event(message="secret text"), "error"),
        (b"event: error\n" + event(error={"type": "overloaded_error"}), "overloaded_error"),
    ],
)
def test_an_error_inside_the_stream_ends_it(chunk: bytes, error: str) -> None:
    follower = reader()
    assert follower.feed(delta(content="a") + chunk + DONE) == delta(content="a")
    assert (follower.ended, follower.finished, follower.error) == (True, False, error)
    assert follower.take_held() == chunk + DONE


def test_no_error_is_none() -> None:
    follower = reader()
    for chunk in (event(error=None, choices=[]), event(error={}, choices=[]), b"event: message\n" + delta(content="a")):
        assert follower.feed(chunk) == chunk
    assert (follower.ended, follower.error) == (False, "")


def test_searches_are_told_by_citations() -> None:
    follower = reader(hide_usage=False)
    follower.feed(delta(annotations=[{"type": "url_citation", "url_citation": {}}]) + event(choices=[], usage=USAGE))
    assert follower.usage is not None
    assert follower.usage.fees == {"web_search": 1}


def test_spoken_answers_can_be_named_again() -> None:
    follower = reader()
    follower.feed(delta(audio={"id": "audio_1"}) + delta(audio={"id": "audio_1", "transcript": "hi"}))
    assert follower.objects == [("audio", "audio_1")]


def test_an_end_without_its_blank_line_is_read_all_the_same() -> None:
    follower = reader()
    follower.feed(delta(content="a", finish="stop"))
    assert follower.feed(b"data: [DONE]\n") == b""
    assert follower.finish() == b"data: [DONE]\n"
    assert follower.ended
    follower = reader()
    assert follower.feed(event(choices=[], usage=USAGE)[:-2]) == b""
    assert follower.finish() == b""
    assert follower.usage is not None


def test_a_large_chunk_passes_unread_and_is_counted() -> None:
    large = delta(content="x" * BOUND)
    follower = reader()
    assert b"".join(follower.feed(part) for part in chunked(large, 70_000)) + follower.finish() == large
    assert (follower.unread, follower.text_bytes) == (1, 0)
    follower = reader()
    released = follower.feed(large[: BOUND + 10])
    assert large.startswith(released)
    assert not follower.at_boundary()
    follower.feed(large[BOUND + 10 :] + large + delta(content="a"))
    assert (follower.unread, follower.text_bytes, follower.at_boundary()) == (2, 1, True)


PIECES = st.sampled_from(
    [
        DONE,
        delta(content="é", finish="stop"),
        event(choices=[], usage=USAGE),
        event(error={"type": "a"}),
        event(choices=[]),
        b"event: error\ndata: {}\r\n\r\n",
        b": ping\n\n",
        b"data: {",
        b"\r",
        b"\n",
        b"x",
    ]
)


@given(st.lists(PIECES, max_size=12).map(b"".join), st.integers(0, 2**16), st.booleans())
def test_nothing_is_lost_but_what_is_hidden_and_reads_change_nothing(stream: bytes, seed: int, hide: bool) -> None:
    whole, pieces = reader(hide), reader(hide)
    at_once = follow(whole, [stream] if stream else [])
    in_pieces = follow(pieces, random_chunks(stream, seed))
    assert in_pieces.all == at_once.all
    assert told(pieces) == told(whole)
    assert hide or at_once.all == stream
