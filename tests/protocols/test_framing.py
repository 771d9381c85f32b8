"""Chunked coding: any split of a valid message decodes alike; whatever is accepted, h11 reads in the same way."""

from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.protocols.framing import (
    EXTENSION_BYTES,
    LAST_CHUNK,
    TRAILER_BYTES,
    TRAILER_LINES,
    Chunks,
    Counted,
    FramingError,
    UntilClose,
    frame,
)


def decoded(message: bytes, cuts: list[int] | None = None) -> tuple[bytes, bool, bytes]:
    """The body, whether it ended, and what came after it; fed in pieces cut at `cuts`."""
    chunks = Chunks()
    body = b""
    edges = [0, *sorted(cuts or []), len(message)]
    for start, end in pairwise(edges):
        body += b"".join(chunks.feed(message[start:end]))
    return body, chunks.ended, chunks.rest


def as_h11_reads(message: bytes) -> tuple[bytes, bool, bytes] | None:
    """The same answer from an independent parser; None where it refuses."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + message)
    body = b""
    try:
        while True:
            event = client.next_event()
            if isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return body, True, client.trailing_data[0]
            elif event is h11.NEED_DATA:
                return body, False, b""
    except h11.RemoteProtocolError:
        return None


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A body, and a valid encoding of it with odd but legal sizes, extensions and trailers."""
    pieces = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
    extension = st.sampled_from([b"", b";a", b';a=b;c="d e\\"f"', b"; a = b ; c"])
    lead = st.sampled_from([b"", b"0", b"000"])
    out = b""
    for piece in pieces:
        out += b"%b%x%b\r\n%b\r\n" % (draw(lead), len(piece), draw(extension), piece)
    trailers = draw(st.sampled_from([b"", b"a: b\r\n", b"a:\r\nb: c\td\xe9 \r\n"]))
    return b"".join(pieces), out + b"0" + draw(lead) + draw(extension) + b"\r\n" + trailers + b"\r\n"


@given(messages(), st.binary(max_size=4), st.data())
def test_any_split_of_a_valid_message_decodes_alike(
    message: tuple[bytes, bytes], after: bytes, data: st.DataObject
) -> None:
    body, encoded = message
    cuts = data.draw(st.lists(st.integers(0, len(encoded)), max_size=8))
    assert decoded(encoded) == (body, True, b"")
    assert decoded(encoded, cuts) == (body, True, b"")
    assert decoded(encoded, list(range(len(encoded)))) == (body, True, b"")
    assert decoded(encoded + after) == (body, True, after)
    assert decoded(encoded + after, cuts) == (body, True, after)


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_what_is_framed_here_is_read_here_and_elsewhere(pieces: list[bytes]) -> None:
    encoded = b"".join(map(frame, pieces)) + LAST_CHUNK
    expected = (b"".join(pieces), True, b"")
    assert decoded(encoded) == expected
    assert as_h11_reads(encoded) == expected


ODD_BYTES = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"0", b"1", b"f", b"-", b"+", b"x", b"_", b" ", b"\t", b";", b'"', b"\x00", b"\xff"]
)


@given(messages(), st.data())
def test_a_mutated_message_is_refused_or_read_as_h11_reads_it(
    message: tuple[bytes, bytes], data: st.DataObject
) -> None:
    _, encoded = message
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(encoded)))
        gone = data.draw(st.integers(0, 2))
        encoded = encoded[:at] + data.draw(ODD_BYTES | st.binary(max_size=3)) + encoded[at + gone :]
    cuts = data.draw(st.lists(st.integers(0, len(encoded)), max_size=4))
    try:
        whole = decoded(encoded)
    except FramingError:
        with pytest.raises(FramingError):
            decoded(encoded, cuts)
        return
    assert decoded(encoded, cuts) == whole
    assert as_h11_reads(encoded) == whole


