"""Recorded Responses traffic of OpenAI and of hosts that speak its wire: the numbers are the provider's, the bytes pass unchanged."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.protocols.openai_responses import OPENAI_RESPONSES
from durward.protocols.wire import ModelRequest, ObjectId
from tests.protocols.irregular import respell, respell_events
from tests.protocols.openai_golden import followed_alike
from tests.protocols.replay import Exchanged, chunked, exchanges, follow
from tests.protocols.reported import responses_tokens

PLAIN = ["openai-responses", "compatible-deepseek", "compatible-openrouter"]
STREAMED = ["openai-responses-sse", "compatible-deepseek-sse"]


def rows(cassettes: Path | None, names: list[str]) -> Iterator[Exchanged]:
    for name in names:
        yield from (row for row in exchanges(cassettes, name) if row.path.endswith("/responses"))


def request_of(body: dict[str, Any], seed: int = 1) -> ModelRequest:
    return OPENAI_RESPONSES.read(respell(body, Random(seed), lines=True), "", None)


def fees_of(response: dict[str, Any]) -> dict[str, int]:
    items = response["output"]
    searches = [item for item in items if item["type"] == "web_search_call" and item["action"]["type"] == "search"]
    files = [item for item in items if item["type"] == "file_search_call"]
    containers = {item["container_id"] for item in items if item["type"] == "code_interpreter_call"}
    fees = {"web_search": len(searches), "file_search": len(files), "code_execution": len(containers)}
    return {name: count for name, count in fees.items() if count}


def objects_of(response: dict[str, Any]) -> set[ObjectId]:
    containers = {("container", item["container_id"]) for item in response["output"] if "container_id" in item}
    if response.get("store") is False:
        return containers
    items = {("item", item["id"]) for item in response["output"] if "id" in item}
    return {("response", response["id"]), *items, *containers}


def assert_counts(usage: Usage | None, response: dict[str, Any], source: str) -> None:
    assert usage is not None, source
    assert usage.tokens == responses_tokens(response["usage"]), source
    assert usage.fees == fees_of(response), source
    assert usage.service_tier == (response.get("service_tier") or ""), source
    assert json.loads(bytes(usage.verbatim or b"")) == response["usage"], source


def test_requests_go_up_as_they_came_but_for_the_model(cassettes: Path | None) -> None:
    seen = 0
    for row in rows(cassettes, PLAIN + STREAMED):
        request = request_of(row.request, seen)
        assert request.model == row.request["model"], row.source
        assert request.stream == row.request.get("stream", False), row.source
        assert request.max_output == row.request.get("max_output_tokens"), row.source
        same = json.loads(OPENAI_RESPONSES.write(request, request.model, True))
        assert same == {**row.request, "x_not_documented": same["x_not_documented"]}, row.source
        other = json.loads(OPENAI_RESPONSES.write(request, "elsewhere", False))
        assert other == {**same, "model": "elsewhere"}, row.source
        seen += 1
    assert seen > 50


def test_the_bound_on_input_holds_for_openai(cassettes: Path | None) -> None:
    bounded = 0
    for row in rows(cassettes, ["openai-responses"]):
        request = OPENAI_RESPONSES.read(json.dumps(row.request, separators=(",", ":")).encode(), "", None)
        if row.status == 200 and request.bounded and row.body["usage"]:
            assert row.body["usage"]["input_tokens"] <= request.text_bytes, row.source
            bounded += 1
    assert bounded > 10


def test_plain_answers_tell_the_providers_numbers(cassettes: Path | None) -> None:
    seen = later = 0
    for row in rows(cassettes, PLAIN):
        if row.status != 200:
            continue
        answer = OPENAI_RESPONSES.answer(respell(row.body, Random(seen), lines=True))
        assert answer.model == row.body["model"], row.source
        assert set(answer.objects) == objects_of(row.body), row.source
        if row.body["status"] == "queued":
            assert answer.usage is not None
            assert (answer.usage.tokens, answer.usage.fees) == (Tokens(), {"background_response": 1}), row.source
            assert not answer.finished
            later += 1
            continue
        assert_counts(answer.usage, row.body, row.source)
        assert answer.finished
        seen += 1
    assert seen > 40
    assert later > 0


def expected_of(stream: str) -> tuple[dict[str, Any], int]:
    """The last response, and the bytes of the text and of the names of the functions called."""
    response: dict[str, Any] = {}
    text = ""
    for line in stream.splitlines():
        event = json.loads(line[5:]) if line.startswith("data:") else {}
        response = event.get("response", response)
        text += event.get("delta", "")
        if event.get("type") == "response.output_item.added":
            text += event["item"].get("name") or ""
    return response, len(text.encode())


def test_streams_tell_the_providers_numbers_and_pass_unchanged(cassettes: Path | None) -> None:
    for seed, row in enumerate(rows(cassettes, STREAMED)):
        stream = respell_events(row.text, Random(seed))
        request = request_of(row.request)
        response, text_bytes = expected_of(row.text)
        reader, followed = followed_alike(partial(OPENAI_RESPONSES.stream, request, True), stream)
        assert followed.all == stream, row.source
        assert b"response.completed" not in followed.released
        assert followed.held.startswith(b"event: response.completed\n")
        assert (reader.model, reader.text_bytes) == (response["model"], text_bytes), row.source
        assert (reader.ended, reader.finished, reader.error, reader.unread) == (True, True, "", 0), row.source
        assert objects_of(response) <= set(reader.objects), row.source
        assert_counts(reader.usage, response, row.source)


def test_a_cut_stream_keeps_what_was_seen(cassettes: Path | None) -> None:
    for row in rows(cassettes, ["openai-responses-sse"]):
        if row.request.get("background"):
            continue
        stream = row.text.encode()
        cut = stream[: stream.index(b"event: response.completed")]
        reader = OPENAI_RESPONSES.stream(request_of(row.request), True)
        assert follow(reader, chunked(cut, 100)).all == cut
        assert (reader.ended, reader.finished, reader.usage) == (False, False, None)
        assert reader.text_bytes > 0
