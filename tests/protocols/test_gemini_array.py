"""Cutting a streamed JSON array into its elements."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.protocols.gemini_array import ArraySplitter, element_of
from durward.protocols.sse import Piece, Unread, content_of
from tests.protocols.replay import chunked


def cut(stream: bytes, size: int = 10**9, bound: int = 2**20) -> tuple[list[bytes], bytes]:
    splitter = ArraySplitter(bound)
    pieces = [content_of(piece) for chunk in chunked(stream, size) for piece in splitter.feed(chunk)]
    return pieces, splitter.take_rest()


def test_an_element_brings_what_stands_before_it() -> None:
    stream = b'[{"a": [1, {"b": 2}]}\n,\r\n{"c": "}"}\n]\n'
    pieces, rest = cut(stream)
    assert pieces == [b'[{"a": [1, {"b": 2}]}', b'\n,\r\n{"c": "}"}']
    assert rest == b"\n]\n"
    assert [json.loads(element_of(piece)) for piece in pieces] == [{"a": [1, {"b": 2}]}, {"c": "}"}]


@pytest.mark.parametrize("text", ["]}", "[{", '"', '\\"', "\\", '\\\\"}', "a\\u0022}", ",\n"])
def test_strings_hide_structure(text: str) -> None:
    stream = json.dumps([{"a": text}, {text: [text]}]).encode()
    for size in range(1, 8):
        pieces, rest = cut(stream, size)
        assert [json.loads(element_of(piece)) for piece in pieces] == json.loads(stream)
        assert b"".join(pieces) + rest == stream


def test_an_object_alone_is_an_element() -> None:
    pieces, rest = cut(b' {"error": {"code": 3}}\n')
    assert [element_of(piece) for piece in pieces] == [b'{"error": {"code": 3}}']
    assert rest == b"\n"


def test_an_element_beyond_the_bound_passes_unread() -> None:
    large = b'{"a": "' + b"\\\\" * 100 + b'}"}'
    stream = b'[{"a":1},' + large + b',{"b":2}]'
    ends = [0, *(at + 1 for at in range(len(stream)) if stream[at : at + 2] in (b"},", b"}]"))]
    whole = [stream[:end] for end in ends]
    for size in (1, 7, 50, 10**6):
        splitter = ArraySplitter(60)
        pieces: list[Piece] = []
        for chunk in chunked(stream, size):
            pieces += splitter.feed(chunk)
            assert splitter.between == (b"".join(map(content_of, pieces)) in whole)
        elements = [element_of(piece) for piece in pieces if not isinstance(piece, Unread)]
        assert elements == [b'{"a":1}', b'{"b":2}']
        contents = [content_of(piece) for piece in pieces]
        assert b"".join(contents) + splitter.take_rest() == stream
        assert max(map(len, contents)) <= max(60 + size, len(large) + 1)


@pytest.mark.parametrize(
    "stream", [b"[]", b"", b"   ", b"[", b'[{"a": ', b'[{"a": "x', b'[{"a": "x\\', b"nonsense ]]}} {"]
)
def test_what_ends_early_comes_out_whole(stream: bytes) -> None:
    for size in (1, 2, 100):
        pieces, rest = cut(stream, size)
        assert b"".join(pieces) + rest == stream


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(['"', "\\", "}]", "\\u"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)
elements = st.lists(st.dictionaries(st.text(max_size=4), json_values, max_size=4), max_size=5)


@given(elements, st.sampled_from([None, 1]), st.booleans(), st.integers(1, 30))
def test_the_json_module_agrees(values: list[dict[str, Any]], indent: int | None, ascii_only: bool, size: int) -> None:
    stream = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    pieces, rest = cut(stream, size)
    assert [json.loads(element_of(piece)) for piece in pieces] == values
    assert b"".join(pieces) + rest == stream
    assert pieces == cut(stream)[0]


@given(st.binary(max_size=60), st.integers(1, 10), st.sampled_from([3, 20, 2**20]))
def test_any_bytes_come_out_as_they_went_in(stream: bytes, size: int, bound: int) -> None:
    pieces, rest = cut(stream, size, bound)
    assert b"".join(pieces) + rest == stream
    assert len(rest) <= bound + 1
