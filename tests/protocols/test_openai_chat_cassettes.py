"""Recorded chat traffic of OpenAI and of hosts that speak its wire: the numbers are the provider's, the bytes pass unchanged."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from durward.calls.usage import Usage
from durward.protocols.openai_chat import OPENAI_CHAT
from durward.protocols.wire import ModelRequest
from tests.protocols.irregular import respell, respell_events
from tests.protocols.openai_golden import followed_alike
from tests.protocols.replay import Exchanged, chunked, exchanges, follow
from tests.protocols.reported import chat_tokens, chunks_of, without_usage

PLAIN = ["openai-chat", "compatible-groq", "compatible-mistral", "compatible-deepseek", "compatible-openrouter"]
STREAMED = ["openai-chat-sse", "compatible-groq-sse", "compatible-openrouter-sse"]


def rows(cassettes: Path | None, names: list[str]) -> Iterator[Exchanged]:
    for name in names:
        yield from (row for row in exchanges(cassettes, name) if row.path.endswith("/chat/completions"))


def request_of(body: dict[str, Any], seed: int = 1) -> ModelRequest:
    return OPENAI_CHAT.read(respell(body, Random(seed), lines=True), "", None)


def assert_counts(usage: Usage | None, reported: dict[str, Any], source: str) -> None:
    assert usage is not None, source
    assert usage.tokens == chat_tokens(reported), source
    searches = (reported.get("server_tool_use_details") or {}).get("web_search_requests", 0)
    assert usage.fees.get("web_search", 0) >= searches, source
    assert json.loads(bytes(usage.verbatim or b"")) == reported, source
    assert not usage.estimated


def test_requests_go_up_as_they_came_but_for_model_and_usage(cassettes: Path | None) -> None:
    seen = 0
    for row in rows(cassettes, PLAIN + STREAMED):
        request = request_of(row.request, seen)
        assert request.model == row.request["model"], row.source
        assert request.stream == row.request.get("stream", False), row.source
        bound = row.request.get("max_completion_tokens") or row.request.get("max_tokens")
        assert request.max_output == bound, row.source
        same = json.loads(OPENAI_CHAT.write(request, request.model, False))
        assert same == {**row.request, "x_not_documented": same["x_not_documented"]}, row.source
        other = json.loads(OPENAI_CHAT.write(request, "elsewhere", True))
        options = {**row.request.get("stream_options", {}), "include_usage": True}
        assert other == {**same, "model": "elsewhere", "stream_options": options}, row.source
        seen += 1
    assert seen > 100


def test_the_bound_on_input_holds_for_openai(cassettes: Path | None) -> None:
    """A byte of text is at most a token, hidden prompts included."""
    bounded = 0
    for row in rows(cassettes, ["openai-chat"]):
        request = OPENAI_CHAT.read(json.dumps(row.request, separators=(",", ":")).encode(), "", None)
        if row.status == 200 and request.bounded:
            assert row.body["usage"]["prompt_tokens"] <= request.text_bytes, row.source
            bounded += 1
    assert bounded > 20


def test_plain_answers_tell_the_providers_numbers(cassettes: Path | None) -> None:
    seen = 0
    for row in rows(cassettes, PLAIN):
        if row.status != 200:
            continue
        for lines in (False, True):
            answer = OPENAI_CHAT.answer(respell(row.body, Random(seen), lines=lines))
            assert_counts(answer.usage, row.body["usage"], row.source)
            assert answer.model == row.body["model"], row.source
            assert answer.usage is not None
            assert answer.usage.service_tier == (row.body.get("service_tier") or ""), row.source
        seen += 1
    assert seen > 100


def test_errors_tell_no_numbers(cassettes: Path | None) -> None:
    failed = [row for row in rows(cassettes, PLAIN) if row.status >= 400]
    assert failed
    for row in failed:
        assert OPENAI_CHAT.answer(json.dumps(row.body).encode()).usage is None


def expected_of(stream: str) -> tuple[dict[str, Any] | None, str, int]:
    """The last usage, the last model, and the bytes of the text."""
    usage, model, text = None, "", ""
    for chunk in chunks_of(stream):
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage") or usage
        model = chunk.get("model") or model
        for choice in chunk.get("choices") or []:
            delta = choice["delta"]
            text += (delta.get("content") or "") + (delta.get("reasoning") or "")
            for call in delta.get("tool_calls") or []:
                text += (call["function"].get("name") or "") + (call["function"].get("arguments") or "")
    return usage, model, len(text.encode())


@pytest.mark.parametrize("asked", [True, False], ids=["caller asked", "gate asked"])
def test_streams_tell_the_providers_numbers_and_pass_unchanged(cassettes: Path | None, asked: bool) -> None:
    hidden = 0
    for seed, row in enumerate(rows(cassettes, STREAMED)):
        stream = respell_events(row.text, Random(seed))
        body = {**row.request, "stream_options": {"include_usage": True} if asked else None}
        request = request_of(body)
        assert request.wants_usage is asked
        released = stream if asked else without_usage(stream)
        hidden += released != stream
        usage, model, text_bytes = expected_of(row.text)
        reader, followed = followed_alike(partial(OPENAI_CHAT.stream, request, not asked), stream)
        assert followed.all == released, row.source
        assert (reader.model, reader.text_bytes, reader.ended, reader.unread) == (model, text_bytes, True, 0), (
            row.source
        )
        if usage is None:
            assert followed.held.startswith(b"event: error\n"), row.source
            assert (reader.usage, reader.finished, reader.error) == (None, False, "invalid_request_error"), row.source
        else:
            assert followed.held == b"data: [DONE]\n\n", row.source
            assert (reader.finished, reader.error) == (True, ""), row.source
            assert_counts(reader.usage, usage, row.source)
    assert bool(hidden) is not asked


def test_a_cut_stream_keeps_what_was_seen(cassettes: Path | None) -> None:
    for row in rows(cassettes, ["openai-chat-sse"]):
        stream = row.text.encode()
        cut = stream[: stream.rindex(b'"finish_reason":"')]
        reader = OPENAI_CHAT.stream(request_of(row.request), True)
        assert follow(reader, chunked(cut, 100)).all == cut
        assert (reader.ended, reader.finished, reader.usage) == (False, False, None)
        assert reader.text_bytes > 0
