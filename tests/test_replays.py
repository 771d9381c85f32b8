"""How the key of a call is read, and what makes two requests the same. What becomes of calls is in `playbooks/test_idempotency.py`."""

import pytest

from durward.calls.errors import CallerError
from durward.calls.ports import RequestHead
from durward.replays import digest_of, read_key

FORM = b"multipart/form-data; boundary="


def head(**fields: bytes) -> RequestHead:
    named = {name.replace("_", "-").encode(): value for name, value in fields.items()}
    return RequestHead("POST", b"/", named, [], 0)


@pytest.mark.parametrize(
    "field, key",
    [
        (b"8e03978e", "8e03978e"),
        (b'"8e03978e"', "8e03978e"),
        (b'"a\\"b\\\\c"', 'a"b\\c'),
        (b'a"b', 'a"b'),
        (b"a b", "a b"),
        (b"x" * 255, "x" * 255),
        (b'"%b"' % (b'\\"' * 255), '"' * 255),
    ],
)
def test_a_key_is_a_string_or_bare(field: bytes, key: str) -> None:
    assert read_key(field) == key


@pytest.mark.parametrize(
    "field", [b"", b'""', b'"', b'"a', b'"a"b', b'"a";b=1', b'"\\a"', b"\xc3\xa9", b"a\tb", b"x" * 256]
)
def test_anything_else_is_none(field: bytes) -> None:
    with pytest.raises(CallerError) as raised:
        read_key(field)
    assert raised.value.reason == "idempotency_key_invalid"


def test_what_makes_two_requests_different() -> None:
    heads = [
        head(),
        head(content_type=b"a"),
        head(content_encoding=b"a"),
        head(anthropic_version=b"a"),
        head(anthropic_beta=b"a"),
    ]
    assert len({digest_of(each, body) for each in heads for body in (b"", b"a")}) == 10
    assert digest_of(head(user_agent=b"x"), b"a") == digest_of(head(), b"a")


def test_a_multipart_boundary_makes_no_difference() -> None:
    made = {
        digest_of(head(content_type=FORM + edge), b"--%b\r\n\r\n1\r\n--%b--" % (edge.strip(b'"'), edge.strip(b'"')))
        for edge in (b"one", b"another")
    }
    assert len(made) == 1
    assert digest_of(head(content_type=FORM + b"one"), b"--one\r\n\r\n2\r\n--one--") not in made
