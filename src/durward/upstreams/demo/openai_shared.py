"""What OpenAI's routes of the demo provider share: errors, header lines, how a model is named."""

from typing import Any

from durward.upstreams.demo.talk import Wrong
from durward.upstreams.demo.wires import Body, Stamp

TYPES = {
    400: ("invalid_request_error", None),
    404: ("invalid_request_error", "not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", "overloaded"),
}


def model_of(body: Body) -> str:
    """The model that a body names. Raises Wrong."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Wrong("you must provide a model parameter")
    return model


def said_by(role: str, messages: list[Body]) -> Any:
    """The content of the last message of a role."""
    return next((message.get("content") for message in reversed(messages) if message.get("role") == role), "")


def fail(status: int, message: str) -> Body:
    kind, code = TYPES.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def lines(stamp: Stamp) -> bytes:
    return (
        b"x-request-id: req_%b\r\nopenai-version: 2020-10-01\r\nopenai-organization: demo\r\n"
        b"x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\nx-ratelimit-reset-requests: 6ms\r\n"
    ) % stamp.token.encode()
