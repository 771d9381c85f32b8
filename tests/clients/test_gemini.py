"""The official Gemini SDK through a gate, with base URL and key alone changed: answers, typed errors, and the records of its calls."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.clients.gate import CREDENTIAL, DENIED, Gate, Record, cost_of, counts, tokens
from tests.clients.golden import told
from tests.clients.upstream import Upstream

MODEL = "gemini-2.5-flash"
SCHEMA = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
WEATHER: Any = {"name": "weather", "description": "The weather in a city.", "parameters": SCHEMA}


@pytest.fixture(params=[None, "v1beta"], ids=["v1", "v1beta"])
def client(durward: Gate, request: pytest.FixtureRequest) -> Iterator[genai.Client]:
    """The SDK with the version of the API that it chooses itself, and with the one that older releases and JavaScript use."""
    with open_client(durward.root, durward.key, request.param) as client:
        yield client


def open_client(root: str, key: str, version: str | None = None) -> genai.Client:
    options = types.HttpOptions(base_url=root, api_version=version)
    return genai.Client(api_key=key, http_options=options)


def assert_ok(record: Record, protocol: str, model: str, provider: str = "demo") -> None:
    assert (record["agent"], record["tenant"], record["team"]) == ("support", "acme", "care")
    assert (record["protocol"], record["model"], record["resource"]) == (protocol, model, f"model/{model}")
    assert (record["decision"], record["rule"], record["effect"]) == ("allow", "all", "read")
    assert (record["outcome"], record["status"], record["provider"]) == ("ok", 200, provider)
    assert "google-genai-sdk" in record["client"]
    assert record["cost_nano"] == cost_of(tokens(record))
    assert not record.get("estimated", False), json.dumps(record)


def told_by(answer: types.GenerateContentResponse) -> dict[str, int]:
    usage = answer.usage_metadata
    assert usage is not None
    return counts(input=usage.prompt_token_count or 0, output=usage.candidates_token_count or 0)


def test_an_answer(durward: Gate, client: genai.Client) -> None:
    with durward.recording() as records:
        answer = client.models.generate_content(model=MODEL, contents="Say pong.")
    assert answer.text == "pong"
    (record,) = records
    assert_ok(record, "gemini", MODEL)
    assert tokens(record) == told_by(answer)


def test_a_streamed_answer(durward: Gate, client: genai.Client) -> None:
    with durward.recording() as records:
        chunks = list(client.models.generate_content_stream(model=MODEL, contents="Say pong."))
    assert "".join(chunk.text or "" for chunk in chunks) == "pong"
    (record,) = records
    assert_ok(record, "gemini", MODEL)
    assert tokens(record) == told_by(chunks[-1])


def test_an_answer_that_calls_a_tool(durward: Gate, client: genai.Client) -> None:
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[WEATHER])])
    with durward.recording() as records:
        chat = client.chats.create(model=MODEL, config=config)
        first = chat.send_message("What is the weather in Oslo?")
        assert first.function_calls is not None
        (call,) = first.function_calls
        assert (call.name, call.args) == ("weather", {"city": "Oslo"})
        last = chat.send_message(types.Part.from_function_response(name="weather", response={"sky": "2 °C, snow"}))
    assert "2 °C, snow" in (last.text or "")
    assert len(records) == 2
    for record, answer in zip(records, (first, last), strict=True):
        assert_ok(record, "gemini", MODEL)
        assert tokens(record) == told_by(answer)


def test_counted_tokens_cost_nothing(durward: Gate, client: genai.Client) -> None:
    with durward.recording() as records:
        counted = client.models.count_tokens(model=MODEL, contents="Say pong.")
    assert (counted.total_tokens or 0) > 0
    (record,) = records
    assert (record["protocol"], record["action"], record["outcome"]) == ("gemini_count", "count", "ok")
    assert record["cost_nano"] == 0
    assert tokens(record) == counts()


def test_embeddings(durward: Gate, client: genai.Client) -> None:
    with durward.recording() as records:
        answer = client.models.embed_content(model="gemini-embedding-001", contents=["river", "mountain"])
    assert answer.embeddings is not None
    assert [len(each.values or []) for each in answer.embeddings] == [768, 768]
    (record,) = records
    assert_ok(record, "gemini_embed", "gemini-embedding-001")
    assert record["action"] == "embed"
    assert record["tokens"]["input"] > 0


def test_models(durward: Gate, client: genai.Client) -> None:
    with durward.recording() as records:
        names = [model.name for model in client.models.list()]
        one = client.models.get(model=MODEL)
        with pytest.raises(errors.ClientError) as caught:
            client.models.get(model=DENIED)
    assert {f"models/{MODEL}", "models/gemini-embedding-001"} <= set(names)
    assert f"models/{DENIED}" not in names
    assert one.name == f"models/{MODEL}"
    assert caught.value.code == 404
    assert [record["outcome"] for record in records] == ["ok", "ok", "refused"]


REFUSALS: Any = [
    (DENIED, errors.ClientError, 403, "denied"),
    ("gemni-flash", errors.ClientError, 404, "model_unknown"),
    ("golden-openai-text", errors.ClientError, 400, "wrong_wire"),
    ("locked-gemini", errors.ServerError, 503, "credential_missing"),
]


@pytest.mark.parametrize("model, error, status, reason", REFUSALS, ids=[each[3] for each in REFUSALS])
def test_a_refusal_is_typed_and_explained(
    durward: Gate, client: genai.Client, model: str, error: type[errors.APIError], status: int, reason: str
) -> None:
    with durward.recording() as records:
        with pytest.raises(error) as plain:
            client.models.generate_content(model=model, contents="?")
        with pytest.raises(error) as streamed:
            list(client.models.generate_content_stream(model=model, contents="?"))
    for record, caught in zip(records, (plain.value, streamed.value), strict=True):
        assert (record["outcome"], record["reason"], record["status"]) == ("refused", reason, status)
        assert caught.code == status
        assert record["id"] in (caught.message or "")
        assert record.get("attempts", []) == []


def test_an_unknown_key_is_refused_and_leaves_no_record(durward: Gate) -> None:
    with (
        durward.recording() as records,
        open_client(durward.root, "dw_" + "x" * 43) as stranger,
        pytest.raises(errors.ClientError) as caught,
    ):
        stranger.models.generate_content(model=MODEL, contents="?")
    assert caught.value.code == 401
    assert records == []


@pytest.mark.parametrize(
    "failure, error, status",
    [("429", errors.ClientError, 429), ("500", errors.ServerError, 500), ("overloaded", errors.ServerError, 503)],
)
def test_an_upstreams_error_passes_unchanged(
    durward: Gate, client: genai.Client, failure: str, error: type[errors.APIError], status: int
) -> None:
    with durward.recording() as records, pytest.raises(error) as caught:
        client.models.generate_content(model=MODEL, contents=f"demo:{failure}")
    (record,) = records
    assert caught.value.code == status
    assert (record["outcome"], record["status"], record["reason"]) == ("failed", status, "upstream_error")
    assert record["cost_nano"] == 0


def test_an_error_inside_a_stream_reaches_the_caller_and_the_record(durward: Gate, client: genai.Client) -> None:
    with durward.recording() as records, pytest.raises(errors.APIError):
        list(client.models.generate_content_stream(model=MODEL, contents="demo:overloaded please"))
    (record,) = records
    assert (record["outcome"], record["status"], record["reason"]) == ("failed", 200, "stream_error")


@pytest.mark.parametrize("name", ["thoughts_and_cached", "tool_call", "text"])
def test_every_kind_of_token_that_a_provider_tells(
    durward: Gate, client: genai.Client, own: Upstream, name: str
) -> None:
    own.asked.clear()
    model = f"golden-gemini-{name}"
    with durward.recording() as records:
        client.models.generate_content(model=model, contents="?")
    (record,) = records
    assert_ok(record, "gemini", model, "own_gemini")
    assert tokens(record) == told("gemini", name)
    (asked,) = own.asked
    assert asked.fields["x-goog-api-key"] == CREDENTIAL
    assert durward.key not in str(asked)


@pytest.mark.parametrize("name", ["text", "tool_call", "usage_behind_the_finish"])
def test_every_kind_of_token_of_a_stream(durward: Gate, client: genai.Client, name: str) -> None:
    model = f"golden-gemini-{name}"
    with durward.recording() as records:
        assert list(client.models.generate_content_stream(model=model, contents="?"))
    (record,) = records
    assert_ok(record, "gemini", model, "own_gemini")
    assert tokens(record) == told("gemini_stream", name)
