"""What the readers of all wires share: release, drop, hold, and never lose a byte."""

import pytest

from durward.protocols.event_reader import EventReader
from durward.protocols.openai_chat_stream import ChatReader


def test_release_drop_and_hold() -> None:
    reader = ChatReader(1, hide_usage=True)
    assert reader.feed(b'data: 1\n\ndata: {"usage":{}}\n\ndata: 2\n\ndata:') == b"data: 1\n\ndata: 2\n\n"
    assert reader.at_boundary()
    assert reader.feed(b" [DONE]\n\ndata: 3\n\nda") == b""
    assert reader.ended
    assert reader.feed(b"ta") == b""
    assert reader.at_boundary()
    assert reader.take_held() == b"data: [DONE]\n\ndata: 3\n\ndata"
    assert reader.feed(b": 4") == b": 4"
    assert reader.finish() == b""


def test_an_upstream_that_ends_early_loses_nothing() -> None:
    reader = ChatReader(1, hide_usage=True)
    assert reader.feed(b"data: 1\n\ndata: 2") == b"data: 1\n\n"
    assert reader.finish() == b"data: 2"
    assert not reader.ended
    assert ChatReader(1, hide_usage=True).finish() == b""


def test_what_is_dropped_stays_dropped_at_the_end() -> None:
    reader = ChatReader(1, hide_usage=True)
    reader.feed(b'data: {"usage":{}}\n')
    assert reader.finish() == b""
    reader = ChatReader(1, hide_usage=True)
    reader.feed(b"data: [DONE]\n")
    assert reader.finish() == b"data: [DONE]\n"
    assert reader.ended


def test_a_reader_must_say_what_events_mean() -> None:
    with pytest.raises(NotImplementedError):
        EventReader().feed(b"data: 1\n\n")


EVENT = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'


def test_behind_the_end_even_known_events_wait() -> None:
    reader = ChatReader(1, hide_usage=True)
    for text in (b"a", b"b"):
        assert reader.feed(EVENT % text) == EVENT % text
    assert reader.feed(b"data: [DONE]\n\n") == b""
    assert reader.feed(EVENT % b"c") == b""
    assert reader.take_held() == b"data: [DONE]\n\n" + EVENT % b"c"
    assert reader.feed(EVENT % b"d") == EVENT % b"d"
    assert reader.text_bytes == 2


@pytest.mark.parametrize("cut", [1, 20, len(EVENT) - 3])
def test_events_that_come_in_halves_are_known_again(cut: int) -> None:
    reader = ChatReader(1, hide_usage=True)
    stream = b"".join(EVENT % text for text in (b"a", b"order", b"b"))
    released = reader.feed(EVENT % b"first" + stream[:cut])
    assert reader.at_boundary()
    released += reader.feed(stream[cut : cut + len(EVENT)]) + reader.feed(stream[cut + len(EVENT) :])
    assert released == EVENT % b"first" + stream
    assert (reader.text_bytes, reader.finish()) == (12, b"")


def test_heartbeats_between_known_events_pass() -> None:
    reader = ChatReader(1, hide_usage=True)
    reader.feed(EVENT % b"a")
    for passing in (b": ping\n\n", b"\n", EVENT % b"b" + b"\n" + EVENT % b"c"):
        assert reader.feed(passing) == passing
    assert reader.text_bytes == 3


def test_learning_is_tried_ever_more_rarely() -> None:
    """Two kinds of events by turns: what was learnt from one is met at the latest when learning pauses."""
    reader = ChatReader(2, hide_usage=True)
    for _ in range(40):
        for index in (b"0", b"1"):
            event = (EVENT % b"a").replace(b'"index":0', b'"index":' + index)
            assert reader.feed(event) == event
    assert reader.text_bytes == 80
