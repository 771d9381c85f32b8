"""The Anthropic wire: `POST /v1/messages` and `/v1/messages/count_tokens`."""

from typing import Any

import msgspec

from durward.calls.errors import DurwardError
from durward.calls.usage import Usage
from durward.protocols.anthropic_blocks import Block, files_of
from durward.protocols.anthropic_models import read_models, write_model, write_models
from durward.protocols.anthropic_request import read_request
from durward.protocols.anthropic_shapes import WholeMessage
from durward.protocols.anthropic_stream import AnthropicStream
from durward.protocols.anthropic_usage import read_reported, to_usage
from durward.protocols.http import error_lines, error_text
from durward.protocols.members import UNREADABLE, join, size
from durward.protocols.wire import Answer, ModelRequest, ObjectId, Rendered, Wire

__all__ = ["ANTHROPIC_COUNT", "ANTHROPIC_MESSAGES", "read_models", "write_error", "write_model", "write_models"]

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


OVERLOADED = ("overloaded", "stopping")


_message = msgspec.json.Decoder(WholeMessage)
_blocks = msgspec.json.Decoder(list[Block])


class _Spoken:
    """What both routes share."""

    wire: Wire = "anthropic"

    def read(self, body: bytes, model: str, stream: bool | None) -> ModelRequest:
        return read_request(body)

    def write(self, request: ModelRequest, model: str, ask_usage: bool) -> bytes:
        return request.body.written(None if model == request.model else {"model": join(model)})

    def write_error(self, error: DurwardError, call: str) -> Rendered:
        return write_error(error, call)

    def write_error_event(self, error: DurwardError, call: str) -> bytes:
        return b"event: error\ndata: %b\n\n" % _error_body(error, call)

    def stream(self, request: ModelRequest, hide_usage: bool) -> AnthropicStream:
        return AnthropicStream(request)


class Messages(_Spoken):
    """`POST /v1/messages`."""

    name = "anthropic"

    def answer(self, body: bytes) -> Answer:
        try:
            message = _message.decode(body)
        except UNREADABLE:
            return Answer()
        objects = _shown(message) if message.container is not None else ()
        return Answer(_usage_of(message), message.model, size(message.content), objects)


class CountTokens(_Spoken):
    """`POST /v1/messages/count_tokens`: what is counted is not used."""

    name = "anthropic_count"

    def answer(self, body: bytes) -> Answer:
        return Answer()


def _usage_of(message: WholeMessage) -> Usage | None:
    reported = read_reported(message.usage)
    # A whole answer says for how long each cache write was; where it says nothing, five minutes are what is charged.
    return None if reported is None else to_usage(reported, message.usage, lambda: False)


def _shown(message: WholeMessage) -> tuple[ObjectId, ...]:
    """The container that the answer ran in, and the files that were made there."""
    assert message.container is not None
    shown: list[ObjectId] = [("container", message.container.id)] if message.container.id else []
    try:
        return (*shown, *files_of(_blocks.decode(message.content)))
    except UNREADABLE:
        return tuple(shown)


def write_error(error: DurwardError, call: str) -> Rendered:
    """The error as the SDKs expect it; they show `request-id` beside the message."""
    lines = error_lines(error, call)
    if call:
        lines += b"request-id: %b\r\n" % call.encode()
    return Rendered(error.status, lines, _error_body(error, call))


def _error_body(error: DurwardError, call: str) -> bytes:
    kind = ERROR_TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    if error.reason in OVERLOADED:
        kind = "overloaded_error"
    told: dict[str, Any] = {"type": kind, "message": error_text(error, call), "reason": error.reason}
    if error.param is not None:
        told["param"] = error.param
    return msgspec.json.encode({"type": "error", "error": told, "request_id": call or None})


ANTHROPIC_MESSAGES = Messages()
ANTHROPIC_COUNT = CountTokens()
