"""Errors in the shape of OpenAI's API, plain and inside its streams, as its SDKs turn them into typed exceptions."""

from typing import Any

import msgspec

from durward.calls.errors import DurwardError
from durward.protocols.http import error_lines, error_text
from durward.protocols.wire import Rendered

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def write_error(error: DurwardError, call: str) -> Rendered:
    """`{error: {message, type, param, code}}`; code is the reason, message what happened, the remedy and the call's id."""
    body = msgspec.json.encode({"error": error_object(error, call)})
    return Rendered(error.status, error_lines(error, call), body)


def write_chat_error_event(error: DurwardError, call: str) -> bytes:
    """The error as a chunk of a chat stream: the SDKs raise on a chunk with an `error` member."""
    return b"data: %b\n\n" % msgspec.json.encode({"error": error_object(error, call)})


def write_response_error_event(error: DurwardError, call: str) -> bytes:
    """The error as an event of a Responses stream.

    The API documents the members at the top, and sends them inside `error`, which is what the SDKs raise on: both are there.
    How many events came before is not known here, so `sequence_number` is 0.
    """
    told = error_object(error, call)
    event = {"type": "error", "sequence_number": 0, **{name: told[name] for name in ("code", "message", "param")}}
    return b"event: error\ndata: %b\n\n" % msgspec.json.encode({**event, "error": told})


def error_object(error: DurwardError, call: str) -> dict[str, Any]:
    """The members of the `error` object."""
    kind = TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    return {"message": error_text(error, call), "type": kind, "param": error.param, "code": error.reason}
