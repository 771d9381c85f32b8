"""The record of a call, in the two halves in which the journal learns it.

The opening half is written before the first byte goes upstream (`intent`), the closing half before the answer's terminal event is
released (`settle`); a refusal is both at once. Merged by `id` they are the record whose keys are a contract.
Times are RFC 3339 UTC with milliseconds, durations milliseconds, money integer nano-dollars. Members that hold their default are
left out of a line.
"""

from typing import Literal

import msgspec

from durward.calls.usage import Attempt, Tokens

Outcome = Literal["ok", "refused", "failed", "cut", "unknown"]


class Opening(msgspec.Struct, gc=False, omit_defaults=True):
    """What is known before the call goes upstream: who, what, why allowed, and the amount set aside."""

    id: str
    time: str
    agent: str
    resource: str = ""
    action: str = ""
    effect: str = ""
    protocol: str = ""
    tenant: str = ""
    team: str = ""
    app: str = ""
    user: str = ""
    session: str = ""
    trace: str = ""
    parent: str = ""
    method: str = ""
    query: str = ""
    """Names of the query parameters, comma-separated; never their values."""
    decision: str = ""
    rule: str | None = None
    model: str = ""
    reserved_nano: int | None = None
    claimed_user: str = ""
    tags: dict[str, str] = {}
    client: str = ""
    """The caller's User-Agent, at most 128 characters."""


class Closing(msgspec.Struct, gc=False, omit_defaults=True):
    """How the call ended, what it used and what it cost."""

    id: str
    outcome: Outcome
    status: int = 0
    reason: str = ""
    provider: str = ""
    upstream_model: str = ""
    first_byte_ms: float | None = None
    duration_ms: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    tokens: Tokens | None = None
    estimated: bool = False
    cost_nano: int | None = None
    price_partial: bool = False
    attempts: list[Attempt] = []
    request_id: str = ""
    """The provider's own id of the request, for support."""
    usage: msgspec.Raw | None = None
    """The provider's usage object, verbatim (only when it was valid JSON and at most 4 KiB)."""
