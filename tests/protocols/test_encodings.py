"""Content codings are decoded whole and within the limit, or refused."""

import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.protocols.encodings import decode
from tests.protocols.codings import SQUEEZERS, zstd_of_window

LIMIT = 4_096


def raw_deflate(body: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(body) + squeezer.flush()


CODERS = {name.encode(): squeeze for name, squeeze in SQUEEZERS.items()}


@given(st.binary(max_size=LIMIT), st.sampled_from(sorted(CODERS)))
def test_what_was_squeezed_comes_back(body: bytes, coding: bytes) -> None:
    assert decode(CODERS[coding](body), coding, LIMIT) == body


@given(st.binary(max_size=LIMIT))
def test_deflate_without_its_zlib_wrapper_is_read_too(body: bytes) -> None:
    squeezed = raw_deflate(body)
    if squeezed[:1] != b"\x78":
        assert decode(squeezed, b"deflate", LIMIT) == body


@pytest.mark.parametrize("coding", CODERS)
def test_a_bomb_is_refused_at_the_limit(coding: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        decode(CODERS[coding](bytes(50_000_000)), coding, LIMIT)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize(
    "harm", [lambda body: body[:-1], lambda body: body[:5], lambda body: body + b"more", lambda body: b"no" + body]
)
def test_cut_continued_or_broken_bodies_are_refused(coding: bytes, harm: Callable[[bytes], bytes]) -> None:
    with pytest.raises(CallerError) as caught:
        decode(harm(CODERS[coding](b"hello " * 50)), coding, LIMIT)
    assert caught.value.reason == "wrong_encoding"


def test_a_window_is_bounded_as_the_body_is() -> None:
    assert decode(zstd_of_window(b"hello", 23), b"zstd", LIMIT) == b"hello"
    with pytest.raises(CallerError) as caught:
        decode(zstd_of_window(b"hello", 24), b"zstd", LIMIT)
    assert caught.value.reason == "wrong_encoding"


def test_a_body_of_the_limit_passes_and_one_byte_more_does_not() -> None:
    for coding, squeeze in CODERS.items():
        assert decode(squeeze(bytes(LIMIT)), coding, LIMIT) == bytes(LIMIT)
        with pytest.raises(CallerError) as caught:
            decode(squeeze(bytes(LIMIT + 1)), coding, LIMIT)
        assert caught.value.reason == "too_large"


@pytest.mark.parametrize("coding", [b"br", b"compress", b"gzip, gzip", b"nonsense"])
def test_other_codings_are_refused(coding: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        decode(b"x", coding, LIMIT)
    assert caught.value.reason == "wrong_encoding"


def test_identity_is_itself() -> None:
    assert decode(b"x", b"identity", LIMIT) == b"x"
