"""The journal's lines as they are read back: the two halves of a call, and the record that they make.

The order of the fields is that of the members in the lines: a decoder looks for each member where it expects it.
"""

from typing import Any

import msgspec

from durward.calls.tokens import Attempt, Tokens

NO_OBJECT = msgspec.Raw(b"{}")
NO_LIST = msgspec.Raw(b"[]")


class Began(msgspec.Struct, gc=False, omit_defaults=True, tag_field="type", tag="intent"):
    """The opening half of a call, as its `intent` line holds it."""

    id: str
    time: str = ""
    agent: str = ""
    tenant: str = ""
    team: str = ""
    app: str = ""
    protocol: str = ""
    action: str = ""
    effect: str = ""
    method: str = ""
    query: str = ""
    decision: str = ""
    rule: str | None = None
    model: str = ""
    client: str = ""
    trace: str = ""
    resource: str = ""
    session: str = ""
    parent: str = ""
    user: str = ""
    claimed_user: str = ""
    reserved_nano: int | None = None
    tags: msgspec.Raw = NO_OBJECT


class Ended(msgspec.Struct, gc=False, omit_defaults=True, tag_field="type", tag="settle"):
    """The closing half, as a `settle` line holds it."""

    id: str
    outcome: str = ""
    status: int = 0
    reason: str = ""
    provider: str = ""
    upstream_model: str = ""
    estimated: bool = False
    price_partial: bool = False
    duration_ms: float = 0.0
    first_byte_ms: float | None = None
    gate_ms: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    request_id: str = ""
    attempts: msgspec.Raw = NO_LIST
    cost_nano: int | None = None
    tokens: Tokens | None = None


class Unknown(Ended, gc=False, tag_field="type", tag="unknown"):
    """The end that recovery gives to a call whose gate died: what was set aside for it stands for its cost."""

    of: str = ""
    """The writer that died; empty where the call is this writer's own."""


class Refused(Began, gc=False, tag_field="type", tag="refused"):
    """Both halves at once."""

    outcome: str = ""
    status: int = 0
    reason: str = ""
    provider: str = ""
    upstream_model: str = ""
    estimated: bool = False
    price_partial: bool = False
    duration_ms: float = 0.0
    first_byte_ms: float | None = None
    gate_ms: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    request_id: str = ""
    attempts: msgspec.Raw = NO_LIST
    cost_nano: int | None = None
    tokens: Tokens | None = None

    def ended(self) -> Ended:
        """The closing half."""
        return Ended(self.id, *msgspec.structs.astuple(self)[OPENING_FIELDS:])


class Opened(msgspec.Struct, gc=False, tag_field="type", tag="open"):
    """A segment's first line."""

    segment: int
    digest: str = ""
    open: dict[str, int | None] = {}
    """Calls that the segments before left open, with what was set aside for them."""


class Signed(msgspec.Struct, gc=False, tag_field="type", tag="head"):
    """A signature over the chain up to the line before."""

    time: str
    key: str = ""
    signature: str = ""


class Closed(Signed, gc=False, tag_field="type", tag="close"):
    """The last line of a writer that ended in order; signed like a head."""


class Recovered(msgspec.Struct, gc=False, tag_field="type", tag="recovered"):
    """A writer that is gone has been looked after: its chain ends at line `last` whose hash is `digest`, and this chain now vouches."""

    of: str
    last: int = 0
    digest: str = ""
    unknown: int = 0
    """Calls that it left open."""
    cut: int = 0
    """Bytes of a torn last line that were cut off."""


Line = Began | Ended | Unknown | Refused | Opened | Signed | Closed | Recovered

OPENING_FIELDS = len(Began.__struct_fields__)

_decoder = msgspec.json.Decoder(Line)


def read_line(line: bytes) -> Line | None:
    """One line, None where it is none that this version knows."""
    try:
        found: Line = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found


def read_lines(content: bytes) -> list[Line]:
    """All that can be read of whole lines, in order; what is no line of ours is passed over."""
    try:
        found: list[Line] = _decoder.decode_lines(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return [known for line in content.split(b"\n") if line and (known := read_line(line)) is not None]
    return found


class Record(msgspec.Struct, gc=False):
    """A call, with the keys that are a contract, in their order. What a call did not have is null."""

    id: str
    time: str
    agent: str | None
    user: str | None
    tenant: str | None
    session: str | None
    trace: str | None
    parent: str | None
    protocol: str | None
    action: str | None
    resource: str | None
    effect: str | None
    decision: str | None
    rule: str | None
    provider: str | None
    model: str | None
    upstream_model: str | None
    status: int | None
    outcome: str | None
    """None while the call is open."""
    reason: str | None
    first_byte_ms: float | None
    duration_ms: float | None
    bytes_in: int
    bytes_out: int
    tokens: Tokens | None
    estimated: bool
    cost_nano: int | None
    attempts: list[Attempt]
    request_id: str | None
    tags: dict[str, str]


_STILL_OPEN = Ended("")
_attempts = msgspec.json.Decoder(list[Attempt])
_tags = msgspec.json.Decoder(dict[str, str])


def record(began: Began, ended: Ended | None) -> Record:
    """The record that both halves make; without the closing half that of a call still open."""
    end = ended or _STILL_OPEN
    return Record(
        id=began.id,
        time=began.time,
        agent=began.agent or None,
        user=began.user or None,
        tenant=began.tenant or None,
        session=began.session or None,
        trace=began.trace or None,
        parent=began.parent or None,
        protocol=began.protocol or None,
        action=began.action or None,
        resource=began.resource or None,
        effect=began.effect or None,
        decision=began.decision or None,
        rule=began.rule,
        provider=end.provider or None,
        model=began.model or None,
        upstream_model=end.upstream_model or None,
        status=end.status or None,
        outcome=end.outcome or None,
        reason=end.reason or None,
        first_byte_ms=end.first_byte_ms,
        duration_ms=end.duration_ms or None,
        bytes_in=end.bytes_in,
        bytes_out=end.bytes_out,
        tokens=end.tokens,
        estimated=end.estimated,
        cost_nano=end.cost_nano,
        attempts=_attempts.decode(end.attempts),
        request_id=end.request_id or None,
        tags=_tags.decode(began.tags),
    )


def as_json(what: Any) -> str:
    """One object a line, as listings print it."""
    return msgspec.json.encode(what).decode()
