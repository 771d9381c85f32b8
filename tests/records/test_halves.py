"""The index reads just the members that it needs, whatever their order, and knows which line of its piece each half was."""

import msgspec
import pytest

from durward.calls.tokens import Tokens
from durward.records.halves import (
    PLACE_BITS,
    Beginning,
    Ending,
    Half,
    Placed,
    Refusal,
    Unknown,
    lines_of,
    read_half,
    read_halves,
)
from tests.records.scribe import Calls

FIRST = 5 << PLACE_BITS


def line(kind: str, *halves: object) -> bytes:
    members = {"v": 1, "type": kind}
    for half in halves:
        members |= msgspec.to_builtins(half)
    return msgspec.json.encode(members) + b"\n"


def written() -> list[bytes]:
    calls = Calls()
    opening = calls.opening(session="s", tags={"a": "b"})
    denied = calls.opening()
    return [
        line("open", {"segment": 1, "open": {}}),
        line("intent", opening),
        line("settle", calls.closing(opening, price_partial=True)),
        line("head", {"time": "now"}),
        line("refused", denied, calls.refusal(denied)),
        line("unknown", {"id": opening.id, "outcome": "unknown", "cost_nano": 7}),
        line("recovered", {"of": "w"}),
        line("close", {"time": "now"}),
    ]


def at(found: list[Half]) -> list[int]:
    return [half.place - FIRST for half in found]


def test_halves_hold_what_listings_filter_and_add_up_by() -> None:
    found = read_halves(b"".join(written()), 5)
    assert at(found) == [*range(8)]
    _, began, ended, _, refused, unknown, *_ = found
    assert isinstance(began, Beginning)
    assert (began.agent, began.model, began.session) == ("support", "gpt-4o-mini", "s")
    assert bytes(began.tags) == b'{"a":"b"}'
    assert isinstance(ended, Ending)
    assert (ended.id, ended.outcome, ended.price_partial) == (began.id, "ok", True)
    assert (ended.cost_nano, ended.tokens) == (1_234, Tokens(10, 2, 0, 5, 1))
    assert isinstance(refused, Refusal)
    assert refused.ending() == Ending(refused.id, refused.time, "refused", 403, "denied", place=refused.place)
    assert isinstance(unknown, Unknown)
    assert (unknown.outcome, unknown.cost_nano) == ("unknown", 7)


def test_the_order_of_members_does_not_matter() -> None:
    for one in written():
        turned = msgspec.json.encode(dict(reversed(msgspec.json.decode(one).items())))
        assert read_half(turned, 3) == read_half(one, 3)


@pytest.mark.parametrize(
    "foreign", [b"", b" \t", b"no line", b'{"type":"later"}', b"[]", b"\xff", b'{"type":"intent"}']
)
def test_what_is_no_line_of_ours_is_passed_over_and_counted_unless_it_is_empty(foreign: bytes) -> None:
    lines = written()
    content = lines[1] + foreign + b"\n" + lines[2]
    found = read_halves(content, 5)
    counted = bool(foreign.strip())
    assert at(found) == [0, 1 + counted]
    assert [read_half(lines_of(content)[place], FIRST + place) for place in at(found)] == found


def test_no_member_of_a_line_says_where_it_stands() -> None:
    (half,) = read_halves(b'{"type":"head","place":7}\n', 5)
    assert isinstance(half, Placed)
    assert half.place == FIRST
