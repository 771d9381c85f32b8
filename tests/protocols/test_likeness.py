"""Events that are taken for alike: whatever is told of them without reading is what a full reading tells."""

import itertools
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.protocols.anthropic_request import read_request
from durward.protocols.anthropic_stream import AnthropicStream
from durward.protocols.event_reader import EventReader
from durward.protocols.likeness import LONGEST, PLACES, learn, length_of
from durward.protocols.openai_chat_stream import ChatReader
from durward.protocols.openai_responses_stream import ResponseReader
from durward.protocols.sse import BOUND, EventSplitter, Unread
from tests.protocols.replay import random_chunks, told

READERS: dict[str, Callable[[], EventReader]] = {
    "chat": lambda: ChatReader(1, hide_usage=True),
    "responses": lambda: ResponseReader(stored=True, background=False),
    "anthropic": lambda: AnthropicStream(read_request(b'{"model":"m"}')),
}
TEXTS = [
    *("", " order", "a", "é€😀", "\n", '"', "\\", "[DONE]", "\x7f", "x" * 60, '{"a": 1}', "usage", "0", "7"),
    *('","finish_reason":"stop', '"usage":{"prompt_tokens":5}', '"content":"', "\\u0022", "event: error"),
]
# Bytes in place of a text, most of them no valid string.
RAW = [
    *(b'a"', b"\\", b"\\x", b"\\ud800", b"\\ud83d\\ude00", b"\xff", b"\xc3\xa9", b"\t", b"\x00", b"\\u00e9", b"\\/"),
    *(b'"},"finish_reason":"stop","x":{"y":"', b'","content":"twice', b'","\\u0063ontent":"', b'"}]}\n\ndata: {"z":["'),
    *(b"\r", b"a\n", b"\\\n", b"\\\\"),
]
MARK = "@@"
"""Where a shape takes its text."""


def chat(delta: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **members}


SHAPES: dict[str, list[dict[str, Any]]] = {
    "chat": [
        chat({"content": MARK}),
        chat({"content": MARK}, usage=None, obfuscation=MARK),
        chat({"content": MARK}, model="other"),
        chat({"content": MARK}, model=None),
        chat({"content": None, "reasoning_content": MARK}),
        chat({"content": "", "reasoning": MARK, "reasoning_details": [{"type": "reasoning.text", "text": MARK}]}),
        chat({"reasoning": MARK, "reasoning_content": MARK}),
        chat({"reasoning": "same", "reasoning_content": MARK}),
        chat({"tool_calls": [{"index": 0, "function": {"name": "get", "arguments": MARK}}]}),
        chat({"content": MARK, "refusal": "no"}),
        chat({"content": MARK, "audio": {"id": "audio_1", "transcript": MARK}}),
        chat({"content": MARK, "annotations": [{"type": "url_citation", "text": MARK}]}),
        chat({"content": MARK}, usage={"prompt_tokens": 5, "completion_tokens": 2}),
        chat({"content": MARK}, x_groq={"usage": {"prompt_tokens": 5}}),
        chat({"content": MARK}, x_groq={"id": MARK}),
        chat({"content": MARK}, error=None),
        chat({"content": MARK}, error={"text": MARK}),
        chat({"content": MARK}, logprobs={"content": [{"token": MARK, "text": MARK}]}),
        {"choices": [{"index": 0, "delta": {"content": MARK}, "finish_reason": "stop"}]},
        {"choices": [{"index": at, "delta": {"content": MARK}} for at in range(2)]},
        {"choices": [{"index": 0, "delta": {"content": [MARK]}}], "text": MARK},
        {"choices": [], "content": MARK, "usage": {"prompt_tokens": 5}},
        {"choices": [], "delta": MARK},
        {"error": {"type": "overloaded"}, "content": MARK},
    ],
    "responses": [
        {
            "type": "response.output_text.delta",
            "sequence_number": 7,
            "item_id": "i",
            "delta": MARK,
            "obfuscation": MARK,
        },
        {"type": "response.output_text.delta", "delta": MARK, "sequence_number": 70},
        {"type": "response.output_audio.delta", "delta": MARK, "sequence_number": 8},
        {"type": "response.output_text.done", "text": MARK, "sequence_number": 9},
        {"type": "response.created", "response": {"id": "resp_1", "model": "m"}, "delta": None, "text": MARK},
        {"type": "response.output_item.added", "item": {"id": "i", "name": "get", "arguments": MARK}},
        {"type": "response.completed", "response": {"usage": {"input_tokens": 5}, "text": MARK}},
        {"type": "error", "code": "x", "text": MARK},
    ],
    "anthropic": [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": MARK}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": MARK}},
        {"type": "content_block_delta", "index": 1, "delta": {"text": MARK, "partial_json": MARK}},
        {"type": "content_block_delta", "index": 1, "delta": {"text": MARK, "thinking": "always"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": MARK}},
        {"type": "message_start", "message": {"model": "c", "usage": {"input_tokens": 7}}, "text": MARK},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "text": MARK}, "usage": {"output_tokens": 2}},
        {"type": "ping", "text": MARK},
        {"type": "message_stop", "text": MARK},
    ],
}


