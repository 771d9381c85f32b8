"""Who speaks for a route, and in which form an answer is followed."""

import json

import pytest

from durward.calls.errors import REASONS, CallerError, UpstreamError
from durward.protocols.gemini_stream import GeminiStream
from durward.protocols.members import Body
from durward.protocols.speakers import HTTP, LISTINGS, PROTOCOLS, Speaker, error_event, follow, speaker_of
from durward.protocols.wire import ModelListing, ModelRequest, Wire
from tests.playbooks.world import EVENTS, JSON, Reply

CALL = "0199c000-0000-7000-8000-000000000001"


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_each_protocol_speaks_for_its_own_routes(name: str) -> None:
    assert PROTOCOLS[name].name == name
    assert speaker_of(PROTOCOLS[name].wire, name) is PROTOCOLS[name]


@pytest.mark.parametrize("wire", list(LISTINGS))
def test_every_other_route_of_a_wire_is_spoken_for_by_the_wire(wire: Wire) -> None:
    speaker = speaker_of(wire, "")
    assert speaker in PROTOCOLS.values()
    assert speaker_of(wire, "unheard of") is speaker
    assert speaker_of(None, "openai_chat") is HTTP


@pytest.mark.parametrize("reason", list(REASONS))
@pytest.mark.parametrize("speaker", [*PROTOCOLS.values(), HTTP], ids=[*PROTOCOLS, "http"])
def test_every_reason_can_be_told_in_every_wire(speaker: Speaker, reason: str) -> None:
    error = CallerError("What happened.", reason=reason)
    rendered = speaker.write_error(error, CALL)
    text = json.dumps(json.loads(rendered.body))
    assert rendered.status == error.status
    assert reason in text
    assert CALL in text
    assert error.remedy in json.loads(rendered.body).get("remedy", text.replace('\\"', '"'))
    assert f"Durward-Call: {CALL}\r\n".encode() in rendered.lines
    assert rendered.lines.endswith(b"\r\n")
    assert (b"x-should-retry: false\r\n" in rendered.lines) is not REASONS[reason].retry


@pytest.mark.parametrize(
    "protocol,stream,media,coding,followed",
    [
        ("openai_chat", True, EVENTS, b"", True),
        ("openai_chat", False, EVENTS + b"; charset=utf-8", b"", True),
        ("openai_chat", True, JSON, b"", False),
        ("openai_chat", True, EVENTS, b"gzip", False),
        ("gemini", True, JSON, b"", True),
        ("gemini", False, JSON, b"", False),
        ("gemini", True, EVENTS, b"", True),
        ("gemini", True, JSON, b"gzip", False),
        ("anthropic", True, EVENTS, b"", True),
    ],
)
def test_which_answers_are_followed(protocol: str, stream: bool, media: bytes, coding: bytes, followed: bool) -> None:
    reply = Reply(200, b"", media=media)
    if coding:
        reply.fields[b"content-encoding"] = coding
    reader = follow(PROTOCOLS[protocol], ModelRequest("m", stream, Body({})), reply, hide=False)
    assert (reader is not None) is followed


CUT = UpstreamError("Cut.", reason="upstream_cut")


def test_an_error_inside_a_stream() -> None:
    chat = PROTOCOLS["openai_chat"]
    request = ModelRequest("m", True, Body({}))
    assert error_event(chat, chat.stream(request, False), CUT, CALL) == chat.write_error_event(CUT, CALL)
    assert HTTP.write_error_event(CUT, CALL) == b""


@pytest.mark.parametrize("begun", [b"[", b'[{"candidates": []}'])
def test_an_error_inside_a_gemini_array_leaves_valid_json_before_it(begun: bytes) -> None:
    reader = GeminiStream()
    released = reader.feed(begun)
    told = json.loads(released + error_event(PROTOCOLS["gemini"], reader, CUT, CALL) + b"]")
    assert told[-1]["error"]["details"][0]["reason"] == "upstream_cut"


@pytest.mark.parametrize("wire", list(LISTINGS))
def test_what_a_listing_writes_a_listing_reads(wire: Wire) -> None:
    names = ["one", "meta/two", "three"] if wire != "gemini" else ["one", "tunedModels/two", "three"]
    written = LISTINGS[wire].write_models([ModelListing(name, "p") for name in names])
    assert LISTINGS[wire].read_models(written.body) == names
