"""What both streams of the wire share: release, drop, hold, and never lose a byte."""

import pytest

from durward.protocols.openai_stream import EventReader, error_name, length_of
from durward.protocols.sse import data_of


class Reader(EventReader):
    """Drops `drop`, ends at `end`."""

    def see(self, event: bytes) -> bool:
        self.ended = data_of(event) == b"end"
        return data_of(event) not in (b"drop", b"end")


def test_release_drop_and_hold() -> None:
    reader = Reader()
    assert reader.feed(b"data: 1\n\ndata: drop\n\ndata: 2\n\ndata:") == b"data: 1\n\ndata: 2\n\n"
    assert reader.at_boundary()
    assert reader.feed(b" end\n\ndata: 3\n\nda") == b""
    assert reader.ended
    assert reader.feed(b"ta") == b""
    assert reader.at_boundary()
    assert reader.take_held() == b"data: end\n\ndata: 3\n\ndata"
    assert reader.feed(b": 4") == b": 4"
    assert reader.finish() == b""


def test_an_upstream_that_ends_early_loses_nothing() -> None:
    reader = Reader()
    assert reader.feed(b"data: 1\n\ndata: 2") == b"data: 1\n\n"
    assert reader.finish() == b"data: 2"
    assert not reader.ended
    assert Reader().finish() == b""


def test_what_is_dropped_stays_dropped_at_the_end() -> None:
    reader = Reader()
    reader.feed(b"data: drop\n")
    assert reader.finish() == b""
    reader = Reader()
    reader.feed(b"data: end\n")
    assert reader.finish() == b"data: end\n"
    assert reader.ended


def test_a_reader_must_say_what_events_mean() -> None:
    with pytest.raises(NotImplementedError):
        EventReader().feed(b"data: 1\n\n")


@pytest.mark.parametrize("text,length", [(None, 0), ("", 0), ("abc", 3), ("é€😀", 9)])
def test_text_is_measured_in_bytes(text: str | None, length: int) -> None:
    assert length_of(text) == length


@pytest.mark.parametrize(
    "error,name",
    [
        ({"type": "overloaded", "code": "x"}, "overloaded"),
        ({"type": None, "code": 502}, "502"),
        ({"type": "", "code": ""}, "error"),
        ({"message": "secret"}, "error"),
        ("secret", "error"),
        (None, "error"),
        ({"type": "t" * 90}, "t" * 64),
    ],
)
def test_errors_are_named_without_their_message(error: object, name: str) -> None:
    assert error_name(error) == name
