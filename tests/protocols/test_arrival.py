"""What a head says before its body is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.calls.ports import RequestHead
from durward.protocols.arrival import Arrival, read_arrival
from durward.protocols.openai_chat import OPENAI_CHAT
from durward.protocols.speakers import HTTP, PROTOCOLS
from durward.protocols.wire import Wire

WIRES: dict[str, Wire] = {"openai": "openai", "claude": "anthropic", "gemini": "gemini"}


def arrive(line: str, **fields: bytes) -> Arrival:
    method, target = line.split()
    named = {name.replace("_", "-").encode(): value for name, value in fields.items()}
    return read_arrival(RequestHead(method, target.encode(), named, [], 0), WIRES.get)


@pytest.mark.parametrize(
    "line,protocol,speaker",
    [
        ("POST /v1/chat/completions", "openai_chat", "openai_chat"),
        ("POST /p/claude/v1/messages", "anthropic", "anthropic"),
        ("POST /p/claude/v1/chat/completions", "", "anthropic"),
        ("POST /p/gemini/v1beta/models/x:countTokens", "gemini_count", "gemini_count"),
        ("POST /p/nobody/v1/responses", "openai_responses", "openai_responses"),
        ("GET /v1/models", "", "openai_chat"),
        ("GET /v1beta/files/x", "", "gemini"),
    ],
)
def test_who_reads_and_who_speaks(line: str, protocol: str, speaker: str) -> None:
    arrival = arrive(line)
    assert arrival.protocol is PROTOCOLS.get(protocol)
    assert arrival.speaker is PROTOCOLS[speaker]


@pytest.mark.parametrize("line", ["GET /api/crm/x", "GET /healthz", "GET /readyz"])
def test_where_no_wire_is_spoken(line: str) -> None:
    arrival = arrive(line)
    assert (arrival.route, arrival.protocol, arrival.speaker, arrival.place) == (None, None, HTTP, "")


def test_headers_tell_wires_apart_where_paths_do_not() -> None:
    assert arrive("GET /v1/models").speaker is OPENAI_CHAT
    assert arrive("GET /v1/models", anthropic_version=b"2023-06-01").speaker is PROTOCOLS["anthropic"]
    assert arrive("GET /v1/models", x_goog_api_key=b"k").speaker is PROTOCOLS["gemini"]


def test_two_calls_at_one_place_ask_for_the_same() -> None:
    place = arrive("POST /v1/responses?a=1").place
    assert place == arrive("POST /v1/responses?a=1").place
    others = ("GET /v1/responses?a=1", "POST /v1/responses?a=2", "POST /v1/responses", "POST /openai/v1/responses?a=1")
    assert place not in {arrive(line).place for line in others}
    # The wire that a header decides is part of the place.
    assert arrive("GET /v1/models").place != arrive("GET /v1/models", anthropic_version=b"1").place


@given(st.text(alphabet="abc019-_.~", min_size=1, max_size=30))
def test_no_key_is_in_the_place(key: str) -> None:
    arrival = arrive(f"POST /v1beta/models/m:generateContent?alt=sse&key={key}~secret")
    assert f"{key}~secret" not in arrival.place
    assert arrival.query.keys == (f"{key}~secret",)
    assert arrival.place.endswith("?alt=sse")


@given(st.binary(max_size=40).map(lambda tail: b"/" + bytes(32 + byte % 95 for byte in tail)))
def test_any_target_is_read_or_refused(target: bytes) -> None:
    try:
        arrival = read_arrival(RequestHead("POST", target, {}, [], 0), WIRES.get)
    except CallerError as error:
        refused = error.reason
    else:
        assert (arrival.route is None) == (arrival.address.door in ("api", "health", "ready"))
        return
    assert refused in ("bad_path", "not_found")
