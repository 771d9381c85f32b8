"""The Anthropic wire as a whole: answers, errors, and what the official SDK makes of them."""

import json
from collections.abc import Callable

import anthropic
import httpx2
import pytest

from durward.calls.errors import REASONS, CallerError, DurwardError, GateError, Refused, UpstreamError
from durward.calls.tokens import Tokens
from durward.protocols.anthropic import ANTHROPIC_COUNT, ANTHROPIC_MESSAGES, write_models
from durward.protocols.wire import ModelListing, ModelProtocol, Rendered

CALL = "0193b2c4-5f6a-7b8c-9d0e-1f2a3b4c5d6e"
PROTOCOLS: list[ModelProtocol] = [ANTHROPIC_MESSAGES, ANTHROPIC_COUNT]
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
    b'"model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
)


def test_a_denial_in_the_callers_wire() -> None:
    answer = ANTHROPIC_MESSAGES.write_error(Refused("No rule allows `support` to use model/claude-x."), CALL)
    assert answer.status == 403
    assert json.loads(answer.body) == {
        "type": "error",
        "error": {
            "type": "permission_error",
            "message": "No rule allows `support` to use model/claude-x. "
            + REASONS["denied"].remedy
            + f" (call {CALL})",
            "reason": "denied",
        },
        "request_id": CALL,
    }
    assert answer.lines.split(b"\r\n") == [
        *(b"Content-Type: application/json", f"Durward-Call: {CALL}".encode(), b"x-should-retry: false"),
        *(f"request-id: {CALL}".encode(), b""),
    ]


@pytest.mark.parametrize(
    "error,kind",
    [
        (CallerError("x"), "invalid_request_error"),
        (CallerError("x", reason="key_unknown"), "authentication_error"),
        (CallerError("x", reason="model_unknown"), "not_found_error"),
        (CallerError("x", reason="too_large"), "request_too_large"),
        (CallerError("x", reason="wrong_media"), "invalid_request_error"),
        (UpstreamError("x"), "api_error"),
        (UpstreamError("x", reason="upstream_silent"), "timeout_error"),
        (GateError("x"), "api_error"),
        (GateError("x", reason="overloaded"), "overloaded_error"),
        (GateError("x", reason="credential_missing"), "api_error"),
    ],
)
def test_the_type_is_what_the_wire_documents(error: DurwardError, kind: str) -> None:
    for protocol in PROTOCOLS:
        body = json.loads(protocol.write_error(error, CALL).body)
        assert body["error"]["type"] == kind
        name, told, *end = protocol.write_error_event(error, CALL).split(b"\n")
        assert (name, end) == (b"event: error", [b"", b""])
        assert json.loads(told.removeprefix(b"data: ")) == body


def test_the_member_at_fault_is_named() -> None:
    body = json.loads(ANTHROPIC_MESSAGES.write_error(CallerError("x", param="max_tokens"), "").body)
    assert body["error"]["param"] == "max_tokens"
    assert body["request_id"] is None


def test_a_plain_answer() -> None:
    answer = ANTHROPIC_MESSAGES.answer(
        b'{"model":"claude-x-1","content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":4,"output_tokens":2}}'
    )
    assert (answer.model, answer.finished) == ("claude-x-1", True)
    assert answer.usage is not None
    assert answer.usage.tokens == Tokens(input=4, output=2)
    assert bytes(answer.usage.verbatim or b"") == b'{"input_tokens":4,"output_tokens":2}'


def test_what_code_execution_made_belongs_to_the_caller() -> None:
    answer = ANTHROPIC_MESSAGES.answer(
        b'{"container":{"id":"container_1"},"content":[{"type":"code_execution_tool_result",'
        b'"content":{"type":"result","content":[{"type":"output","file_id":"file_7"}]}}]}'
    )
    assert answer.objects == (("container", "container_1"), ("file", "file_7"))
    assert ANTHROPIC_MESSAGES.answer(b'{"container":{"id":"c_1"},"content":"new form"}').objects == (
        ("container", "c_1"),
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"usage":[]}', b'{"usage":null,"model":null}', b"\xff{}"])
def test_an_answer_that_cannot_be_read_tells_nothing(body: bytes) -> None:
    answer = ANTHROPIC_MESSAGES.answer(body)
    assert (answer.usage, answer.model, answer.objects) == (None, "", ())


def test_counting_uses_nothing() -> None:
    assert ANTHROPIC_COUNT.answer(b'{"input_tokens": 12}').usage is None
    assert (ANTHROPIC_COUNT.name, ANTHROPIC_COUNT.wire) == ("anthropic_count", "anthropic")


def sdk(answer: Callable[[httpx2.Request], httpx2.Response]) -> anthropic.Anthropic:
    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(api_key="k", base_url="http://gate.test", http_client=client, max_retries=0)


def response_of(rendered: Rendered) -> httpx2.Response:
    lines = [line.split(": ", 1) for line in rendered.lines.decode().split("\r\n") if line]
    return httpx2.Response(rendered.status, headers=[(name, value) for name, value in lines], content=rendered.body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "error,raised",
    [
        (CallerError("It is wrong."), anthropic.BadRequestError),
        (CallerError("No such key.", reason="key_unknown"), anthropic.AuthenticationError),
        (Refused("No rule allows it."), anthropic.PermissionDeniedError),
        (CallerError("No such model.", reason="model_unknown"), anthropic.NotFoundError),
        (UpstreamError("It is down."), anthropic.InternalServerError),
        (GateError("It is full.", reason="overloaded"), anthropic.InternalServerError),
    ],
)
def test_the_sdk_raises_its_own_exception_with_our_words(
    error: DurwardError, raised: type[anthropic.APIStatusError], stream: bool
) -> None:
    client = sdk(lambda _: response_of(ANTHROPIC_MESSAGES.write_error(error, CALL)))
    with pytest.raises(raised) as caught:
        client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}], stream=stream)
    assert caught.value.request_id == CALL
    for words in (error.message, error.remedy, error.reason, CALL):
        assert words in str(caught.value)


def test_the_sdk_raises_inside_a_stream() -> None:
    error = UpstreamError("It closed the connection.", reason="upstream_cut")
    body = START + ANTHROPIC_MESSAGES.write_error_event(error, CALL)
    headers = {"Content-Type": "text/event-stream"}
    client = sdk(lambda _: httpx2.Response(200, headers=headers, content=body))
    stream = client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}], stream=True)
    seen = []
    with pytest.raises(anthropic.APIStatusError) as caught:
        seen += [event.type for event in stream]
    assert "It closed the connection." in str(caught.value)
    assert CALL in str(caught.value)


def test_the_sdk_reads_a_heartbeat_as_nothing() -> None:
    stop = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    headers = {"Content-Type": "text/event-stream"}
    client = sdk(lambda _: httpx2.Response(200, headers=headers, content=b"\n" + START + b"\n\n" + stop))
    stream = client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}], stream=True)
    assert [event.type for event in stream] == ["message_start", "message_stop"]


def test_the_sdk_lists_models() -> None:
    listed = write_models([ModelListing("claude-a", "p"), ModelListing("claude-b", "p")])
    client = sdk(lambda _: response_of(listed))
    assert [model.id for model in client.models.list()] == ["claude-a", "claude-b"]
