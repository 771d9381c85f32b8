"""Errors as the official SDK understands them, plain and inside a stream."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from durward.calls.errors import REASONS, CallerError, DurwardError, GateError, Refused, UpstreamError
from durward.protocols.openai_chat import OPENAI_CHAT
from durward.protocols.openai_embeddings import OPENAI_EMBEDDINGS
from durward.protocols.openai_responses import OPENAI_RESPONSES
from tests.protocols.openai_golden import Pair, pairs

CALL = "0199c000-0000-7000-8000-000000000001"
ERRORS = pairs("openai_errors")
CLASSES: dict[str, type[DurwardError]] = {
    each.__name__: each for each in (CallerError, Refused, UpstreamError, GateError)
}


def raised(facts: dict[str, Any]) -> DurwardError:
    kind = CLASSES[facts["class"]]
    if kind is Refused:
        return Refused(facts["message"])
    error = kind(facts["message"], reason=facts["reason"], param=facts["param"])
    error.retry_after = facts["retry_after"]
    return error


@pytest.mark.parametrize("pair", ERRORS, ids=lambda pair: pair.name)
def test_golden_pairs(pair: Pair) -> None:
    facts = pair.facts
    error = raised(facts["error"])
    for protocol in (OPENAI_CHAT, OPENAI_RESPONSES, OPENAI_EMBEDDINGS):
        rendered = protocol.write_error(error, facts["call"])
        assert rendered.status == facts["status"]
        assert rendered.lines == "".join(f"{line}\r\n" for line in facts["lines"]).encode()
        assert json.loads(rendered.body) == facts["body"]
    for protocol in (OPENAI_CHAT, OPENAI_EMBEDDINGS):
        assert protocol.write_error_event(error, facts["call"]).decode() == "\n".join(facts["chat_event"])
    assert OPENAI_RESPONSES.write_error_event(error, facts["call"]).decode() == "\n".join(facts["response_event"])


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_type(reason: str) -> None:
    error = DurwardError("It failed.", reason=reason)
    body = json.loads(OPENAI_CHAT.write_error(error, CALL).body)["error"]
    wanted = "server_error" if error.status >= 500 else "invalid_request_error"
    assert body["type"] == {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(
        error.status, wanted
    )
    assert body["code"] == reason


class Replies(httpx2.BaseTransport):
    """Answers every request of the SDK with one reply, and counts them."""

    def __init__(self, status: int, lines: bytes, body: bytes) -> None:
        self.status = status
        self.headers = dict(line.split(": ", 1) for line in lines.decode().split("\r\n") if line)
        self.body = body
        self.requests = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        return httpx2.Response(self.status, headers=self.headers, content=self.body, request=request)


def client(replies: Replies) -> OpenAI:
    return OpenAI(api_key="dw_test", base_url="http://gate.test/v1", http_client=httpx2.Client(transport=replies))


SDK_CLASSES = [
    (CallerError("m", reason="malformed_json"), openai.BadRequestError),
    (CallerError("m", reason="key_unknown"), openai.AuthenticationError),
    (Refused("m"), openai.PermissionDeniedError),
    (CallerError("m", reason="model_unknown", param="model"), openai.NotFoundError),
    (GateError("m", reason="credential_missing"), openai.InternalServerError),
]


@pytest.mark.parametrize("error,kind", SDK_CLASSES, ids=lambda each: getattr(each, "reason", ""))
def test_the_sdk_raises_its_own_class_and_does_not_try_again(
    error: DurwardError, kind: type[openai.APIStatusError]
) -> None:
    rendered = OPENAI_CHAT.write_error(error, CALL)
    replies = Replies(rendered.status, rendered.lines, rendered.body)
    with client(replies) as sdk, pytest.raises(kind) as caught:
        sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert replies.requests == 1
    assert (caught.value.code, caught.value.param) == (error.reason, error.param)
    assert error.remedy in caught.value.message
    assert CALL in caught.value.message


def stream_of(sdk: OpenAI, wire: str) -> Iterator[Any]:
    if wire == "chat":
        return iter(sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True))
    return iter(sdk.responses.create(model="m", input="hi", stream=True))


@pytest.mark.parametrize("wire", ["chat", "responses"])
def test_the_sdk_raises_on_an_error_inside_a_stream(wire: str) -> None:
    error = UpstreamError("The upstream was silent.", reason="upstream_silent")
    if wire == "chat":
        begun = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n\n'
        event = OPENAI_CHAT.write_error_event(error, CALL)
    else:
        begun = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"x"}\n\n'
        event = OPENAI_RESPONSES.write_error_event(error, CALL)
    replies = Replies(200, b"Content-Type: text/event-stream\r\n", begun + event)
    with client(replies) as sdk:
        events = stream_of(sdk, wire)
        next(events)
        with pytest.raises(openai.APIError) as caught:
            next(events)
    assert "The upstream was silent." in caught.value.message
    assert caught.value.code == "upstream_silent"


@pytest.mark.parametrize("protocol", [OPENAI_CHAT, OPENAI_RESPONSES], ids=lambda each: each.name)
def test_our_own_reader_takes_our_event_for_an_end(protocol: Any) -> None:
    request = protocol.read(b'{"model":"m","messages":[],"input":"hi"}', "", None)
    reader = protocol.stream(request, True)
    event = protocol.write_error_event(GateError("m", reason="internal"), CALL)
    assert reader.feed(event) == b""
    assert (reader.ended, reader.error) == (True, "server_error")
