"""Every way a call can end badly: one root, four kinds, a closed list of reasons.

Only `protocols/*.write_error` turns these into bytes. A reason is low-cardinality (metrics, records, the `code` of an answer);
the message says what happened in this call, the remedy what to do about it.
"""

from typing import Literal, NamedTuple

Fault = Literal["caller", "refused", "upstream", "internal"]


class ReasonFacts(NamedTuple):
    """What is always true of a reason: HTTP status, whose fault, whether the same call can succeed later, the remedy."""

    status: int
    fault: Fault
    retry: bool
    remedy: str


REASONS: dict[str, ReasonFacts] = {
    # The caller's fault: HTTP.
    "malformed_http": ReasonFacts(400, "caller", False, "Send a valid HTTP/1.1 request (RFC 9112)."),
    "bad_path": ReasonFacts(
        400, "caller", False, "Send a path without encoded slashes, backslashes, dot segments or NUL, in valid UTF-8."
    ),
    "request_timeout": ReasonFacts(408, "caller", True, "Send the request faster; the whole head within 10 s."),
    "too_large": ReasonFacts(413, "caller", False, "Send a smaller body, or raise the route's body limit."),
    "target_too_long": ReasonFacts(414, "caller", False, "Send a request line of at most 8 KiB."),
    "wrong_media": ReasonFacts(415, "caller", False, "Send `Content-Type: application/json`."),
    "wrong_encoding": ReasonFacts(415, "caller", False, "Send the body as identity, gzip, deflate or zstd."),
    "expectation_failed": ReasonFacts(417, "caller", False, "Send no `Expect` other than `100-continue`."),
    "websocket": ReasonFacts(
        426, "caller", False, "Use the HTTP form of this API; WebSocket is not spoken by this version."
    ),
    "head_too_large": ReasonFacts(431, "caller", False, "Send at most 100 headers, 32 KiB in all, 8 KiB a line."),
    "tls_failed": ReasonFacts(
        400, "caller", False, "Speak TLS 1.2 or 1.3 to this address, and show a certificate where it asks for one."
    ),
    "method_not_spoken": ReasonFacts(
        501, "caller", False, "Send an origin-form request to this listener; it is no forward proxy."
    ),
    "version_not_spoken": ReasonFacts(505, "caller", False, "Speak HTTP/1.1."),
    # The caller's fault: the call.
    "malformed_json": ReasonFacts(400, "caller", False, "Send one valid JSON object."),
    "bad_request": ReasonFacts(400, "caller", False, "Correct the named member of the request."),
    "ambiguous_member": ReasonFacts(400, "caller", False, "Spell the member exactly as the API documents it, once."),
    "conflicting_keys": ReasonFacts(400, "caller", False, "Send the agent key in one place, or the same key in all."),
    "wrong_wire": ReasonFacts(400, "caller", False, "Call the path of the wire that the model speaks."),
    "key_missing": ReasonFacts(
        401, "caller", False, "Send the agent's key where the SDK puts its API key, or as `Durward-Key`."
    ),
    "key_unknown": ReasonFacts(
        401, "caller", False, "Use a key made by `durward agent add`, or listed in the configuration."
    ),
    "model_unknown": ReasonFacts(
        404, "caller", False, "Ask for one of the models that `GET /v1/models` lists for this agent."
    ),
    "not_found": ReasonFacts(404, "caller", False, "Call one of the addresses that the documentation lists."),
    "object_unknown": ReasonFacts(404, "caller", False, "Name an object that this agent has created through the gate."),
    # The caller's fault: `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header §2.7).
    "idempotency_key_invalid": ReasonFacts(
        400, "caller", False, "Send 1 to 255 printable ASCII characters as `Idempotency-Key`, once."
    ),
    "idempotency_mismatch": ReasonFacts(422, "caller", False, "Send another request under another key."),
    "idempotency_in_progress": ReasonFacts(409, "caller", True, "Wait for the first call to end, then retry."),
    "idempotency_unknown": ReasonFacts(
        409, "caller", False, "Look at the upstream whether it took effect; to do it again, use another key."
    ),
    "idempotency_not_kept": ReasonFacts(
        409, "caller", False, "The call is done; read its result at the upstream, or use another key to do it again."
    ),
    # A correct answer: no.
    "denied": ReasonFacts(403, "refused", False, "Ask the operator for an `allow` rule that covers this call."),
    # Upstream's fault.
    "upstream_unreachable": ReasonFacts(502, "upstream", True, "Check that the provider's address is up, then retry."),
    "upstream_malformed": ReasonFacts(502, "upstream", True, "The provider broke its protocol; retry."),
    "upstream_cut": ReasonFacts(502, "upstream", True, "The provider closed the connection mid-answer; retry."),
    "upstream_silent": ReasonFacts(504, "upstream", True, "The provider did not answer in time; retry."),
    "upstream_error": ReasonFacts(502, "upstream", True, "The provider answered with an error; see its message."),
    "upstream_ejected": ReasonFacts(
        503,
        "upstream",
        True,
        "Mend the provider, or give the model another target; `durward doctor` shows how it stands.",
    ),
    "retries_spent": ReasonFacts(
        503,
        "upstream",
        True,
        "Too many calls were tried again within 10 s; mend the provider that comes first.",
    ),
    "stream_error": ReasonFacts(502, "upstream", True, "The provider reported an error inside its stream; retry."),
    # Ours.
    "credential_missing": ReasonFacts(
        503, "internal", False, "Set the variable or file that the provider's `credential` names, then restart."
    ),
    "journal_unavailable": ReasonFacts(
        503, "internal", True, "The gate cannot write its journal; free disk space or mend the disk."
    ),
    "overloaded": ReasonFacts(503, "internal", True, "The gate is at its bound; retry shortly."),
    "stopping": ReasonFacts(503, "internal", True, "The gate is stopping; retry on the next connection."),
    "internal": ReasonFacts(500, "internal", True, "This is a bug in Durward; report it with the call id."),
    "state_unavailable": ReasonFacts(
        503, "internal", True, "Make the data directory readable and writable for the gate's user, and free disk space."
    ),
    "idempotency_unavailable": ReasonFacts(
        503,
        "internal",
        True,
        "Make `answers.db` in the data directory usable, or call without `Idempotency-Key`.",
    ),
    # Commands: a caller's fault ends with exit code 2, all else with 1.
    "agent_exists": ReasonFacts(
        409, "caller", False, "Choose another name, or give the agent a new key with `durward agent rotate`."
    ),
    "agent_unknown": ReasonFacts(404, "caller", False, "Name one of the agents that `durward agent list` shows."),
    "already_running": ReasonFacts(409, "internal", False, "Stop it first, or start with another `data_dir`."),
    "address_in_use": ReasonFacts(
        409, "internal", False, "Stop what listens there, or choose another address: `--listen HOST:PORT`."
    ),
    # Ends of a call that are no answer of ours.
    "caller_gone": ReasonFacts(499, "caller", True, "The caller closed the connection."),
}
"""The closed list. `docs/reference/reasons.md` is generated from it; an anchor is the reason's own name."""


