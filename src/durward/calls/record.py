"""The record of a call, in the two halves in which the journal learns it.

The opening half is written before the first byte goes upstream (`intent`), the closing half before the answer's terminal event is
released (`settle`); a refusal is both at once. Merged by `id` they are the record whose keys are a contract.
Times are RFC 3339 UTC with milliseconds, durations milliseconds, money integer nano-dollars. Members that hold their default are
left out of a line. The order of the fields is that of the members in a line: what reads it back looks for each where it expects it.
"""

from typing import Literal

import msgspec

from durward.calls.tokens import Attempt, Tokens

Outcome = Literal["ok", "refused", "failed", "cut", "unknown"]


class Opening(msgspec.Struct, gc=False, omit_defaults=True):
    """What is known before the call goes upstream: who, what, why allowed, and the amount set aside."""

    id: str
    time: str
    agent: str
    tenant: str = ""
    team: str = ""
    app: str = ""
    protocol: str = ""
    action: str = ""
    effect: str = ""
    method: str = ""
    query: str = ""
    """Names of the query parameters, comma-separated; never their values."""
    decision: str = ""
    rule: str | None = None
    model: str = ""
    client: str = ""
    """The caller's User-Agent, at most 128 characters."""
    trace: str = ""
    resource: str = ""
    session: str = ""
    parent: str = ""
    user: str = ""
    claimed_user: str = ""
    reserved_nano: int | None = None
    tags: dict[str, str] = {}


class Closing(msgspec.Struct, gc=False, omit_defaults=True):
    """How the call ended, what it used and what it cost."""

    id: str
    outcome: Outcome
    status: int = 0
    reason: str = ""
    provider: str = ""
    upstream_model: str = ""
    estimated: bool = False
    price_partial: bool = False
    duration_ms: float = 0.0
    first_byte_ms: float | None = None
    gate_ms: float = 0.0
    """What the gate itself took of an answered call, all waiting for caller and upstream left out (`records/entry.py`)."""
    bytes_in: int = 0
    bytes_out: int = 0
    request_id: str = ""
    """The provider's own id of the request, for support."""
    attempts: list[Attempt] = []
    cost_nano: int | None = None
    tokens: Tokens | None = None
    usage: msgspec.Raw | None = None
    """The provider's usage object, verbatim (only when it was valid JSON and at most 4 KiB)."""
