"""Errors in the Gemini wire."""

import json

import pytest

from durward.calls.errors import REASONS, CallerError, DurwardError, Refused
from durward.protocols.gemini_errors import error_body, write_error

CALL = "0193b2c4-5f6a-7b8c-9d0e-1f2a3b4c5d6e"


def test_a_denial_in_the_callers_wire() -> None:
    answer = write_error(Refused("No rule allows `support` to use model/gemini-x."), CALL)
    assert answer.status == 403
    assert json.loads(answer.body) == {
        "error": {
            "code": 403,
            "message": "No rule allows `support` to use model/gemini-x. "
            + REASONS["denied"].remedy
            + f" (call {CALL})",
            "status": "PERMISSION_DENIED",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "denied",
                    "domain": "durward",
                    "metadata": {"call": CALL},
                }
            ],
        }
    }
    assert b"x-should-retry: false\r\n" in answer.lines
    assert answer.body == error_body(Refused("No rule allows `support` to use model/gemini-x."), CALL)


@pytest.mark.parametrize(
    "reason,status",
    [
        ("malformed_json", "INVALID_ARGUMENT"),
        ("too_large", "INVALID_ARGUMENT"),
        ("wrong_media", "INVALID_ARGUMENT"),
        ("key_unknown", "UNAUTHENTICATED"),
        ("model_unknown", "NOT_FOUND"),
        ("internal", "INTERNAL"),
        ("upstream_cut", "UNAVAILABLE"),
        ("overloaded", "UNAVAILABLE"),
        ("upstream_silent", "DEADLINE_EXCEEDED"),
        ("method_not_spoken", "UNIMPLEMENTED"),
        ("version_not_spoken", "UNKNOWN"),
    ],
)
def test_the_status_is_a_code_of_google_rpc(reason: str, status: str) -> None:
    told = json.loads(error_body(DurwardError("x", reason=reason), CALL))["error"]
    assert (told["status"], told["code"]) == (status, REASONS[reason].status)


def test_the_member_at_fault_is_named() -> None:
    told = json.loads(error_body(CallerError("x", param="contents"), ""))["error"]
    assert told["details"][0]["metadata"] == {"param": "contents"}
