"""The official Anthropic SDK through a gate, with base URL and key alone changed: answers, typed errors, and the records of its calls."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from tests.clients.gate import CREDENTIAL, DENIED, Gate, Record, cost_of, counts, tokens
from tests.clients.golden import told
from tests.clients.upstream import Upstream

QUESTION: Any = [{"role": "user", "content": "Say pong."}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"name": "weather", "description": "The weather in a city.", "input_schema": SCHEMA}
MODEL = "claude-haiku-4-5"


@pytest.fixture
def client(durward: Gate) -> Iterator[Anthropic]:
    with Anthropic(base_url=durward.root, api_key=durward.key) as client:
        yield client


def assert_ok(record: Record, protocol: str, model: str, provider: str = "demo") -> None:
    assert (record["agent"], record["tenant"], record["team"]) == ("support", "acme", "care")
    assert (record["protocol"], record["model"], record["resource"]) == (protocol, model, f"model/{model}")
    assert (record["decision"], record["rule"], record["effect"]) == ("allow", "all", "read")
    assert (record["outcome"], record["status"], record["provider"]) == ("ok", 200, provider)
    assert record["client"].startswith("Anthropic/Python")
    assert record["cost_nano"] == cost_of(tokens(record))
    assert not record.get("estimated", False)


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def told_by(message: anthropic.types.Message) -> dict[str, int]:
    usage = message.usage
    return counts(
        input=usage.input_tokens,
        cached_input=usage.cache_read_input_tokens or 0,
        cache_write=usage.cache_creation_input_tokens or 0,
        output=usage.output_tokens,
    )


def test_a_message(durward: Gate, client: Anthropic) -> None:
    with durward.recording() as records:
        answer = client.messages.create(model=MODEL, max_tokens=64, messages=QUESTION)
    assert text_of(answer) == "pong"
    (record,) = records
    assert_ok(record, "anthropic", MODEL)
    assert tokens(record) == told_by(answer)
    assert answer._request_id == record["request_id"]


def test_the_key_may_come_as_a_token(durward: Gate) -> None:
    with (
        durward.recording() as records,
        Anthropic(base_url=durward.root, auth_token=durward.key, api_key=None) as client,
    ):
        assert text_of(client.messages.create(model=MODEL, max_tokens=64, messages=QUESTION)) == "pong"
    assert_ok(records[0], "anthropic", MODEL)


def test_a_streamed_message(durward: Gate, client: Anthropic) -> None:
    with (
        durward.recording() as records,
        client.messages.stream(model=MODEL, max_tokens=64, messages=QUESTION) as stream,
    ):
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == "pong"
    (record,) = records
    assert_ok(record, "anthropic", MODEL)
    assert tokens(record) == told_by(final)


def test_a_streamed_message_that_calls_a_tool(durward: Gate, client: Anthropic) -> None:
    messages: Any = [{"role": "user", "content": "What is the weather in Oslo?"}]
    with durward.recording() as records:
        with client.messages.stream(model=MODEL, max_tokens=64, messages=messages, tools=[WEATHER]) as stream:
            first = stream.get_final_message()
        (call,) = first.content
        assert call.type == "tool_use"
        assert (call.name, call.input, first.stop_reason) == ("weather", {"city": "Oslo"}, "tool_use")
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "2 °C, snow"}
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        last = client.messages.create(model=MODEL, max_tokens=64, messages=messages, tools=[WEATHER])
    assert "2 °C, snow" in text_of(last)
    assert len(records) == 2
    for record, answer in zip(records, (first, last), strict=True):
        assert_ok(record, "anthropic", MODEL)
        assert tokens(record) == told_by(answer)


def test_counted_tokens_cost_nothing(durward: Gate, client: Anthropic) -> None:
    with durward.recording() as records:
        counted = client.messages.count_tokens(model=MODEL, messages=QUESTION)
    assert counted.input_tokens > 0
    (record,) = records
    assert (record["protocol"], record["action"], record["outcome"]) == ("anthropic_count", "count", "ok")
    assert record["cost_nano"] == 0
    assert tokens(record) == counts()


def test_models(durward: Gate, client: Anthropic) -> None:
    with durward.recording() as records:
        names = [model.id for model in client.models.list(limit=100)]
        one = client.models.retrieve(MODEL)
        with pytest.raises(anthropic.NotFoundError):
            client.models.retrieve(DENIED)
    assert MODEL in names
    assert DENIED not in names
    assert one.id == MODEL
    assert [record["outcome"] for record in records] == ["ok", "ok", "refused"]


REFUSALS: Any = [
    (DENIED, anthropic.PermissionDeniedError, "denied"),
    ("cluade-sonnet", anthropic.NotFoundError, "model_unknown"),
    ("golden-openai-text", anthropic.BadRequestError, "wrong_wire"),
    ("locked-anthropic", anthropic.InternalServerError, "credential_missing"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("model, error, reason", REFUSALS, ids=[each[2] for each in REFUSALS])
def test_a_refusal_is_typed_explained_and_not_tried_again(
    durward: Gate, client: Anthropic, model: str, error: type[anthropic.APIStatusError], reason: str, stream: bool
) -> None:
    with durward.recording() as records, pytest.raises(error) as caught:
        client.messages.create(model=model, max_tokens=64, messages=QUESTION, stream=stream)
    (record,) = records
    assert (record["outcome"], record["reason"], record["status"]) == ("refused", reason, caught.value.status_code)
    assert caught.value.response.headers["x-should-retry"] == "false"
    body: Any = caught.value.body
    assert body["type"] == "error"
    assert record["id"] in body["error"]["message"]
    assert record.get("attempts", []) == []


def test_an_unknown_key_is_refused_and_leaves_no_record(durward: Gate) -> None:
    with (
        durward.recording() as records,
        Anthropic(base_url=durward.root, api_key="dw_" + "x" * 43) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.messages.create(model=MODEL, max_tokens=64, messages=QUESTION)
    assert records == []


@pytest.mark.parametrize(
    "failure, error, status",
    [
        ("429", anthropic.RateLimitError, 429),
        ("500", anthropic.InternalServerError, 500),
        ("overloaded", anthropic.InternalServerError, 529),
    ],
)
def test_an_upstreams_error_passes_unchanged(
    durward: Gate, client: Anthropic, failure: str, error: type[anthropic.APIStatusError], status: int
) -> None:
    asked: Any = [{"role": "user", "content": f"demo:{failure}"}]
    with durward.recording() as records, pytest.raises(error) as caught:
        client.with_options(max_retries=0).messages.create(model=MODEL, max_tokens=64, messages=asked)
    (record,) = records
    assert caught.value.status_code == status
    assert (record["outcome"], record["status"], record["reason"]) == ("failed", status, "upstream_error")
    assert record["cost_nano"] == 0


def test_an_error_inside_a_stream_reaches_the_caller_and_the_record(durward: Gate, client: Anthropic) -> None:
    asked: Any = [{"role": "user", "content": "demo:overloaded please"}]
    with durward.recording() as records, pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(client.messages.create(model=MODEL, max_tokens=64, messages=asked, stream=True))
    (record,) = records
    assert (record["outcome"], record["status"], record["reason"]) == ("failed", 200, "stream_error")
    assert record["tokens"]["input"] > 0


def test_a_stream_that_the_upstream_cuts_raises_and_is_recorded_as_cut(durward: Gate, client: Anthropic) -> None:
    asked: Any = [{"role": "user", "content": "demo:cut please"}]
    with durward.recording() as records, pytest.raises(anthropic.APIError):
        list(client.messages.create(model=MODEL, max_tokens=64, messages=asked, stream=True))
    (record,) = records
    assert (record["outcome"], record["reason"]) == ("cut", "upstream_cut")
    # The input was told by the provider; the output is estimated from what came.
    assert record["estimated"]


@pytest.mark.parametrize("name", ["thinking", "tool_call", "cached_for_an_hour"])
def test_every_kind_of_token_that_a_provider_tells(durward: Gate, client: Anthropic, own: Upstream, name: str) -> None:
    own.asked.clear()
    with durward.recording() as records:
        raw = client.messages.with_raw_response.create(
            model=f"golden-anthropic-{name}", max_tokens=64, messages=QUESTION
        )
    (record,) = records
    assert (record["provider"], record["outcome"]) == ("own_anthropic", "ok")
    assert tokens(record) == told("anthropic", name)
    assert raw.headers["durward-call"] == record["id"]
    (asked,) = own.asked
    # The provider's own header, whichever one the caller used.
    assert asked.fields["x-api-key"] == CREDENTIAL
    assert "authorization" not in asked.fields
    assert asked.fields["anthropic-version"]
    assert durward.key not in str(asked)


@pytest.mark.parametrize("name", ["thinking_and_tool_call", "searched_and_cached_for_an_hour"])
def test_every_kind_of_token_of_a_stream(durward: Gate, client: Anthropic, name: str) -> None:
    model = f"golden-anthropic-{name}"
    with durward.recording() as records:
        events = list(client.messages.create(model=model, max_tokens=64, messages=QUESTION, stream=True))
    assert events[-1].type == "message_stop"
    (record,) = records
    assert tokens(record) == told("anthropic_stream", name)
