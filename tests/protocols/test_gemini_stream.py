"""Following streamed answers of the Gemini wire, as events and as an array."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import UpstreamError
from durward.calls.tokens import Tokens
from durward.protocols.gemini_stream import GeminiStream
from tests.protocols.replay import chunked, follow, told


def stream_reader() -> GeminiStream:
    return GeminiStream()


def chunk(
    text: str = "Grüße", finish: str | None = None, index: int = 0, prompt: int = 5, output: int = 2
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": index}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": output}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-x-1"}


def event(**members: Any) -> bytes:
    return b"data: " + json.dumps(members, ensure_ascii=False).encode() + b"\r\n\r\n"


FIRST = event(**chunk())
SECOND = event(**chunk(" zwei", output=4))
LAST = event(**chunk("!", "STOP", output=5))
ERROR = event(error={"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"})


def test_the_last_bytes_wait_for_the_record() -> None:
    reader = stream_reader()
    assert reader.feed(FIRST) == FIRST
    assert reader.feed(SECOND + LAST) == SECOND
    assert (reader.finished, reader.ended) == (True, False)
    assert reader.finish() == LAST
    assert reader.feed(b"\n") == b"\n"
    assert reader.usage is not None
    assert reader.usage.tokens == Tokens(input=5, output=5)
    assert (reader.model, reader.text_bytes) == ("gemini-x-1", len("Grüße zwei!".encode()))


def test_usage_may_be_asked_for_at_any_time() -> None:
    reader = stream_reader()
    asked = []
    for each in (FIRST, SECOND, event(usageMetadata=[]), LAST):
        reader.feed(each)
        asked.append(reader.usage.tokens.output if reader.usage is not None else None)
    assert asked == [2, 4, 4, 5]


def test_usage_behind_the_finish_counts() -> None:
    reader = stream_reader()
    reader.feed(FIRST + LAST)
    late = event(usageMetadata={"promptTokenCount": 90, "candidatesTokenCount": 5, "thoughtsTokenCount": 7})
    assert reader.feed(late) == b""
    assert reader.finish() == LAST + late
    assert reader.usage is not None
    assert reader.usage.tokens == Tokens(input=90, output=5, reasoning=7)


def test_all_candidates_must_have_finished() -> None:
    reader = stream_reader()
    one, two = event(**chunk("a", "STOP", 0)), event(**chunk("b", None, 1))
    done = event(**chunk("b", "STOP", 1))
    steps = [(reader.feed(each), reader.finished) for each in (one, two, done)]
    assert steps == [(b"", True), (one + two, False), (b"", True)]
    assert reader.finish() == done


def test_a_blocked_prompt_is_a_finished_answer() -> None:
    reader = stream_reader()
    blocked = event(promptFeedback={"blockReason": "SAFETY"}, usageMetadata={"promptTokenCount": 9})
    assert reader.feed(blocked) == b""
    assert (reader.finished, reader.ended) == (True, False)
    assert reader.finish() == blocked


def test_an_error_inside_the_stream_is_terminal() -> None:
    for stream, released, held in [
        (FIRST + ERROR + b"\r\n", FIRST, ERROR + b"\r\n"),
        (b'[{"candidates":[]},\n{"error":{"code":429}}\n]', b'[{"candidates":[]}', b',\n{"error":{"code":429}}\n]'),
    ]:
        reader = stream_reader()
        assert reader.feed(stream) == released
        assert (reader.ended, reader.finished) == (True, False)
        assert reader.error in {"UNAVAILABLE", "429"}
        assert reader.feed(b"more") == b""
        assert reader.take_held() == held + b"more"
        assert reader.feed(b"x") == b"x"


def test_a_cut_stream_is_not_finished() -> None:
    for stream in (FIRST + SECOND[:20], b"[" + FIRST[6:-4] + b",{"):
        reader = stream_reader()
        assert reader.feed(stream) + reader.finish() == stream
        assert (reader.ended, reader.finished) == (False, False)
        assert reader.usage is not None


def test_a_last_event_without_its_blank_line_counts() -> None:
    reader = stream_reader()
    assert reader.feed(FIRST + LAST.rstrip()) == FIRST
    assert not reader.finished
    assert reader.finish() == LAST.rstrip()
    assert reader.finished


def test_an_array_is_followed_like_events() -> None:
    stream = b"[" + FIRST[6:-4] + b"\n,\r\n" + LAST[6:-4] + b"\n]\n"
    reader = stream_reader()
    assert reader.feed(stream) == b"[" + FIRST[6:-4]
    assert (reader.finished, reader.ended) == (True, False)
    assert reader.finish() == b"\n,\r\n" + LAST[6:-4] + b"\n]\n"
    assert reader.usage is not None
    assert reader.usage.tokens == Tokens(input=5, output=5)


def test_white_space_before_the_first_byte_decides_nothing() -> None:
    reader = stream_reader()
    assert reader.feed(b" \r\n") == b""
    assert not reader.at_boundary()
    assert reader.feed(b"[" + FIRST[6:-4]) == b" \r\n[" + FIRST[6:-4]
    assert stream_reader().finish() == b""
    empty = stream_reader()
    assert empty.feed(b"\n") + empty.finish() == b"\n"


def test_heartbeats_are_for_events_only() -> None:
    events, array = stream_reader(), stream_reader()
    events.feed(FIRST + SECOND[:9])
    array.feed(b"[" + FIRST[6:-4])
    assert events.at_boundary()
    assert not array.at_boundary()


def test_an_error_of_ours_takes_the_form_of_the_stream() -> None:
    error = UpstreamError("It closed the connection.", reason="upstream_cut")
    events, begun, fresh = stream_reader(), stream_reader(), stream_reader()
    sent = events.feed(FIRST) + events.error_event(error, "c")
    assert json.loads(sent.split(b"\r\n\r\n")[1][6:])["error"]["status"] == "UNAVAILABLE"
    sent = begun.feed(b"[" + FIRST[6:-4] + b",") + begun.error_event(error, "c") + b"]"
    assert [next(iter(element)) for element in json.loads(sent)] == ["candidates", "error"]
    sent = fresh.feed(b"[") + fresh.error_event(error, "c") + b"]"
    assert json.loads(sent)[0]["error"]["details"][0]["reason"] == "upstream_cut"


def test_what_is_held_is_bounded() -> None:
    reader = stream_reader()
    reader.feed(LAST)
    filler = event(usageMetadata={"promptTokenCount": 1}, pad="x" * 60_000)
    fed = next(count for count in range(1, 30) if reader.feed(filler) == b"" and reader.ended)
    assert 17 <= fed <= 18
    assert reader.take_held() == LAST + filler * fed


def test_an_element_beyond_the_bound_passes_unread() -> None:
    image = json.dumps(chunk("x" * (2**20 + 10))).encode()
    for stream, last in (
        (FIRST + b"data: " + image + b"\r\n\r\n" + LAST, LAST),
        (b"[" + FIRST[6:-4] + b"," + image + b"," + LAST[6:-4] + b"]", b"," + LAST[6:-4] + b"]"),
    ):
        reader = stream_reader()
        followed = follow(reader, chunked(stream, 60_000))
        assert followed.all == stream
        assert followed.held == last
        assert (reader.unread, reader.finished) == (1, True)


def test_calls_and_code_are_generated_too() -> None:
    reader = stream_reader()
    parts = [
        {"functionCall": {"name": "f", "args": {"a": 1}}},
        {"executableCode": {"code": "x"}},
        {"inlineData": {"data": "AAAA"}},
    ]
    reader.feed(event(candidates=[{"content": {"parts": parts}}]))
    assert reader.text_bytes == len('{"name": "f", "args": {"a": 1}}') + len('{"code": "x"}')


def test_grounding_becomes_a_fee() -> None:
    reader = stream_reader()
    reader.feed(FIRST)
    grounded = chunk("", "STOP")
    grounded["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["a", "b"]}
    reader.feed(event(**grounded))
    assert reader.usage is not None
    assert reader.usage.fees == {"web_search": 2}


@pytest.mark.parametrize(
    "odd,finished",
    [
        (b"data: [1]\r\n\r\n", False),
        (b"data: {\r\n\r\n", False),
        (b'data: {"candidates": 3, "usageMetadata": {"promptTokenCount": 4}}\r\n\r\n', False),
        (
            b'data: {"candidates": [{"content": 3, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 4}}\n\n',
            True,
        ),
        (b": comment\n\n", False),
    ],
)
def test_odd_events_pass(odd: bytes, finished: bool) -> None:
    reader = stream_reader()
    assert reader.feed(odd) == (b"" if finished else odd)
    assert reader.finished is finished
    if b"usageMetadata" in odd:
        assert reader.usage is not None
        assert reader.usage.tokens == Tokens(input=4)


def test_data_in_several_lines_is_one_chunk() -> None:
    reader = stream_reader()
    spread = b"id: 7\r\ndata: {\r\n" + b'data: "usageMetadata": {"promptTokenCount": 4}}\r\n\r\n'
    assert reader.feed(b'data: {"modelVersion": "m"}\r\nid: 1\r\n\r\n' + spread)
    assert reader.model == "m"
    assert reader.usage is not None


EVENTS = [
    FIRST,
    SECOND,
    LAST,
    ERROR,
    event(**chunk("b", None, 1)),
    b": x\r\n\r\n",
    b"\r\n",
    FIRST.replace(b"\r\n", b"\n"),
]
ELEMENTS = [FIRST[6:-4], LAST[6:-4], ERROR[6:-4], b'{"candidates":[{"index":1}]}', b"{}", b'{"a":"]}"}']


def compare(stream: bytes, sizes: list[int]) -> None:
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
    # White space between events travels with the one before or the one behind.
    assert whole.released.rstrip() == cut.released.rstrip()


@given(st.lists(st.sampled_from(EVENTS), max_size=7), st.lists(st.integers(1, 90), min_size=1, max_size=12))
def test_where_events_are_cut_changes_nothing(events: list[bytes], sizes: list[int]) -> None:
    compare(b"".join(events), sizes)


@given(st.lists(st.sampled_from(ELEMENTS), max_size=7), st.lists(st.integers(1, 90), min_size=1, max_size=12))
def test_where_elements_are_cut_changes_nothing(elements: list[bytes], sizes: list[int]) -> None:
    compare(b"[" + b"\n,\r\n".join(elements) + b"\n]", sizes)