RETRY_AFTER = {
    "idempotency_in_progress": 1.0,
    "idempotency_unavailable": 5.0,
    "journal_unavailable": 5.0,
    "overloaded": 1.0,
    "state_unavailable": 5.0,
    "stopping": 1.0,
    "upstream_ejected": 1.0,
}
"""Seconds after which a caller may try again, where that is known from the reason alone."""

DENIED_BY_RULE = "A deny rule wins over every allow rule: ask the operator to change it, if the call should pass."
"""The remedy of `denied` where a rule said so, not the lack of one."""


class DurwardError(Exception):
    """A call (or a command) that cannot go on.

    `reason` is a key of `REASONS`; `message` says what happened, without any secret or prompt text; `param` names the member
    at fault in the caller's body, if one is; `retry_after` is in seconds.
    """

    reason: str = "internal"

    def __init__(self, message: str, *, reason: str = "", param: str | None = None, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.reason
        self.param = param
        self.facts = REASONS[self.reason]
        self.remedy = remedy or self.facts.remedy
        self.retry_after: float | None = RETRY_AFTER.get(self.reason)

    @property
    def status(self) -> int:
        """The HTTP status with which a plain caller is answered."""
        return self.facts.status


class CallerError(DurwardError):
    """The caller's fault: 4xx (501 and 505 for HTTP we do not speak)."""

    reason = "bad_request"


class Refused(DurwardError):
    """A correct answer: the decision was no. `rule` names the rule that said so, None for deny by default."""

    reason = "denied"

    def __init__(self, message: str, *, rule: str | None = None, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.rule = rule


class UpstreamError(DurwardError):
    """The upstream's fault: unreachable, silent, malformed, cut."""

    reason = "upstream_unreachable"


class GateError(DurwardError):
    """Our own fault or state: journal, overload, missing credential, a bug."""

    reason = "internal"