def shuffled(value: Any, random: Random) -> Any:
    if isinstance(value, dict):
        names = list(value)
        random.shuffle(names)
        return {name: shuffled(value[name], random) for name in names}
    return [shuffled(inner, random) for inner in value] if isinstance(value, list) else value


@st.composite
def runs(draw: st.DrawFn, wire: str) -> bytes:
    """Some events of one shape and spelling, each with texts of its own."""
    shape = draw(st.sampled_from(SHAPES[wire]))
    if draw(st.booleans()):
        shape = shuffled(shape, Random(draw(st.integers(0, 9))))
    ascii_only = draw(st.booleans())
    spelt = json.dumps(shape, separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]))).encode()
    if draw(st.integers(0, 5)) == 0:
        name = draw(st.sampled_from([b"content", b"usage", b"finish_reason", b"error", b"delta", b"text", b"model"]))
        spelt = spelt.replace(b'"' + name, b'"\\u%04x' % name[0] + name[1:])
    named = wire != "chat" or draw(st.integers(0, 5)) == 0
    head = b"event: %b\n" % shape.get("type", "message").encode() if named and draw(st.integers(0, 5)) else b""
    end = draw(st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"]))
    told_texts = st.sampled_from([*[json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode() for text in TEXTS]])
    texts = st.one_of(told_texts, told_texts, told_texts, st.sampled_from(RAW))
    out = []
    for at in range(draw(st.integers(1, 5))):
        data = spelt
        while MARK.encode() in data:
            data = data.replace(MARK.encode(), draw(texts), 1)
        if draw(st.integers(0, 3)) == 0:
            number = draw(st.sampled_from([b"0", b"07", b"1.5", b"-1", b"12345678901234567", b"null", b"8", b"x"]))
            data = data.replace(b'number":7', b'number":' + number)
        else:
            data = data.replace(b'number":7', b'number":%d' % (at + 1))
        out.append((head + b"data: " + data + b"\n\n").replace(b"\n", end))
    return b"".join(out)


def streams(wire: str) -> st.SearchStrategy[bytes]:
    between = st.sampled_from([b": ping\n\n", b"\n", b"data: [DONE]\n\n", b"\xef\xbb\xbf", b"data: {", b"\r"])
    return st.lists(st.one_of(*[runs(wire)] * 5, between), max_size=5).map(b"".join)


def read_in_full(reader: EventReader, stream: bytes) -> bytes:
    """Read every event, as a reader without a memory would: what is released before the end is held."""
    splitter = EventSplitter()
    released = b""
    for piece in splitter.feed(stream):
        if isinstance(piece, Unread):
            released += piece.content
        elif reader.see(piece):
            released += piece
        elif reader.ended:
            return released
    rest = splitter.take_rest()
    return released + rest if not rest or reader.see(rest) else released


def read(reader: EventReader, chunks: list[bytes]) -> bytes:
    released = b""
    for chunk in chunks:
        released += reader.feed(chunk)
        if reader.ended:
            return released
    rest = reader.finish()
    return released if reader.ended else released + rest


@pytest.mark.parametrize("wire", READERS)
@given(data=st.data())
def test_what_is_not_read_is_told_as_if_it_were(wire: str, data: st.DataObject) -> None:
    stream = data.draw(streams(wire))
    full, one_by_one, pieces = READERS[wire](), READERS[wire](), READERS[wire]()
    expected = read_in_full(full, stream)
    events = [piece for piece in EventSplitter().feed(stream) if not isinstance(piece, Unread)]
    rest = stream[sum(map(len, events)) :]
    # Blank lines may travel with the event before them, so only the events are compared.
    assert read(one_by_one, [*events, rest] if rest else events).strip(b"\r\n") == expected.strip(b"\r\n")
    assert told(one_by_one) == told(full)
    assert read(pieces, random_chunks(stream, data.draw(st.integers(0, 2**16)))).strip(b"\r\n") == expected.strip(
        b"\r\n"
    )
    assert told(pieces) == told(full)


def check(wire: str, events: list[bytes]) -> None:
    full, fast = READERS[wire](), READERS[wire]()
    assert read(fast, events) == read_in_full(full, b"".join(events)), events
    assert told(fast) == told(full), events


@pytest.mark.parametrize("wire", READERS)
def test_every_text_in_every_shape_is_told_as_if_it_were_read(wire: str) -> None:
    mark = MARK.encode()
    texts = [*[json.dumps(text, ensure_ascii=False)[1:-1].encode() for text in TEXTS], *RAW]
    for shape in SHAPES[wire]:
        head = b"event: %b\n" % shape["type"].encode() if "type" in shape else b""
        event = head + b"data: " + json.dumps(shape).encode() + b"\n\n"
        usual = [event.replace(mark, text) for text in (b"a", b"b")]
        for text in texts:
            odd = event.replace(mark, text)
            check(wire, [odd, *usual, odd, *usual, odd, odd])
            check(wire, [*usual, event.replace(mark, text, 1).replace(mark, b"a"), *usual])


def test_a_number_that_is_none_is_told_as_if_it_were_read() -> None:
    event = b'event: e\ndata: {"type":"response.output_text.delta","sequence_number":7,"delta":"a"}\n\n'
    for number in (
        b"8",
        b"0",
        b"07",
        b"1.5",
        b"-1",
        b"1" * 15,
        b"1" * 16,
        b"1" * 17,
        b"null",
        b"x",
        b"",
        b'"8"',
        b"1e5",
    ):
        check("responses", [event, event.replace(b"7", number), event, event.replace(b"7", number)])


def test_models_are_told_as_the_last_event_tells_them() -> None:
    one, other, none = [spelt(shape) for shape in (SHAPES["chat"][0], SHAPES["chat"][2], SHAPES["chat"][3])]
    for events in itertools.product([one, other, none], repeat=5):
        check("chat", list(events))


def weigh(event: bytes) -> int:
    return ChatReader(1, hide_usage=True).weigh(event)


def spelt(shape: dict[str, Any], text: str = "a") -> bytes:
    return b"data: " + json.dumps(shape).replace(MARK, text).encode() + b"\n\n"


def test_an_event_with_another_text_is_alike() -> None:
    alike = learn(spelt(SHAPES["chat"][1]), weigh)
    assert alike is not None
    other = spelt(SHAPES["chat"][1], "order")
    assert (alike.reach(other), alike.said) == (len(other), 5)
    assert (alike.reach(other + other + other[:20]), alike.said) == (2 * len(other), 10)
    assert (alike.reach(spelt(SHAPES["chat"][2])), alike.said) == (0, 0)
    escaped = spelt(SHAPES["chat"][0], "\\u00e9\\n")
    alike = learn(spelt(SHAPES["chat"][0]), weigh)
    assert alike is not None
    assert (alike.reach(escaped), alike.said) == (len(escaped), 3)


def test_events_are_alike_on_every_wire() -> None:
    for wire, make in READERS.items():
        reader = make()
        name = b"" if wire == "chat" else b"event: %b\n" % SHAPES[wire][0]["type"].encode()
        alike = learn(name + spelt(SHAPES[wire][0]), reader.weigh)
        assert alike is not None
        other = name + spelt(SHAPES[wire][0], "order").replace(b": 7", b": 13")
        assert (alike.reach(other), alike.said) == (len(other), 5)


@pytest.mark.parametrize(
    "event",
    [
        spelt(chat({"content": "a"}, finish="x"))[:-1],
        spelt(chat({"content": ""})),
        spelt(chat({"content": "a"}, usage={})),
        spelt(chat({"reasoning": "a", "reasoning_content": "a"})),
        spelt(chat({"content": "a"}, more=[{"text": "a"}] * PLACES)),
        spelt(chat({"content": "a" * LONGEST})),
        b"data: {}\n\n",
        b"data: \n\n",
        b": content\n\n",
        b'id: 1\ndata: {"choices":[{"delta":{"content":"a"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"a"}}]}\r\r',
        b'data: {"choices":[{"delta":{"content":"a"}}\n\n',
    ],
)
def test_nothing_is_learnt_where_likeness_cannot_be_told(event: bytes) -> None:
    assert learn(event, weigh) is None


def test_an_event_beyond_the_bound_is_never_alike() -> None:
    reader = ChatReader(1, hide_usage=True)
    event, large = spelt(chat({"content": "a"})), spelt(chat({"content": "a" * BOUND}))
    assert reader.feed(event) == event
    assert reader.feed(large) == large
    assert (reader.unread, reader.text_bytes) == (1, 1)


@pytest.mark.parametrize("text,length", [(None, 0), ("", 0), ("abc", 3), ("é€😀", 9)])
def test_text_is_measured_in_bytes(text: str | None, length: int) -> None:
    assert length_of(text) == length
