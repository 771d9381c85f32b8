"""The official SDKs through a gate before aimock, an upstream that others wrote: as far as it serves the routes.

It serves no token counts, no model list that is Anthropic's or Gemini's, no Gemini `v1` and no batch of embeddings; there the gate
passes on that nothing was found.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from anthropic import Anthropic
from google import genai
from google.genai import errors, types
from openai import OpenAI

from tests.clients.gate import Gate, Record, cost_of, counts, gate, tokens
from tests.clients.processes import printing

USAGE = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}
CALL = {"name": "weather", "arguments": {"city": "Oslo"}}
FIXTURES: Any = [
    {"match": {"userMessage": "weather", "hasToolResult": False}, "response": {"toolCalls": [CALL], "usage": USAGE}},
    {"match": {"userMessage": "weather", "hasToolResult": True}, "response": {"content": "Snow.", "usage": USAGE}},
    # Its own reason to finish, `FUNCTION_CALL`, is none that Gemini documents.
    {
        "match": {"userMessage": "sky", "hasToolResult": False},
        "response": {"toolCalls": [CALL], "usage": USAGE, "finishReason": "stop"},
    },
    {"match": {"userMessage": "sky", "hasToolResult": True}, "response": {"content": "Snow.", "usage": USAGE}},
    {"match": {"userMessage": "pong"}, "response": {"content": "pong, says the mock", "usage": USAGE}},
    {
        "match": {"userMessage": "limit"},
        "response": {"error": {"message": "Slow down.", "type": "rate_limit_error"}, "status": 429},
    },
]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
QUESTION: Any = [{"role": "user", "content": "Say pong."}]
WEATHER: Any = [{"role": "user", "content": "What is the weather in Oslo?"}]
LIMITED: Any = [{"role": "user", "content": "What is the limit?"}]


@pytest.fixture(scope="module")
def durward(tmp_path_factory: pytest.TempPathFactory, peers: Path) -> Iterator[Gate]:
    home = tmp_path_factory.mktemp("aimock")
    (home / "fixtures.json").write_text(json.dumps({"fixtures": FIXTURES}))
    with printing(["llmock", "-p", "0", "-f", "fixtures.json"], home, "listening on") as line:
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found is not None
        url = found[0]
        bases = {"openai": f"{url}/v1", "anthropic": url, "gemini": url}
        providers = {wire: {"protocol": wire, "base_url": base} for wire, base in bases.items()}
        with gate(tmp_path_factory.mktemp("gate"), {"providers": providers}) as running:
            yield running


@pytest.fixture
def openai_client(durward: Gate) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{durward.root}/v1", api_key=durward.key, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(durward: Gate) -> Iterator[Anthropic]:
    with Anthropic(base_url=durward.root, api_key=durward.key, max_retries=0) as client:
        yield client


@pytest.fixture
def gemini_client(durward: Gate) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=durward.root, api_version="v1beta")
    with genai.Client(api_key=durward.key, http_options=options) as client:
        yield client


def assert_ok(records: list[Record], protocol: str, count: int = 1) -> None:
    assert len(records) == count
    for record in records:
        assert (record["protocol"], record["outcome"], record["agent"]) == (protocol, "ok", "support")


def assert_failed(records: list[Record], status: int) -> None:
    (record,) = records
    assert (record["outcome"], record["status"], record["reason"]) == ("failed", status, "upstream_error")
    assert record["cost_nano"] == 0


def test_chats(durward: Gate, openai_client: OpenAI) -> None:
    with durward.recording() as records:
        plain = openai_client.chat.completions.create(model="gpt-4o", messages=QUESTION)
        stream = openai_client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert plain.choices[0].message.content == "".join(pieces) == "pong, says the mock"
    assert_ok(records, "openai_chat", 2)
    for record in records:
        assert tokens(record) == counts(input=21, output=9)
        assert record["cost_nano"] == cost_of(tokens(record))


def test_a_chat_that_calls_a_tool(durward: Gate, openai_client: OpenAI) -> None:
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
    with durward.recording() as records:
        first = openai_client.chat.completions.create(model="gpt-4o", messages=WEATHER, tools=tools)
        message = first.choices[0].message
        assert message.tool_calls is not None
        (call,) = message.tool_calls
        assert call.type == "function"
        assert json.loads(call.function.arguments) == {"city": "Oslo"}
        messages = [*WEATHER, message, {"role": "tool", "tool_call_id": call.id, "content": "2 °C, snow"}]
        last = openai_client.chat.completions.create(model="gpt-4o", messages=messages, tools=tools)
    assert last.choices[0].message.content == "Snow."
    assert_ok(records, "openai_chat", 2)


def test_responses(durward: Gate, openai_client: OpenAI) -> None:
    with durward.recording() as records:
        plain = openai_client.responses.create(model="gpt-4o", input="Say pong.")
        with openai_client.responses.stream(model="gpt-4o", input="Say pong.") as stream:
            final = stream.get_final_response()
    assert plain.output_text == final.output_text == "pong, says the mock"
    assert_ok(records, "openai_responses", 2)
    for record, answer in zip(records, (plain, final), strict=True):
        assert answer.usage is not None
        assert tokens(record) == counts(input=answer.usage.input_tokens, output=answer.usage.output_tokens)


def test_embeddings_and_models(durward: Gate, openai_client: OpenAI) -> None:
    with durward.recording() as records:
        embedded = openai_client.embeddings.create(model="text-embedding-3-small", input="river")
        names = [model.id for model in openai_client.models.list()]
    assert embedded.data[0].embedding
    assert "gpt-4o" in names
    assert [record["outcome"] for record in records] == ["ok", "ok"]


def test_a_limit_of_openais(durward: Gate, openai_client: OpenAI) -> None:
    with durward.recording() as records, pytest.raises(openai.RateLimitError, match=r"Slow down\."):
        openai_client.chat.completions.create(model="gpt-4o", messages=LIMITED)
    assert_failed(records, 429)


def test_messages(durward: Gate, anthropic_client: Anthropic) -> None:
    with durward.recording() as records:
        plain = anthropic_client.messages.create(model="claude-haiku-4-5", max_tokens=64, messages=QUESTION)
        with anthropic_client.messages.stream(model="claude-haiku-4-5", max_tokens=64, messages=QUESTION) as stream:
            final = stream.get_final_message()
    for record, answer in zip(records, (plain, final), strict=True):
        (block,) = answer.content
        assert block.type == "text"
        assert block.text == "pong, says the mock"
        assert tokens(record) == counts(input=answer.usage.input_tokens, output=answer.usage.output_tokens)
    assert_ok(records, "anthropic", 2)


def test_a_message_that_calls_a_tool(durward: Gate, anthropic_client: Anthropic) -> None:
    tools: Any = [{"name": "weather", "input_schema": SCHEMA}]
    with durward.recording() as records:
        first = anthropic_client.messages.create(model="claude-haiku-4-5", max_tokens=64, messages=WEATHER, tools=tools)
        (call,) = first.content
        assert call.type == "tool_use"
        assert call.input == {"city": "Oslo"}
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "2 °C, snow"}
        messages = [*WEATHER, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        last = anthropic_client.messages.create(model="claude-haiku-4-5", max_tokens=64, messages=messages, tools=tools)
    (block,) = last.content
    assert block.type == "text"
    assert block.text == "Snow."
    assert_ok(records, "anthropic", 2)


def test_a_limit_of_anthropics(durward: Gate, anthropic_client: Anthropic) -> None:
    with durward.recording() as records, pytest.raises(anthropic.RateLimitError, match=r"Slow down\."):
        anthropic_client.messages.create(model="claude-haiku-4-5", max_tokens=64, messages=LIMITED)
    assert_failed(records, 429)


def test_what_it_does_not_serve_is_not_found(durward: Gate, anthropic_client: Anthropic) -> None:
    with durward.recording() as records, pytest.raises(anthropic.NotFoundError):
        anthropic_client.messages.count_tokens(model="claude-haiku-4-5", messages=QUESTION)
    (record,) = records
    assert (record["protocol"], record["outcome"], record["status"]) == ("anthropic_count", "failed", 404)


def test_generated_content(durward: Gate, gemini_client: genai.Client) -> None:
    with durward.recording() as records:
        plain = gemini_client.models.generate_content(model="gemini-2.5-flash", contents="Say pong.")
        chunks = list(gemini_client.models.generate_content_stream(model="gemini-2.5-flash", contents="Say pong."))
    assert plain.text == "".join(chunk.text or "" for chunk in chunks) == "pong, says the mock"
    assert_ok(records, "gemini", 2)
    for record, answer in zip(records, (plain, chunks[-1]), strict=True):
        usage = answer.usage_metadata
        assert usage is not None
        assert tokens(record) == counts(input=usage.prompt_token_count or 0, output=usage.candidates_token_count or 0)


def test_generated_content_that_calls_a_tool(durward: Gate, gemini_client: genai.Client) -> None:
    weather: Any = {"name": "weather", "parameters_json_schema": SCHEMA}
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[weather])])
    with durward.recording() as records:
        chat = gemini_client.chats.create(model="gemini-2.5-flash", config=config)
        first = chat.send_message("What of the sky over Oslo?")
        assert first.function_calls is not None
        assert [(call.name, call.args) for call in first.function_calls] == [("weather", {"city": "Oslo"})]
        last = chat.send_message(types.Part.from_function_response(name="weather", response={"sky": "snow"}))
    assert last.text == "Snow."
    assert_ok(records, "gemini", 2)


def test_a_limit_of_geminis(durward: Gate, gemini_client: genai.Client) -> None:
    with durward.recording() as records, pytest.raises(errors.ClientError) as caught:
        gemini_client.models.generate_content(model="gemini-2.5-flash", contents="What is the limit?")
    assert caught.value.code == 429
    assert_failed(records, 429)
