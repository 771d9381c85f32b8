"""The walk over a body agrees with msgspec: on what is JSON, where its members stand, and what the wires find in it."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.protocols import members, scanning
from durward.protocols.anthropic import ANTHROPIC_MESSAGES
from durward.protocols.gemini import GEMINI_GENERATE
from durward.protocols.openai_chat import OPENAI_CHAT
from durward.protocols.openai_embeddings import OPENAI_EMBEDDINGS
from durward.protocols.openai_responses import OPENAI_RESPONSES
from durward.protocols.scanning import Scanned, Shape
from durward.protocols.wire import ModelProtocol
from tests.protocols.built import built

RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
DEEPEST = 64
SPEC: dict[object, object] = {
    "a": (
        None,
        str,
        [{"type": frozenset({"text", "more"}), "never": (), "b": {("c", "d"): any, "c": object, "d": str}}],
    ),
    "b": {"c": [[frozenset({"x"})]], ...: ()},
    "c": object,
}
PIECES = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b" ",
    b"\n",
    b"\x00",
    b"\x1f",
    b"\x7f",
    b"\x80",
    b"\xc3\xa9",
    b"\xed\xa0\x80",
]
PIECES += [
    b"0",
    b"-",
    b"1.5e+7",
    b"e",
    b".",
    b"null",
    b"true",
    b"nul",
    b"\\u0041",
    b"\\ud83d",
    b"\\ude00",
    b"\\u12g4",
    b"\xf0\x9f\x98\x80",
]
PIECES += [
    b'"a"',
    b'"b":',
    b'"type":"text",',
    b'"' + b"x" * 31 + b'"',
    b"\\n" * 9,
    b"\xef\xbb\xbf",
    b"\xf4\x90\x80\x80",
    b"\xc0\xa2",
]
NAMES = ["a", "b", "c", "d", "type", "never", "é", "content", "input"]
JSON = st.recursive(
    st.one_of(
        st.sampled_from([None, True, False, 0, -1.5e-7, 10**30, "text", "more", "x", ""]),
        st.text(st.characters(codec="utf-8"), max_size=40),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=12,
)
BODIES = st.builds(
    lambda body, ascii_only, indent: json.dumps(body, ensure_ascii=ascii_only, indent=indent).encode(),
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5),
    st.booleans(),
    st.sampled_from([None, 0, 1, "\t\r"]),
)

Scan = Callable[[bytes, Shape], Scanned | None]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The walk as it is installed, or else built here."""
    if scanning.scan is not None:
        return scanning.scan
    return built("_scan", tmp_path_factory.mktemp("built")).scan


@pytest.fixture(scope="module")
def scan(walk: Any) -> Scan:
    return lambda body, shape: walk(body, shape.nodes, shape.words)


def fits(spec: object, value: object) -> bool:
    """What a shape says, in another way."""
    if isinstance(spec, tuple):
        return any(fits(choice, value) for choice in spec)
    if spec is object:
        return True
    if isinstance(spec, frozenset):
        return isinstance(value, str) and value in spec
    if isinstance(spec, list):
        return isinstance(value, list) and all(fits(spec[0], each) for each in value)
    if isinstance(spec, dict):
        needed = next((key for key in spec if isinstance(key, tuple)), None)
        return (
            isinstance(value, dict)
            and (needed is None or not value.keys().isdisjoint(needed))
            and all(fits(spec.get(name, spec.get(..., object)), each) for name, each in value.items())
        )
    return value is None if spec is None else spec is str and isinstance(value, str)


def check(body: bytes, scanned: Scanned) -> None:
    """What was told of a body is what msgspec reads in it."""
    body.decode()
    read = RAW.decode(body)
    names, places, outline = scanned
    assert list(names) == list(read)
    for index, name in enumerate(names):
        assert body[places[2 * index] : places[2 * index + 1]] == bytes(read[name])
    if outline is not None:
        expected = {name: b"null" if name in SPEC else bytes(raw) for name, raw in read.items()}
        assert {name: bytes(raw) for name, raw in RAW.decode(outline).items()} == expected
        assert all(fits(SPEC[name], json.loads(bytes(raw))) for name, raw in read.items() if name in SPEC)


