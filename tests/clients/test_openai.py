"""The official OpenAI SDK through a gate, with base URL and key alone changed: answers, typed errors, and the records of its calls."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.clients.gate import CREDENTIAL, DENIED, Gate, Record, cost_of, counts, tokens
from tests.clients.golden import told
from tests.clients.upstream import Upstream

QUESTION: Any = [{"role": "user", "content": "Say pong."}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"name": "weather", "description": "The weather in a city.", "parameters": PARAMETERS}


@pytest.fixture
def client(durward: Gate) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{durward.root}/v1", api_key=durward.key) as client:
        yield client


def assert_ok(record: Record, protocol: str, model: str, provider: str = "demo") -> None:
    assert (record["agent"], record["tenant"], record["team"]) == ("support", "acme", "care")
    assert (record["protocol"], record["model"], record["resource"]) == (protocol, model, f"model/{model}")
    assert (record["decision"], record["rule"], record["effect"]) == ("allow", "all", "read")
    assert (record["outcome"], record["status"], record["provider"]) == ("ok", 200, provider)
    assert record["client"].startswith("OpenAI/Python")
    assert record["cost_nano"] == cost_of(tokens(record))
    assert not record.get("estimated", False)


def test_a_chat(durward: Gate, client: OpenAI) -> None:
    with durward.recording() as records:
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    assert answer.choices[0].message.content == "pong"
    assert answer.usage is not None
    (record,) = records
    assert_ok(record, "openai_chat", "gpt-4o-mini")
    assert tokens(record) == counts(input=answer.usage.prompt_tokens, output=answer.usage.completion_tokens)
    assert record["action"] == "generate"


@pytest.mark.parametrize("options", [None, {"include_usage": True}], ids=["gate asks", "caller asks"])
def test_a_streamed_chat(durward: Gate, client: OpenAI, options: Any) -> None:
    more = {"stream_options": options} if options else {}
    with durward.recording() as records:
        chunks = list(
            client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True, **more),
        )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "pong"
    (record,) = records
    assert_ok(record, "openai_chat", "gpt-4o-mini")
    assert tokens(record)["output"] == 1
    # The chunk with the usage reaches the caller only where the caller asked for it.
    told_usage = [chunk.usage for chunk in chunks if chunk.usage]
    assert [chunk.choices for chunk in chunks].count([]) == len(told_usage) == (1 if options else 0)
    for usage in told_usage:
        assert tokens(record) == counts(input=usage.prompt_tokens, output=usage.completion_tokens)


def test_a_chat_that_calls_a_tool(durward: Gate, client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "What is the weather in Oslo?"}]
    tools: Any = [{"type": "function", "function": WEATHER}]
    with durward.recording() as records:
        first = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=tools)
        assert first.choices[0].message.tool_calls is not None
        (call,) = first.choices[0].message.tool_calls
        assert call.type == "function"
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Oslo"})
        messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "2 °C, snow"}]
        last = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=tools)
    assert "2 °C, snow" in (last.choices[0].message.content or "")
    assert len(records) == 2
    for record, answer in zip(records, (first, last), strict=True):
        assert_ok(record, "openai_chat", "gpt-4o-mini")
        assert answer.usage is not None
        assert tokens(record) == counts(input=answer.usage.prompt_tokens, output=answer.usage.completion_tokens)


def test_a_response(durward: Gate, client: OpenAI) -> None:
    with durward.recording() as records:
        answer = client.responses.create(model="gpt-5", input="Say pong.")
    assert answer.output_text == "pong"
    assert answer.usage is not None
    (record,) = records
    assert_ok(record, "openai_responses", "gpt-5")
    assert tokens(record) == counts(input=answer.usage.input_tokens, output=answer.usage.output_tokens)


def test_a_streamed_response_that_calls_a_tool(durward: Gate, client: OpenAI) -> None:
    tools: Any = [{"type": "function", **WEATHER}]
    asked: Any = [{"role": "user", "content": "What is the weather in Oslo?"}]
    with durward.recording() as records:
        with client.responses.stream(model="gpt-5", input=asked, tools=tools) as stream:
            kinds = [event.type for event in stream]
            first = stream.get_final_response()
        (call,) = first.output
        assert call.type == "function_call"
        assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Oslo"})
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"
        # The next turn names the stored response: it is this agent's own.
        output: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "2 °C, snow"}]
        last = client.responses.create(model="gpt-5", previous_response_id=first.id, input=output)
    assert "2 °C, snow" in last.output_text
    assert len(records) == 2
    for record, answer in zip(records, (first, last), strict=True):
        assert_ok(record, "openai_responses", "gpt-5")
        assert answer.usage is not None
        assert tokens(record) == counts(input=answer.usage.input_tokens, output=answer.usage.output_tokens)


def test_embeddings(durward: Gate, client: OpenAI) -> None:
    with durward.recording() as records:
        answer = client.embeddings.create(model="text-embedding-3-small", input=["river", "mountain"])
    assert [len(each.embedding) for each in answer.data] == [1536, 1536]
    (record,) = records
    assert_ok(record, "openai_embeddings", "text-embedding-3-small")
    assert tokens(record) == counts(input=answer.usage.prompt_tokens)
    assert record["action"] == "embed"


def test_models(durward: Gate, client: OpenAI) -> None:
    with durward.recording() as records:
        names = [model.id for model in client.models.list()]
        one = client.models.retrieve("gpt-5")
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(DENIED)
    assert {"gpt-5", "gpt-4o-mini", "text-embedding-3-small"} <= set(names)
    assert DENIED not in names
    assert one.id == "gpt-5"
    assert [record["outcome"] for record in records] == ["ok", "ok", "refused"]
    assert {record["action"] for record in records} == {"list"}


REFUSALS: Any = [
    (DENIED, openai.PermissionDeniedError, "denied"),
    ("gtp-4o", openai.NotFoundError, "model_unknown"),
    ("golden-anthropic-text", openai.BadRequestError, "wrong_wire"),
    # A 503 that no retry can mend: the SDK would try twice more, were it not told.
    ("locked-openai", openai.InternalServerError, "credential_missing"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("model, error, reason", REFUSALS, ids=[each[2] for each in REFUSALS])
def test_a_refusal_is_typed_explained_and_not_tried_again(
    durward: Gate, client: OpenAI, model: str, error: type[openai.APIStatusError], reason: str, stream: bool
) -> None:
    with durward.recording() as records, pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=QUESTION, stream=stream)
    (record,) = records
    assert (record["outcome"], record["reason"], record["status"]) == ("refused", reason, caught.value.status_code)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.code == reason
    assert record["id"] in caught.value.message
    assert record.get("attempts", []) == []


def test_an_unknown_key_is_refused_and_leaves_no_record(durward: Gate) -> None:
    with (
        durward.recording() as records,
        OpenAI(base_url=f"{durward.root}/v1", api_key="dw_" + "x" * 43) as stranger,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        stranger.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    assert caught.value.code == "key_unknown"
    assert records == []


FAILURES: Any = [
    ("429", openai.RateLimitError, 429, "upstream_error"),
    ("500", openai.InternalServerError, 500, "upstream_error"),
    ("overloaded", openai.InternalServerError, 503, "upstream_error"),
]


@pytest.mark.parametrize("failure, error, status, reason", FAILURES, ids=[each[0] for each in FAILURES])
def test_an_upstreams_error_passes_unchanged(
    durward: Gate, client: OpenAI, failure: str, error: type[openai.APIStatusError], status: int, reason: str
) -> None:
    asked: Any = [{"role": "user", "content": f"demo:{failure}"}]
    with durward.recording() as records, pytest.raises(error) as caught:
        client.with_options(max_retries=0).chat.completions.create(model="gpt-4o-mini", messages=asked)
    (record,) = records
    assert caught.value.status_code == status
    assert (record["outcome"], record["status"], record["reason"]) == ("failed", status, reason)
    assert record["cost_nano"] == 0


def test_an_error_inside_a_stream_reaches_the_caller_and_the_record(durward: Gate, client: OpenAI) -> None:
    asked: Any = [{"role": "user", "content": "demo:overloaded please"}]
    with durward.recording() as records, pytest.raises(openai.APIError, match="overloaded"):
        list(client.chat.completions.create(model="gpt-4o-mini", messages=asked, stream=True))
    (record,) = records
    assert (record["outcome"], record["status"], record["reason"]) == ("failed", 200, "stream_error")
    assert record["estimated"]


def test_a_stream_that_the_upstream_cuts_raises_and_is_recorded_as_cut(durward: Gate, client: OpenAI) -> None:
    asked: Any = [{"role": "user", "content": "demo:cut please"}]
    with durward.recording() as records, pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="gpt-4o-mini", messages=asked, stream=True))
    (record,) = records
    assert (record["outcome"], record["reason"]) == ("cut", "upstream_cut")
    assert record["estimated"]


@pytest.mark.parametrize("name", ["cached_and_reasoned", "host_counts_hits", "tool_call", "text"])
def test_every_kind_of_token_that_a_provider_tells(durward: Gate, client: OpenAI, own: Upstream, name: str) -> None:
    own.asked.clear()
    with durward.recording() as records:
        raw = client.chat.completions.with_raw_response.create(model=f"golden-openai-{name}", messages=QUESTION)
    (record,) = records
    assert_ok(record, "openai_chat", f"golden-openai-{name}", "own_openai")
    assert tokens(record) == told("openai_chat", name)
    assert record["request_id"] == raw.headers["x-request-id"] == f"req-{name}"
    assert raw.headers["durward-call"] == record["id"]
    assert raw.headers["x-ratelimit-remaining-requests"] == "41"
    (asked,) = own.asked
    assert asked.fields["authorization"] == f"Bearer {CREDENTIAL}"
    assert durward.key not in str(asked)


@pytest.mark.parametrize("name", ["text", "tool_call", "not_stored"])
def test_every_kind_of_token_of_a_streamed_response(durward: Gate, client: OpenAI, name: str) -> None:
    with durward.recording() as records:
        *_, last = client.responses.create(model=f"golden-openai-{name}", input="?", stream=True)
    (record,) = records
    assert_ok(record, "openai_responses", f"golden-openai-{name}", "own_openai")
    assert tokens(record) == told("openai_responses_stream", name)
    assert last.type == "response.completed"
    assert last.response.usage is not None
    assert last.response.usage.input_tokens == tokens(record)["input"] + tokens(record)["cached_input"]
