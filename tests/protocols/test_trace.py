"""A trace is gone on with only where it is one, to the letter of W3C Trace Context."""

import re

from hypothesis import given
from hypothesis import strategies as st

from durward.protocols.trace import is_trace, read_trace

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
GRAMMAR = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def test_a_trace_is_continued_only_if_it_is_one() -> None:
    assert read_trace({}) == ("", "")
    assert read_trace({b"traceparent": TRACE}) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    for broken in (
        TRACE + b"x",
        TRACE[:-1],
        TRACE.upper(),
        b"01" + TRACE[2:],
        b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01",
    ):
        assert read_trace({b"traceparent": broken}) == ("", "")


@given(st.integers(0, len(TRACE) - 1), st.integers(0, 255), st.integers(0, len(TRACE) - 1), st.integers(0, 255))
def test_no_byte_makes_a_trace_of_what_is_none(at: int, byte: int, other: int, another: int) -> None:
    text = bytearray(TRACE)
    text[at], text[other] = byte, another
    assert is_trace(bytes(text)) == (GRAMMAR.fullmatch(text) is not None)
