"""Events of a byte stream: nothing lost, nothing moved, and the same events however the stream was cut into reads."""

import itertools
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.protocols.sse import BOUND, EventSplitter, Piece, Unread, content_of, data_of, name_of

LINE_ENDS = [b"\n", b"\r", b"\r\n"]
# Small alphabets, so that line ends meet, fields repeat and marks stand where they must not.
CONTENT = st.lists(
    st.sampled_from(
        [
            b"data: ",
            b"data:",
            b"data",
            b"event: ",
            b"event:x",
            b"id: 1",
            b": ping",
            b"{}",
            b" ",
            b"a",
            b"\xef\xbb\xbf",
            b"\xff",
        ]
    ),
    max_size=4,
).map(b"".join)
STREAMS = st.lists(st.one_of(CONTENT, st.sampled_from(LINE_ENDS), st.sampled_from(LINE_ENDS)), max_size=40).map(
    b"".join
)


def split(stream: bytes, cuts: list[int], bound: int = BOUND) -> tuple[list[Piece], bytes]:
    splitter = EventSplitter(bound)
    pieces: list[Piece] = []
    for chunk in chunks(stream, cuts):
        pieces += splitter.feed(chunk)
    return pieces, splitter.rest


def chunks(stream: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = [0, *sorted({cut % (len(stream) + 1) for cut in cuts}), len(stream)]
    for start, end in itertools.pairwise(places):
        yield stream[start:end]


def events(pieces: list[Piece]) -> list[tuple[bytes, bytes]]:
    found = [(name_of(piece), data_of(piece)) for piece in pieces if not isinstance(piece, Unread)]
    return [event for event in found if event != (b"", b"")]


def parse(stream: bytes) -> list[tuple[bytes, bytes]]:
    """The standard's own steps over the whole stream, one line at a time (WHATWG HTML §9.2.6)."""
    found = []
    name = b""
    lines: list[bytes] = []
    for line in re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))[:-1]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            found.append((name, b"\n".join(lines)))
            name, lines = b"", []
        elif field == b"event" and b":" in line:
            name = value
        elif field == b"data":
            lines.append(value)
    return [event for event in found if event != (b"", b"")]


@given(STREAMS, st.lists(st.integers(0, 400), max_size=12))
def test_no_byte_is_lost_or_moved_and_events_are_those_of_the_standard(stream: bytes, cuts: list[int]) -> None:
    pieces, rest = split(stream, cuts)
    assert b"".join(contents(pieces)) + rest == stream
    assert events(pieces) == parse(stream)


def contents(pieces: list[Piece]) -> list[bytes]:
    return [content_of(piece) for piece in pieces]


def whole_events(pieces: list[Piece]) -> list[bytes]:
    return [content for content in contents(pieces) if content.strip(b"\r\n")]


@given(STREAMS, st.lists(st.integers(0, 400), max_size=12))
def test_any_reads_make_the_same_pieces(stream: bytes, cuts: list[int]) -> None:
    whole, rest = split(stream, [])
    pieces, pieces_rest = split(stream, cuts)
    assert whole_events(pieces) == whole_events(whole)
    assert pieces_rest == rest


@given(STREAMS, st.lists(st.integers(0, 400), max_size=12), st.integers(3, 20))
def test_what_is_too_large_to_read_is_the_same_for_any_reads(stream: bytes, cuts: list[int], bound: int) -> None:
    whole, _ = split(stream, [], bound)
    pieces, rest = split(stream, cuts, bound)
    assert b"".join(contents(pieces)) + rest == stream
    assert events(pieces) == events(whole)
    assert all(len(piece.strip(b"\r\n")) <= bound for piece in pieces if not isinstance(piece, Unread))
    assert len(rest) <= bound + 3


def test_how_much_of_an_event_has_begun_is_known() -> None:
    splitter = EventSplitter(bound=16)
    assert splitter.begun == -1, "a mark may stand before the first event"
    splitter.feed(b"data: 1\n\n")
    assert splitter.begun == 0
    splitter.feed(b"\ndata")
    assert splitter.begun == 4
    splitter.feed(b": 0123456789abc")
    assert splitter.begun == -1, "inside a large event"
    splitter.feed(b"\n\n")
    assert splitter.begun == 0


@pytest.mark.parametrize("end", LINE_ENDS)
def test_each_line_end_of_the_standard_ends_an_event(end: bytes) -> None:
    stream = end.join([b"event: a", b"data: 1", b"", b"data: 2", b"data: 3", b"", b""])
    pieces, rest = split(stream, [])
    assert events(pieces) == [(b"a", b"1"), (b"", b"2\n3")]
    assert rest == b""


@pytest.mark.parametrize(
    "first,second",
    [
        (b"data: 1\r\n\r", b"\ndata: 2\r\n\r\n"),
        (b"data: 1\n\r", b"\ndata: 2\n\n"),
        (b"data: 1\r", b"\n\r\ndata: 2\r\n\r\n"),
    ],
)
def test_a_line_feed_that_comes_late_belongs_to_the_return_before_it(first: bytes, second: bytes) -> None:
    splitter = EventSplitter()
    pieces = splitter.feed(first) + splitter.feed(second)
    assert events(pieces) == [(b"", b"1"), (b"", b"2")]
    assert b"".join(contents(pieces)) == first + second
    assert whole_events(EventSplitter().feed(first + second)) == whole_events(pieces)


def test_an_event_comes_out_as_soon_as_it_is_complete() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\r\n\r") == []
    assert splitter.feed(b"\n") == [b"data: 1\r\n\r\n"]
    assert splitter.feed(b"data: 2\n") == []
    assert splitter.rest == b"data: 2\n"
    assert splitter.feed(b"\ndata") == [b"data: 2\n\n"]
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\r\r") == [b"data: 1\r\r"]


def test_heartbeats_do_not_wait_for_the_next_event() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b": ping\n\n") == [b": ping\n\n"]
    assert splitter.feed(b"\n") == [b"\n"]
    assert splitter.feed(b"\ndata: 1") == [b"\n"]
    assert splitter.between
    assert splitter.take_rest() == b"data: 1"
    assert splitter.rest == b""


def test_the_mark_before_the_first_event_comes_out_alone() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"\xef\xbb") == []
    assert splitter.feed(b"\xbfdata: 1\n\n") == [b"\xef\xbb\xbf", b"data: 1\n\n"]
    assert events(splitter.feed(b"\xef\xbb\xbfdata: 2\n\n")) == []


def test_an_event_over_the_bound_passes_unread_and_the_next_is_read() -> None:
    splitter = EventSplitter(bound=16)
    assert splitter.feed(b"data: 0123456789") == []
    assert contents(splitter.feed(b"abc\n")) == [b"data: 0123456789abc"]
    assert not splitter.between
    pieces = splitter.feed(b"data: more\n\ndata: 1\n\n")
    assert contents(pieces) == [b"\ndata: more\n\n", b"data: 1\n\n"]
    assert [type(piece) for piece in pieces] == [Unread, bytes]
    assert events(pieces) == [(b"", b"1")]
    assert splitter.between


def test_the_bound_is_a_mebibyte_of_content() -> None:
    content = b"data: " + b"x" * (BOUND - 6)
    assert [type(piece) for piece in EventSplitter().feed(content + b"\n\n")] == [bytes]
    assert [type(piece) for piece in EventSplitter().feed(content + b"x\n\n")] == [Unread]
