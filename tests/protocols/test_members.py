"""The top level of a body: one reading, sent as it was read."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.protocols.members import (
    DEPTH,
    Governed,
    Members,
    join,
    read_members,
    size,
    typed,
    whole,
    within_depth,
)

GOVERNED = Governed(["model", "stream", "generationConfig"], known=["temperature"])
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


def refusal(body: bytes) -> CallerError:
    with pytest.raises(CallerError) as caught:
        read_members(body, GOVERNED)
    return caught.value


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=6), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_a_joined_body_says_what_was_read(body: dict[str, object], ascii_only: bool, indent: int | str | None) -> None:
    text = json.dumps(body, ensure_ascii=ascii_only, indent=indent)
    members = read_members(text.encode(), Governed([]))
    assert json.loads(join(members)) == body
    assert list(members) == list(body)


@given(st.lists(st.tuples(st.sampled_from(["model", "a", "b"]), st.integers(0, 9)), max_size=8))
def test_of_repeated_members_the_last_is_read_and_sent(pairs: list[tuple[str, int]]) -> None:
    body = ("{" + ",".join(f'"{name}": {value}' for name, value in pairs) + "}").encode()
    members = read_members(body, GOVERNED)
    assert {name: int(bytes(raw)) for name, raw in members.items()} == dict(pairs)
    assert read_members(join(members), GOVERNED) == members


def test_an_escaped_name_is_the_name_it_spells() -> None:
    members = read_members(rb'{"model":"allowed","mod\u0065l":"other"}', GOVERNED)
    assert join(members) == b'{"model":"other"}'


def test_values_keep_their_bytes() -> None:
    body = b'{"model":"m","x":  [1.0 , 1e2,"\\u00e9\\/"]  ,"y":12345678901234567890123}'
    assert (
        join(read_members(body, GOVERNED)) == b'{"model":"m","x":[1.0 , 1e2,"\\u00e9\\/"],"y":12345678901234567890123}'
    )


@pytest.mark.parametrize(
    "body,says",
    [
        (b"", "ends too early"),
        (b'{"model":"m"', "ends too early"),
        (b'{"model":"m"} {}', "at byte 15"),
        (b'{"model":"m","x":"\\ud800, half a pair"}', "at byte"),
        (b'{"model":"m","x":NaN}', "at byte 17"),
        (b'{"model":"m","x":01}', "at byte 18"),
        (b'{"model":"m","x":"\x01"}', "at byte 18"),
        (b"{'model':'m'}", "at byte 1"),
        (b'\xef\xbb\xbf{"model":"m"}', "at byte 0"),
        (b'{"model":"m","x":"\xc3"}', "not valid UTF-8: invalid continuation byte at byte 18"),
        (b'{"model":"m","x":"\xc0\xa2"}', "not valid UTF-8: invalid start byte at byte 18"),
        (b'{"model":"m","x":"\xed\xa0\x80"}', "not valid UTF-8: invalid continuation byte at byte 18"),
        (b'{"model":"m","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b"[]", "not a JSON object"),
        (b'"model"', "not a JSON object"),
        (b"null", "not a JSON object"),
    ],
)
def test_what_is_no_json_object_is_refused_with_its_place(body: bytes, says: str) -> None:
    error = refusal(body)
    assert (error.reason, error.status) == ("malformed_json", 400)
    assert says in error.message


def test_the_refusal_repeats_nothing_of_the_body() -> None:
    secret = b"dw-secret"
    for body in (b'{"' + secret + b'":' + secret + b"}", b'"' + secret + b'"', b'{"x":"' + secret + b"\xff" + b'"}'):
        assert secret.decode() not in refusal(body).message


@pytest.mark.parametrize("name", ["Model", "MODEL", "ſtream", "STREAM", "generationconfig", "GenerationConfig"])
def test_a_name_that_differs_only_by_case_is_refused(name: str) -> None:
    error = refusal(json.dumps({"model": "m", name: "x"}).encode())
    assert (error.reason, error.param) == ("ambiguous_member", name)


def test_other_names_pass_whatever_their_case() -> None:
    body = b'{"model":"m","temperature":1,"X-Thing":1,"generation_config":{}}'
    assert join(read_members(body, GOVERNED)) == body


@pytest.mark.parametrize(
    "value,reason",
    [(b"7", "bad_request"), (b"null", "bad_request"), (b"[1]", "bad_request"), (b'"\\ud800"', "malformed_json")],
)
def test_a_governed_member_of_another_type_is_refused_by_name(value: bytes, reason: str) -> None:
    members: Members = {"model": msgspec.Raw(value)}
    with pytest.raises(CallerError) as caught:
        typed(members, "model", msgspec.json.Decoder(str))
    assert (caught.value.reason, caught.value.param) == (reason, "model")


def test_a_member_that_is_absent_is_none() -> None:
    assert typed({}, "model", msgspec.json.Decoder(str)) is None
    assert whole({}, "model") is None


@pytest.mark.parametrize("opening,closing", [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_is_decoded_as_a_whole_is_bounded_in_depth(opening: bytes, closing: bytes) -> None:
    def nested(depth: int) -> Members:
        return {"x": msgspec.Raw(opening * depth + b"1" + closing * depth)}

    assert within_depth(whole(nested(DEPTH), "x"))
    for depth in (DEPTH + 1, 500, 100_000):
        with pytest.raises(CallerError) as caught:
            whole(nested(depth), "x")
        assert (caught.value.reason, caught.value.param) == ("malformed_json", "x")


def test_the_size_of_a_value_is_its_bytes() -> None:
    assert size(read_members('{"x": "é\\n"}'.encode(), GOVERNED)["x"]) == 6
