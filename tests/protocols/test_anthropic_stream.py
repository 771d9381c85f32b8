"""Following streamed answers of the Anthropic wire."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.tokens import Tokens
from durward.protocols.anthropic_request import read_request
from durward.protocols.anthropic_stream import AnthropicStream
from tests.protocols.replay import chunked, follow, told


def event(**members: Any) -> bytes:
    return f"event: {members['type']}\ndata: {json.dumps(members, ensure_ascii=False)}\n\n".encode()


def stream_reader(body: bytes = b'{"model":"m"}') -> AnthropicStream:
    return AnthropicStream(read_request(body))


START = event(
    type="message_start",
    message={"model": "claude-x-1", "usage": {"input_tokens": 7, "output_tokens": 1, "service_tier": "batch"}},
)
PING = event(type="ping")
OPEN = event(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
TEXT = event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "Grüße"})
DELTA = event(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 12})
STOP = event(type="message_stop")
OVERLOADED = event(type="error", error={"type": "overloaded_error", "message": "Overloaded"})


def test_the_terminal_event_waits_for_the_record() -> None:
    reader = stream_reader()
    assert reader.feed(START) == START
    assert reader.feed(PING + OPEN + TEXT) == PING + OPEN + TEXT
    assert (reader.finished, reader.ended) == (False, False)
    assert reader.feed(DELTA) == DELTA
    assert (reader.finished, reader.ended) == (True, False)
    assert reader.feed(STOP[:-1]) == b""
    assert reader.feed(STOP[-1:]) == b""
    assert reader.ended
    assert reader.feed(b"\n") == b""
    assert reader.take_held() == STOP + b"\n"
    assert reader.feed(PING) == PING
    assert reader.finish() == b""
    assert reader.usage is not None
    assert reader.usage.tokens == Tokens(input=7, output=12)
    assert reader.usage.service_tier == "batch"
    assert (reader.model, reader.text_bytes) == ("claude-x-1", len("Grüße".encode()))


def test_the_end_of_the_same_read_waits_too() -> None:
    reader = stream_reader()
    assert reader.feed(START + STOP + PING + b"event: x") == START
    assert reader.take_held() == STOP + PING + b"event: x"


def test_usage_stands_from_the_first_event_on() -> None:
    reader = stream_reader()
    reader.feed(START)
    assert reader.usage is not None
    assert reader.usage.tokens == Tokens(input=7, output=1)


def test_usage_before_the_stop_is_no_finish() -> None:
    reader = stream_reader()
    reader.feed(START + event(type="message_delta", delta={"stop_reason": None}, usage={"output_tokens": 3}))
    assert not reader.finished
    assert reader.usage is not None
    assert reader.usage.tokens.output == 3


def test_an_error_inside_the_stream_is_terminal() -> None:
    reader = stream_reader()
    assert reader.feed(START + TEXT + OVERLOADED + PING) == START + TEXT
    assert (reader.ended, reader.finished, reader.error) == (True, False, "overloaded_error")
    assert reader.take_held() == OVERLOADED + PING


@pytest.mark.parametrize(
    "broken",
    [b"event: error\ndata: no json\n\n", b"event: error\ndata: {}\n\n", b'event: error\ndata: {"type":"x"}\n\n'],
)
def test_an_error_without_a_type_is_an_error(broken: bytes) -> None:
    reader = stream_reader()
    assert reader.feed(broken) == b""
    assert (reader.ended, reader.error) == (True, "error")


@pytest.mark.parametrize(
    "stop", [b'data: {"type":"message_stop"}\n\n', b"event: message_stop\ndata: {}\n\n", STOP.replace(b"\n", b"\r\n")]
)
def test_the_end_is_known_by_name_or_by_type(stop: bytes) -> None:
    reader = stream_reader()
    assert reader.feed(START + stop) == START
    assert reader.ended


def test_a_last_event_without_its_blank_line_counts() -> None:
    reader = stream_reader()
    assert reader.feed(START + STOP.rstrip()) == START
    assert not reader.ended
    assert reader.finish() == STOP.rstrip()
    assert reader.ended


def test_a_cut_stream_is_not_finished() -> None:
    reader = stream_reader()
    assert reader.feed(START + TEXT[:20]) == START
    assert reader.finish() == TEXT[:20]
    assert (reader.ended, reader.finished) == (False, False)


@pytest.mark.parametrize("kind,member", [("text", "text"), ("input_json", "partial_json"), ("thinking", "thinking")])
def test_all_that_is_generated_is_measured(kind: str, member: str) -> None:
    reader = stream_reader()
    delta = event(type="content_block_delta", index=0, delta={"type": f"{kind}_delta", member: "ab" * 9})
    reader.feed(delta + delta.replace(b"\n", b"\r\n"))
    assert reader.text_bytes == 36


def test_unreadable_events_pass() -> None:
    reader = stream_reader()
    odd = b'event: content_block_delta\ndata: {"delta": \n\n' + b"data: [1]\n\n: comment\n\ndata: \xff\n\n"
    assert reader.feed(odd + TEXT) == odd + TEXT
    assert reader.text_bytes == 7


def test_containers_and_files_that_the_answer_shows_belong_to_the_caller() -> None:
    container = {"id": "container_1"}
    reader = stream_reader()
    reader.feed(event(type="message_start", message={"model": "m", "usage": {}, "container": container}))
    result = {"type": "result", "content": [{"type": "output", "file_id": "file_9"}]}
    block = {"type": "bash_code_execution_tool_result", "content": result}
    reader.feed(event(type="content_block_start", index=1, content_block=block))
    reader.feed(event(type="message_delta", delta={"stop_reason": "end_turn", "container": container}, usage={}))
    assert reader.objects == [("container", "container_1"), ("file", "file_9")]


def test_cache_writes_of_unknown_duration_are_marked_where_an_hour_was_asked_for() -> None:
    body = b'{"model":"m","system":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}]}'
    reader = stream_reader(body)
    reader.feed(START)
    reader.feed(event(type="message_delta", delta={}, usage={"output_tokens": 2, "cache_creation_input_tokens": 5}))
    assert reader.usage is not None
    assert reader.usage.split == {"cache_write_unsplit": 5}


def test_an_event_beyond_the_bound_passes_unread() -> None:
    reader = stream_reader()
    large = b"event: content_block_start\ndata: " + b"x" * (2**20 + 10) + b"\n\n"
    stream = START + large + DELTA + STOP
    followed = follow(reader, chunked(stream, 60_000))
    assert followed.all == stream
    assert followed.released == START + large + DELTA
    assert reader.unread == 1
    assert reader.usage is not None
    assert reader.usage.tokens.output == 12


def test_a_heartbeat_may_stand_between_events_only() -> None:
    reader = stream_reader()
    reader.feed(START + TEXT[:10])
    assert reader.at_boundary(), "what was released ends between two events"
    reader.feed(TEXT[10:] + b"event: x\ndata: " + b"x" * (2**20 + 1))
    assert not reader.at_boundary()
    reader.feed(b"\n\n")
    assert reader.at_boundary()


PARTS = [
    START,
    PING,
    OPEN,
    TEXT,
    DELTA,
    STOP,
    OVERLOADED,
    b": comment\n\n",
    b"\n",
    TEXT.replace(b"\n", b"\r\n"),
    b"data: {\n\n",
]


@given(st.lists(st.sampled_from(PARTS), max_size=8), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_where_the_reads_are_cut_changes_nothing(parts: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(parts)
    chunks: list[bytes] = []
    place = 0
    while place < len(stream):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(stream[place : place + size])
        place += size
    one, many = stream_reader(), stream_reader()
    whole, cut = follow(one, [stream] if stream else []), follow(many, chunks)
    assert whole.all == cut.all == stream
    assert told(one) == told(many)
    # Blank lines between events travel with the one before or the one behind.
    assert whole.released.rstrip(b"\n") == cut.released.rstrip(b"\n")
