"""Recorded traffic of the Anthropic API: usage is the provider's, bytes pass unchanged, however they are spelled and cut."""

import json
from pathlib import Path
from random import Random
from typing import Any

from durward.calls.usage import Usage
from durward.protocols.anthropic import ANTHROPIC_COUNT, ANTHROPIC_MESSAGES
from durward.protocols.wire import ModelRequest
from tests.protocols.irregular import respell, respell_events
from tests.protocols.replay import SIZES, chunked, exchanges, follow, random_chunks, told
from tests.protocols.reported import anthropic_tokens


def request_of(body: dict[str, Any], seed: int = 1) -> ModelRequest:
    return ANTHROPIC_MESSAGES.read(respell(body, Random(seed), lines=True), "", None)


def fees_of(usage: dict[str, Any]) -> dict[str, int]:
    searches = (usage.get("server_tool_use") or {}).get("web_search_requests", 0)
    advised = [each for each in usage.get("iterations") or [] if each["type"] == "advisor_message"]
    fees = {"web_search": searches} if searches else {}
    return {**fees, "advisor_message": len(advised)} if advised else fees


def assert_counts(usage: Usage | None, reported: dict[str, Any]) -> None:
    assert usage is not None
    assert usage.tokens == anthropic_tokens(reported)
    assert usage.fees == fees_of(reported)
    hour = (reported.get("cache_creation") or {}).get("ephemeral_1h_input_tokens", 0)
    assert usage.split == ({"cache_write_1h": hour} if hour else {})
    assert usage.service_tier == reported.get("service_tier", "")
    assert not usage.estimated


def test_requests_go_up_as_they_came_but_for_the_model(cassettes: Path | None) -> None:
    for row in exchanges(cassettes, "anthropic-*"):
        request = request_of(row.request)
        assert request.model == row.request["model"], row.source
        assert request.stream == row.request.get("stream", False), row.source
        assert request.max_output == row.request.get("max_tokens"), row.source
        same = json.loads(ANTHROPIC_MESSAGES.write(request, request.model, False))
        assert {**row.request, "x_not_documented": same["x_not_documented"]} == same, row.source
        other = json.loads(ANTHROPIC_MESSAGES.write(request, "claude-elsewhere", True))
        assert {**same, "model": "claude-elsewhere"} == other, row.source


def test_the_bound_on_input_holds(cassettes: Path | None) -> None:
    """A byte of text is at most a token, hidden prompts included."""
    bounded = 0
    for row in exchanges(cassettes, "anthropic-*"):
        request = ANTHROPIC_MESSAGES.read(json.dumps(row.request, separators=(",", ":")).encode(), "", None)
        if row.status != 200 or row.text or not request.bounded:
            continue
        usage = row.body.get("usage") or row.body
        counted = sum(usage.get(f"{kind}input_tokens", 0) for kind in ("", "cache_read_", "cache_creation_"))
        assert counted <= request.text_bytes, row.source
        bounded += 1
    assert bounded > 20


def test_plain_answers_tell_the_providers_numbers(cassettes: Path | None) -> None:
    for seed, row in enumerate(exchanges(cassettes, "anthropic-messages")):
        if row.status != 200:
            continue
        body = respell(row.body, Random(seed), lines=True)
        answer = ANTHROPIC_MESSAGES.answer(body)
        assert_counts(answer.usage, row.body["usage"])
        assert answer.model == row.body["model"]
        assert answer.usage is not None
        verbatim = bytes(answer.usage.verbatim or b"")
        assert verbatim in body
        assert json.loads(verbatim) == row.body["usage"]
        container = row.body.get("container")
        assert answer.objects == ((("container", container["id"]),) if container else ())
        assert answer.text_bytes >= sum(len(block.get("text", "").encode()) for block in row.body["content"])


def test_counted_tokens_are_not_used(cassettes: Path | None) -> None:
    for row in exchanges(cassettes, "anthropic-count-tokens"):
        assert ANTHROPIC_COUNT.read(respell(row.request, Random(1)), "", None).model == row.request["model"]
        assert ANTHROPIC_COUNT.answer(respell(row.body, Random(2))).usage is None


def expected_of(stream: str) -> tuple[dict[str, Any], str, int]:
    """The usage as merged by hand, the model, and the bytes of the text."""
    usage: dict[str, Any] = {}
    model, text = "", ""
    for line in stream.splitlines():
        event = json.loads(line[5:]) if line.startswith("data:") else {}
        if event.get("type") == "message_start":
            usage.update(event["message"]["usage"])
            model = event["message"]["model"]
        elif event.get("type") == "message_delta":
            usage.update(event["usage"])
        delta = event.get("delta", {})
        text += delta.get("text", "") + delta.get("partial_json", "") + delta.get("thinking", "")
    return usage, model, len(text.encode())


def test_streams_tell_the_providers_numbers_and_pass_unchanged(cassettes: Path | None) -> None:
    for seed, row in enumerate(exchanges(cassettes, "anthropic-messages-sse")):
        stream = respell_events(row.text, Random(seed))
        request = request_of(row.request)
        usage, model, text_bytes = expected_of(row.text)
        tellings = []
        reader = ANTHROPIC_MESSAGES.stream(request, False)
        for chunks in [*(chunked(stream, size) for size in SIZES), *(random_chunks(stream, each) for each in range(5))]:
            reader = ANTHROPIC_MESSAGES.stream(request, False)
            followed = follow(reader, chunks)
            assert followed.all == stream, row.source
            assert followed.released.endswith(b"\n\n")
            assert b"message_stop" not in followed.released
            assert followed.held.startswith(b"event: message_stop\n")
            tellings.append(told(reader))
        assert all(telling == tellings[0] for telling in tellings), row.source
        assert (reader.model, reader.text_bytes) == (model, text_bytes), row.source
        assert (reader.ended, reader.finished, reader.error, reader.unread) == (True, True, "", 0)
        assert_counts(reader.usage, usage)


def test_a_cut_stream_keeps_the_input_that_was_told(cassettes: Path | None) -> None:
    for row in exchanges(cassettes, "anthropic-messages-sse"):
        stream = row.text.encode()
        cut = stream[: stream.index(b"event: message_delta")]
        reader = ANTHROPIC_MESSAGES.stream(request_of(row.request), False)
        assert follow(reader, chunked(cut, 100)).all == cut
        assert (reader.ended, reader.finished) == (False, False)
        assert reader.usage is not None
        assert reader.usage.tokens.input > 0
        assert reader.text_bytes > 0