@settings(max_examples=400)
@given(body=BODIES)
def test_a_body_is_told_as_msgspec_reads_it_and_fits_as_its_shape_says(scan: Scan, body: bytes) -> None:
    scanned = scan(body, Shape(SPEC))
    read = json.loads(body)
    if scanned is None:
        assert b"\\u00e9" in body, "an escaped name needs another reading"
        return
    check(body, scanned)
    assert (scanned[2] is not None) == all(
        fits(SPEC[name], read[name]) for name in read if name in SPEC
    ) or b"\\" in body


@settings(max_examples=600)
@given(
    body=BODIES,
    changes=st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 3), st.sampled_from(PIECES)), min_size=1, max_size=4
    ),
)
def test_nothing_is_accepted_that_msgspec_refuses(
    scan: Scan, body: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    for place, removed, piece in changes:
        place %= len(body) + 1
        body = body[:place] + piece + body[place + removed :]
    scanned = scan(body, Shape(SPEC))
    if scanned is not None:
        check(body, scanned)


@given(nodes=st.binary(max_size=40), words=st.binary(max_size=100), body=BODIES)
def test_a_shape_of_any_bytes_does_no_harm(walk: Any, nodes: bytes, words: bytes, body: bytes) -> None:
    walk(body, nodes, words)


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"{",
            b"[]",
            b"null",
            b'{"a":1}{}',
            b'{"a":1,}',
            b'{"a" 1}',
            b"{,}",
            b'{"a":01}',
            b'{"a":1.}',
            b'{"a":1e}',
        ),
        *(b'{"a":-}', b'{"a":+1}', b'{"a":NaN}', b'{"a":tru}', b'{"a":"\x1f"}', b'{"a":"\\x"}', b'{"a":"\\u12"}'),
        *(b'{"a":"\\ud800"}', b'{"a":"\\udc00"}', b'{"a":"\\ud800\\u0041"}', b'{"a":"\xc3"}', b'{"a":"\xed\xa0\x80"}'),
        *(
            b'{"a":"\xc0\xa2"}',
            b'{"a":"\xf4\x90\x80\x80"}',
            b'{"a":"\xe0\x80\x80"}',
            b'\xef\xbb\xbf{"a":1}',
            b"{'a':1}",
        ),
        *(b'{"a":1,"a":2}', b'{"\\u0061":1}'),
        b'{"x":' + b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1) + b"}",
        json.dumps(dict.fromkeys(map(str, range(65)))).encode(),
    ],
)
def test_what_needs_another_reading_is_told_by_none(scan: Scan, body: bytes) -> None:
    assert scan(body, Shape(SPEC)) is None


def test_a_long_string_is_read_to_its_end_wherever_it_starts(scan: Scan) -> None:
    for start in range(20):
        for size in range(40):
            for last in (b"x", b"\\n", b"\\\\", b'\\"', b"\\ud83d\\ude00", "é".encode(), "😀".encode()):
                body = b" " * start + b'{"z":"' + b"y" * size + last + b'"}'
                assert scan(body, Shape(SPEC)) is not None
                assert scan(body[:-2], Shape(SPEC)) is None
                assert scan(body[:-3], Shape(SPEC)) is None


