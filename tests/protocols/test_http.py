"""Errors in plain HTTP: problem details, and the header lines that every wire's error carries."""

import json
from http import HTTPStatus

import pytest

from durward.calls.errors import REASONS, CallerError, DurwardError, GateError, Refused, UpstreamError
from durward.protocols.http import error_lines, error_text, write_error

CALL = "0193b2c4-5f6a-7b8c-9d0e-1f2a3b4c5d6e"


def header_fields(lines: bytes) -> dict[str, str]:
    assert lines.endswith(b"\r\n")
    pairs = [line.split(": ", 1) for line in lines.decode("ascii").removesuffix("\r\n").split("\r\n")]
    assert all(len(pair) == 2 for pair in pairs)
    return {name.lower(): value for name, value in pairs}


def test_a_denial_tells_what_why_and_what_to_do() -> None:
    answer = write_error(Refused("No rule lets `support` call api/crm/GET/x.", remedy="Ask an operator."), CALL)
    assert answer.status == 403
    assert json.loads(answer.body) == {
        "type": "urn:durward:reason:denied",
        "title": "Denied",
        "status": 403,
        "detail": "No rule lets `support` call api/crm/GET/x.",
        "remedy": "Ask an operator.",
        "reason": "denied",
        "instance": f"urn:uuid:{CALL}",
    }
    assert header_fields(answer.lines) == {
        "content-type": "application/problem+json",
        "durward-call": CALL,
        "x-should-retry": "false",
    }


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_whole_answer(reason: str) -> None:
    answer = write_error(DurwardError("It did not go.", reason=reason), CALL)
    problem = json.loads(answer.body)
    assert problem["status"] == answer.status == REASONS[reason].status
    assert problem["reason"] == reason
    assert problem["remedy"] == REASONS[reason].remedy
    fields = header_fields(answer.lines)
    assert (fields.get("x-should-retry") == "false") is not REASONS[reason].retry
    assert ("www-authenticate" in fields) == (answer.status == HTTPStatus.UNAUTHORIZED)
    assert ("upgrade" in fields) == (answer.status == HTTPStatus.UPGRADE_REQUIRED)
    assert answer.status != HTTPStatus.METHOD_NOT_ALLOWED, "405 demands Allow"


def test_before_the_call_has_an_id_none_is_shown() -> None:
    answer = write_error(CallerError("Bad head.", reason="malformed_http"), "")
    assert "instance" not in json.loads(answer.body)
    assert "durward-call" not in header_fields(answer.lines)


def test_the_member_at_fault_is_named() -> None:
    answer = write_error(CallerError("It is no number.", param="max_tokens"), CALL)
    assert json.loads(answer.body)["param"] == "max_tokens"


def test_retry_after_is_whole_seconds_rounded_up() -> None:
    error = GateError("Full.", reason="overloaded")
    error.retry_after = 1.2
    fields = header_fields(error_lines(error, CALL))
    assert fields["retry-after"] == "2"
    assert fields["content-type"] == "application/json"
    assert "x-should-retry" not in fields


def test_one_line_says_it_all() -> None:
    error = UpstreamError("`local` closed the connection.", reason="upstream_cut")
    remedy = REASONS["upstream_cut"].remedy
    assert error_text(error, CALL) == f"`local` closed the connection. {remedy} (call {CALL})"
    assert error_text(error, "") == f"`local` closed the connection. {remedy}"
