"""The Gemini wire as a whole: answers, errors, and what the official SDK makes of them."""

import json
from collections.abc import Callable

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from durward.calls.errors import CallerError, DurwardError, GateError, Refused, UpstreamError
from durward.calls.tokens import Tokens
from durward.protocols.gemini import GEMINI_COUNT, GEMINI_EMBED, GEMINI_GENERATE, write_models
from durward.protocols.wire import ModelListing, ModelProtocol, Rendered

CALL = "0193b2c4-5f6a-7b8c-9d0e-1f2a3b4c5d6e"
PROTOCOLS: list[ModelProtocol] = [GEMINI_GENERATE, GEMINI_EMBED, GEMINI_COUNT]
FIRST = b'data: {"candidates": [{"content": {"parts": [{"text": "hi"}],"role": "model"}}]}\r\n\r\n'


def test_the_protocols_are_named_as_routes_name_them() -> None:
    assert [protocol.name for protocol in PROTOCOLS] == ["gemini", "gemini_embed", "gemini_count"]
    assert {protocol.wire for protocol in PROTOCOLS} == {"gemini"}


def test_an_error_is_the_same_as_answer_and_as_event() -> None:
    error = UpstreamError("It is down.")
    for protocol in PROTOCOLS:
        answer = protocol.write_error(error, CALL)
        assert protocol.write_error_event(error, CALL) == b"data: " + answer.body + b"\r\n\r\n"


def test_a_plain_answer() -> None:
    answer = GEMINI_GENERATE.answer(
        b'{"candidates":[{"content":{"parts":[{"text":"h\xc3\xa9"}]},"finishReason":"STOP","groundingMetadata":'
        b'{"webSearchQueries":["a"]}}],"modelVersion":"gemini-3","usageMetadata":{"promptTokenCount":4}}'
    )
    assert (answer.model, answer.text_bytes, answer.finished) == ("gemini-3", 3, True)
    assert answer.usage is not None
    assert answer.usage.tokens == Tokens(input=4)
    assert answer.usage.fees == {"web_search": 1}
    assert bytes(answer.usage.verbatim or b"") == b'{"promptTokenCount":4}'


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"usageMetadata":[]}', b'{"candidates":null}', b"\xff{}"])
def test_an_answer_that_cannot_be_read_tells_nothing(body: bytes) -> None:
    for protocol in PROTOCOLS:
        answer = protocol.answer(body)
        assert (answer.usage, answer.model, answer.objects) == (None, "", ())


def test_usage_of_embeddings_is_read_where_it_is_told() -> None:
    answer = GEMINI_EMBED.answer(b'{"embeddings":[{"values":[0.1]}],"usageMetadata":{"promptTokenCount":7}}')
    assert answer.usage is not None
    assert answer.usage.tokens == Tokens(input=7)
    assert GEMINI_EMBED.answer(b'{"embedding":{"values":[0.1]}}').usage is None


def test_counting_uses_nothing() -> None:
    assert GEMINI_COUNT.answer(b'{"totalTokens": 12, "usageMetadata": {"promptTokenCount": 12}}').usage is None


def sdk(answer: Callable[[httpx2.Request], httpx2.Response]) -> genai.Client:
    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return genai.Client(api_key="k", http_options=types.HttpOptions(base_url="http://gate.test", httpx_client=client))


def response_of(rendered: Rendered) -> httpx2.Response:
    lines = [line.split(": ", 1) for line in rendered.lines.decode().split("\r\n") if line]
    return httpx2.Response(rendered.status, headers=[(name, value) for name, value in lines], content=rendered.body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "error,raised",
    [
        (CallerError("It is wrong."), errors.ClientError),
        (CallerError("No such key.", reason="key_unknown"), errors.ClientError),
        (Refused("No rule allows it."), errors.ClientError),
        (CallerError("No such model.", reason="model_unknown"), errors.ClientError),
        (UpstreamError("It is down."), errors.ServerError),
        (GateError("It is full.", reason="overloaded"), errors.ServerError),
    ],
)
def test_the_sdk_raises_its_own_exception_with_our_words(
    error: DurwardError, raised: type[errors.APIError], stream: bool
) -> None:
    client = sdk(lambda _: response_of(GEMINI_GENERATE.write_error(error, CALL)))
    with pytest.raises(raised) as caught:
        if stream:
            list(client.models.generate_content_stream(model="gemini-x", contents="x"))
        else:
            client.models.generate_content(model="gemini-x", contents="x")
    assert caught.value.code == error.status
    for words in (error.message, error.remedy, error.reason, CALL):
        assert words in str(caught.value)


def test_the_sdk_raises_inside_a_stream() -> None:
    error = UpstreamError("It closed the connection.", reason="upstream_cut")
    body = FIRST + GEMINI_GENERATE.write_error_event(error, CALL)
    headers = {"Content-Type": "text/event-stream"}
    client = sdk(lambda _: httpx2.Response(200, headers=headers, content=body))
    with pytest.raises(errors.ServerError) as caught:
        list(client.models.generate_content_stream(model="gemini-x", contents="x"))
    assert "It closed the connection." in str(caught.value)
    assert CALL in str(caught.value)


def test_the_sdk_reads_a_heartbeat_as_nothing() -> None:
    headers = {"Content-Type": "text/event-stream"}
    client = sdk(lambda _: httpx2.Response(200, headers=headers, content=b"\n" + FIRST + b"\n" + FIRST + b"\n"))
    chunks = client.models.generate_content_stream(model="gemini-x", contents="x")
    assert [chunk.text for chunk in chunks] == ["hi", "hi"]


def test_the_sdk_lists_models() -> None:
    listed = write_models([ModelListing("gemini-a", "p"), ModelListing("gemini-b", "p")])
    client = sdk(lambda _: response_of(listed))
    assert [model.name for model in client.models.list()] == ["models/gemini-a", "models/gemini-b"]
    assert json.loads(listed.body)["models"][0]["displayName"] == "gemini-a"
