"""Errors in the Gemini wire: `google.rpc.Status` as JSON, our reason in an ErrorInfo."""

from typing import Any

import msgspec

from durward.calls.errors import DurwardError
from durward.protocols.http import error_lines, error_text
from durward.protocols.wire import Rendered

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""HTTP status to the name of google.rpc.Code; what stands not here is the caller's argument, or unknown."""


def write_error(error: DurwardError, call: str) -> Rendered:
    return Rendered(error.status, error_lines(error, call), error_body(error, call))


def error_body(error: DurwardError, call: str) -> bytes:
    """The error as one JSON object: the body of an answer, the data of an event, an element of a streamed array."""
    metadata = {"call": call} if call else {}
    if error.param is not None:
        metadata["param"] = error.param
    told: dict[str, Any] = {
        "code": error.status,
        "message": error_text(error, call),
        "status": STATUSES.get(error.status, "UNKNOWN" if error.status >= 500 else "INVALID_ARGUMENT"),
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": error.reason,
                "domain": "durward",
                "metadata": metadata,
            }
        ],
    }
    return msgspec.json.encode({"error": told})