@pytest.mark.parametrize(
    "message",
    [
        b"\r\n",
        b"x\r\n",
        b"0x5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b"1_0\r\n",
        b" 5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"5\t;a\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\rhello\r\n",
        b"5\r\nhello\n",
        b"5\r\nhello!\r\n",
        b"5\r\nhello\r!",
        b"5;\r\nhello\r\n",
        b"5;a=\r\nhello\r\n",
        b'5;a="b\r\nhello\r\n',
        b"5;a\x00\r\nhello\r\n",
        b"5;a\n\r\nhello\r\n",
        b"00000000000000005\r\nhello\r\n",
        b"fffffffffffffffff\r\n",
        b"0\r\n x: y\r\n\r\n",
        b"0\r\nx : y\r\n\r\n",
        b"0\r\nx\r\n\r\n",
        b"0\r\n: y\r\n\r\n",
        b"0\r\nx: y\n\r\n",
        b"0\r\nx: y\r\n folded\r\n\r\n",
        b"0\r\nx: \x00\r\n\r\n",
        b"0\r\n\n",
        b"0\r\n\r!",
    ],
)
def test_malformed_framing_is_refused_whole_and_byte_by_byte(message: bytes) -> None:
    with pytest.raises(FramingError):
        decoded(message)
    with pytest.raises(FramingError):
        decoded(message, list(range(len(message))))


@pytest.mark.parametrize("begun", [b"g", b"5;a\n", b"5\n", b"1" * 17, b"5;" + b"a" * (EXTENSION_BYTES + 1)])
def test_a_line_that_can_no_longer_become_valid_is_refused_before_it_ends(begun: bytes) -> None:
    with pytest.raises(FramingError):
        Chunks().feed(begun)


def test_extensions_are_bounded() -> None:
    longest = b";" + b"a" * (EXTENSION_BYTES - 1)
    assert decoded(b"1%b\r\nx\r\n0\r\n\r\n" % longest) == (b"x", True, b"")
    with pytest.raises(FramingError, match="too long"):
        decoded(b"1%ba\r\nx\r\n0\r\n\r\n" % longest)


def test_trailers_are_bounded_in_lines() -> None:
    assert decoded(b"0\r\n" + b"a: b\r\n" * TRAILER_LINES + b"\r\n") == (b"", True, b"")
    with pytest.raises(FramingError, match="too many"):
        decoded(b"0\r\n" + b"a: b\r\n" * (TRAILER_LINES + 1) + b"\r\n")


def test_trailers_are_bounded_in_bytes_over_all_lines() -> None:
    half = b"a: %b\r\n" % (b"x" * (TRAILER_BYTES // 2 - 5))
    assert decoded(b"0\r\n" + half * 2 + b"\r\n") == (b"", True, b"")
    with pytest.raises(FramingError, match="too long"):
        decoded(b"0\r\n" + half * 2 + b"a: b\r\n\r\n")
    with pytest.raises(FramingError, match="too long"):
        decoded(b"0\r\na: " + b"x" * TRAILER_BYTES)


def test_the_largest_size_is_read_as_data_comes() -> None:
    chunks = Chunks()
    assert chunks.feed(b"ffffffffffffffff\r\nabc") == [b"abc"]
    assert chunks.feed(b"def") == [b"def"]
    assert not chunks.ended


def test_a_read_of_exactly_one_chunk_is_one_piece() -> None:
    chunks = Chunks()
    assert chunks.feed(b"5\r\nhello\r\n") == [b"hello"]
    assert chunks.feed(b"5\r\nhe") == [b"he"]
    assert chunks.feed(b"5\r\n") == [b"5\r\n"], "data that looks like a size stays data"
    assert chunks.feed(b"\r\n") == []
    assert chunks.feed(b"1\r\nx\r\n0\r\n\r\nnext") == [b"x"]
    assert (chunks.ended, chunks.rest) == (True, b"next")


def test_no_data_is_no_chunk() -> None:
    assert frame(b"") == b""
    assert frame(b"hello") == b"5\r\nhello\r\n"


def test_a_counted_body_ends_at_its_length() -> None:
    body = Counted(5)
    assert (body.feed(b""), body.feed(b"hel"), body.ended) == ([], [b"hel"], False)
    assert (body.feed(b"lo, next"), body.ended, body.rest) == ([b"lo"], True, b", next")
    empty = Counted(0)
    assert (empty.ended, empty.feed(b"next"), empty.rest) == (True, [], b"next")


def test_a_body_until_close_never_ends_by_itself() -> None:
    body = UntilClose()
    assert (body.feed(b"hello"), body.feed(b""), body.ended, body.rest) == ([b"hello"], [], False, b"")
