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