TYPES = st.sampled_from(
    [
        *("text", "input_text", "output_text", "image_url", "function", "custom", "web_search", "message", "reasoning"),
        *("tool_use", "tool_result", "base64", "item_reference", "function_call_output", None, 7),
    ]
)
DEEP_NAMES = [
    *("content", "role", "audio", "file_id", "source", "data", "output", "id", "parts", "inlineData", "fileData"),
    *("functionResponse", "functionDeclarations", "googleSearch", "model", "encrypted_content"),
]
VALUE = st.recursive(
    st.one_of(st.none(), st.sampled_from(["hi", "file-abc123", 1, True])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.builds(
            lambda kind, rest: {**({} if kind == 7 else {"type": kind}), **rest},
            TYPES,
            st.dictionaries(st.sampled_from(DEEP_NAMES), inner, max_size=3),
        ),
    ),
    max_leaves=10,
)
LONG = st.sampled_from(["messages", "input", "tools", "system", "contents", "systemInstruction"])
ASKED = st.sampled_from(
    ["max_tokens", "n", "stream", "user", "metadata", "image", "model", "max_output_tokens", "instructions"]
)
SAID = (
    *("model", "stream", "max_output", "text_bytes", "bounded", "wants_usage", "claimed_user", "session", "tags"),
    *("objects", "further_models"),
)
"""All that a request says beside its body."""
READINGS = [
    *((protocol, "") for protocol in (OPENAI_CHAT, OPENAI_RESPONSES, OPENAI_EMBEDDINGS, ANTHROPIC_MESSAGES)),
    (GEMINI_GENERATE, "g"),
]


def reading(protocol: ModelProtocol, body: bytes, model: str) -> object:
    """All that a reading of a body says, or how it is refused."""
    try:
        request = protocol.read(body, model, None)
    except CallerError as error:
        return (error.reason, error.param, str(error))
    said = {name: getattr(request, name) for name in SAID}
    written = [
        json.loads(protocol.write(request, name, ask)) for name in (request.model, "other") for ask in (False, True)
    ]
    return said, written


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    long=st.dictionaries(LONG, st.one_of(VALUE, st.lists(VALUE, max_size=3)), max_size=3),
    asked=st.dictionaries(ASKED, st.sampled_from([1, True, None, "u", {"a": "b"}]), max_size=2),
)
@pytest.mark.parametrize("protocol,model", READINGS, ids=lambda value: getattr(value, "name", "m"))
def test_every_wire_reads_a_body_alike_with_the_walk_and_without(
    walk: Any,
    monkeypatch: pytest.MonkeyPatch,
    protocol: ModelProtocol,
    model: str,
    long: dict[str, Any],
    asked: dict[str, Any],
) -> None:
    body = json.dumps({**({} if model else {"model": "m"}), **long, **asked}).encode()
    monkeypatch.setattr(members, "scan", walk)
    with_it = reading(protocol, body, model)
    monkeypatch.setattr(members, "scan", None)
    assert with_it == reading(protocol, body, model)


@pytest.mark.parametrize(
    "changes,sent",
    [
        ({}, b' {"a": 1 , "model":"m", "b":[2]} '),
        ({"model": b'"n"'}, b' {"a": 1 , "model":"n", "b":[2]} '),
        ({"b": b"3", "a": b"4"}, b' {"a": 4 , "model":"m", "b":3} '),
        ({"c": b"5", "a": b"6"}, b' {"a": 6 , "model":"m", "b":[2],"c":5} '),
    ],
    ids=str,
)
def test_a_body_is_sent_as_it_came_but_for_what_changes(
    walk: Any, monkeypatch: pytest.MonkeyPatch, changes: dict[str, bytes], sent: bytes
) -> None:
    text = b' {"a": 1 , "model":"m", "b":[2]} '
    for scan, expected in ((walk, sent), (None, json.dumps(json.loads(sent), separators=(",", ":")).encode())):
        monkeypatch.setattr(members, "scan", scan)
        body = members.read_body(text, members.Governed(["model"]), Shape(SPEC))
        assert body.written(changes) == expected
        assert bytes(body.members["b"]) == b"[2]"
        body.replace("b", msgspec.Raw(b"7"))
        assert body.written() == b'{"a":1,"model":"m","b":7}'
