"""What a body claims: kept within bounds, never a reason to refuse."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.protocols.openai_claims import READ, claimed_session, claimed_tags, claimed_user


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def test_the_first_user_that_is_named_counts() -> None:
    assert claimed_user(None, raw("u-1")) == "u-1"
    assert claimed_user(raw(None), raw(""), raw(7), raw("u-2"), raw("u-3")) == "u-2"
    assert claimed_user(raw("x" * 500)) == "x" * 128
    assert claimed_user(raw("x" * READ)) == ""
    assert claimed_user() == ""


@pytest.mark.parametrize(
    "metadata,tags",
    [
        ({"team": "a", "n": 1, "b": True, "none": None, "deep": {"x": "y"}}, {"team": "a"}),
        ({"": "x", "k" * 65: "x", "k": "v" * 65, "k" * 64: "v" * 64}, {"k" * 64: "v" * 64}),
        ({str(n): "x" for n in range(20)}, {str(n): "x" for n in range(10)}),
        ([], {}),
        ("team", {}),
        (None, {}),
    ],
)
def test_tags_are_the_string_members_within_bounds(metadata: object, tags: dict[str, str]) -> None:
    assert claimed_tags(raw(metadata)) == tags
    assert claimed_tags(None) == {}


@pytest.mark.parametrize(
    "metadata,session",
    [
        ({"session_id": "s-1", "thread_id": "t-1"}, "s-1"),
        ({"session-id": "s-1"}, "s-1"),
        ({"session_id": 7, "thread_id": "t-1"}, "t-1"),
        ({"session_id": "x" * 200}, "x" * 128),
        ({"turn_id": "t"}, ""),
        ([], ""),
    ],
)
def test_the_session_that_codex_announces(metadata: object, session: str) -> None:
    assert claimed_session(raw(metadata)) == session
    assert claimed_session(None) == ""


@given(st.binary(max_size=50))
def test_no_claim_is_refused(value: bytes) -> None:
    claimed_user(msgspec.Raw(value))
    claimed_tags(msgspec.Raw(value))
    claimed_session(msgspec.Raw(value))


def test_deep_claims_are_passed_over() -> None:
    assert claimed_tags(msgspec.Raw(b"[" * 8000 + b"]" * 8000)) == {}
