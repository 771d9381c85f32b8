"""A call that is to take effect once, whatever its caller repeats (draft-ietf-httpapi-idempotency-key-header-07), and its kept answer."""

from typing import NamedTuple


class Once(NamedTuple):
    """One call with an `Idempotency-Key`. Two with the same tenant, agent, address and key are the same call, if their digests say so."""

    call: str
    """The id of this one; of several that are the same call, only the one that began may end it."""
    tenant: str
    agent: str
    address: str
    """Method, path and query."""
    key: str
    digest: bytes
    """Over what the caller asks (SHA-256)."""
    reads: bool
    """Its effect is `read`: nothing is lost where it is done again."""


class KeptAnswer(NamedTuple):
    """An answer as its caller got it. `lines` are its header lines without those of framing and without the call's id."""

    status: int
    lines: bytes
    body: bytes
    counted: bool
    """Its length was told before its body; else the body came in chunks."""


class Idempotency(NamedTuple):
    """What is kept of calls that are to take effect once."""

    retain: float = 86_400.0
    """Seconds, from the call's beginning."""
    max_bytes: int = 256 * 2**20
    """Of all answers."""
    max_answer: int = 2**20
    """Bytes of one answer's body."""
