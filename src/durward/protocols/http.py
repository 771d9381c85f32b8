"""Errors of plain HTTP as problem details (RFC 9457), and the header lines that an error carries in every wire."""

from math import ceil
from typing import Any

import msgspec

from durward.calls.errors import REASONS, DurwardError
from durward.protocols.wire import Rendered

PROBLEM = b"application/problem+json"
JSON = b"application/json"

# What RFC 9110 demands or advises beside a status: a challenge with 401 (§15.5.2), the protocol to use with 426 (§15.5.22),
# what would have been taken with 415 (§15.5.16).
DEMANDED: dict[str, bytes] = {
    "key_missing": b'WWW-Authenticate: Bearer realm="durward"\r\n',
    "key_unknown": b'WWW-Authenticate: Bearer realm="durward", error="invalid_token"\r\n',
    "websocket": b"Upgrade: HTTP/1.1\r\nConnection: Upgrade\r\n",
    "wrong_media": b"Accept: application/json\r\n",
    "wrong_encoding": b"Accept-Encoding: identity, gzip, deflate, zstd\r\n",
}
HOPELESS = frozenset(reason for reason, facts in REASONS.items() if not facts.retry)


def write_error(error: DurwardError, call: str) -> Rendered:
    """The error as `application/problem+json`; `instance` is the call's id as a URN (RFC 9562 §4)."""
    problem: dict[str, Any] = {
        "type": f"urn:durward:reason:{error.reason}",
        "title": error.reason.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": error.message,
        "remedy": error.remedy,
        "reason": error.reason,
    }
    if call:
        problem["instance"] = f"urn:uuid:{call}"
    if error.param is not None:
        problem["param"] = error.param
    return Rendered(error.status, error_lines(error, call, PROBLEM), msgspec.json.encode(problem))


def error_lines(error: DurwardError, call: str, media: bytes = JSON) -> bytes:
    """The header lines of an error's answer, whatever wire its body speaks."""
    lines = b"Content-Type: %b\r\n" % media
    if call:
        lines += b"Durward-Call: %b\r\n" % call.encode()
    if error.reason in HOPELESS:
        lines += b"x-should-retry: false\r\n"
    if error.retry_after is not None:
        lines += b"Retry-After: %d\r\n" % ceil(error.retry_after)
    return lines + DEMANDED.get(error.reason, b"")


def error_text(error: DurwardError, call: str) -> str:
    """What happened, what to do about it, and the call to ask about: one line for wires that show a message only."""
    text = f"{error.message} {error.remedy}"
    return f"{text} (call {call})" if call else text
