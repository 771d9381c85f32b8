"""Lines as they are read back: nothing that was written is lost, nothing unknown stops the rest."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.record import Closing, Opening
from durward.calls.tokens import Attempt, Tokens
from durward.records.lines import (
    Began,
    Ended,
    Opened,
    Record,
    Recovered,
    Refused,
    Signed,
    Unknown,
    as_json,
    read_line,
    read_lines,
    record,
)
from tests.records.scribe import Calls

KEYS = [
    *(
        "id",
        "time",
        "agent",
        "user",
        "tenant",
        "session",
        "trace",
        "parent",
        "protocol",
        "action",
        "resource",
        "effect",
    ),
    *("decision", "rule", "provider", "model", "upstream_model", "status", "outcome", "reason", "first_byte_ms"),
    *("duration_ms", "bytes_in", "bytes_out", "tokens", "estimated", "cost_nano", "attempts", "request_id", "tags"),
]


def line(kind: str, *halves: Opening | Closing) -> bytes:
    members: dict[str, object] = {"type": kind}
    for half in halves:
        members |= msgspec.json.decode(msgspec.json.encode(half))
    return msgspec.json.encode(members)


def test_both_halves_are_read_in_the_order_in_which_they_are_written() -> None:
    assert Began.__struct_fields__ == Opening.__struct_fields__
    kept_apart = {"usage"}
    assert Ended.__struct_fields__ == tuple(name for name in Closing.__struct_fields__ if name not in kept_apart)
    assert Refused.__struct_fields__ == (*Began.__struct_fields__, *Ended.__struct_fields__[1:])


def test_a_record_has_the_keys_of_the_contract_in_their_order() -> None:
    calls = Calls()
    opening = calls.opening()
    began = read_line(line("intent", opening))
    assert isinstance(began, Began)
    assert list(Record.__struct_fields__) == KEYS
    assert list(msgspec.json.decode(as_json(record(began, None)))) == KEYS


def test_the_halves_of_a_call_make_its_record() -> None:
    calls = Calls()
    opening = calls.opening(tags={"team": "care"}, session="s", parent="ab" * 8, user="ann", tenant="acme", rule=None)
    closing = calls.closing(opening, reason="caller_gone", estimated=True)
    began, ended = read_line(line("intent", opening)), read_line(line("settle", closing))
    assert isinstance(began, Began)
    assert isinstance(ended, Ended)
    made = record(began, ended)
    for name in KEYS:
        half = closing if name in Closing.__struct_fields__ and name != "id" else opening
        assert getattr(made, name) == getattr(half, name), name
    assert made.tokens == Tokens(10, 2, 0, 5, 1)
    assert made.attempts == [Attempt("openai", "gpt-4o-mini-2026", 200, "", 640.0)]


def test_what_a_call_did_not_have_is_null() -> None:
    made = record(Began("id"), None)
    absent = {name for name in KEYS if getattr(made, name) is None}
    assert absent == set(KEYS) - {"id", "time", "bytes_in", "bytes_out", "estimated", "attempts", "tags"}


def test_a_refusal_is_both_halves() -> None:
    calls = Calls()
    opening = calls.opening(decision="deny", tags={"a": "b"})
    closing = calls.refusal(opening, status=404, reason="model_unknown", duration_ms=1.5)
    refused = read_line(line("refused", opening, closing))
    assert isinstance(refused, Refused)
    assert record(refused, refused.ended()) == record(
        msgspec.json.decode(line("intent", opening), type=Began),
        msgspec.json.decode(line("settle", closing), type=Ended),
    )


def test_lines_of_other_kinds() -> None:
    assert read_line(b'{"type":"unknown","id":"x","outcome":"unknown","of":"w"}') == Unknown("x", "unknown", of="w")
    assert read_line(b'{"type":"open","segment":2,"open":{"x":5,"y":null}}') == Opened(2, "", {"x": 5, "y": None})
    assert read_line(b'{"type":"recovered","of":"w","last":7}') == Recovered("w", 7)
    head = read_line(b'{"type":"close","time":"t","signature":"s"}')
    assert isinstance(head, Signed)


def test_what_cannot_be_read_is_passed_over_and_the_rest_is_read() -> None:
    good = b'{"type":"recovered","of":"w"}\n'
    for bad in (
        b'{"type":"of a later version"}\n',
        b"\n",
        b"{\n",
        b'{"type":"intent"}\n',
        b'{"type":"intent","id":"\xff"}\n',
    ):
        assert read_lines(good + bad + good) == [Recovered("w"), Recovered("w")], bad
    assert read_lines(b"") == []


@given(st.binary(max_size=60))
def test_junk_is_no_line(junk: bytes) -> None:
    assert read_lines(junk) == []
