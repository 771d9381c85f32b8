"""Where an upstream is, and how long it may take."""

import msgspec


class Origin(msgspec.Struct, frozen=True, gc=False):
    """A scheme, host and port that a credential can be bound to (RFC 6454 §4). The host is lower-case ASCII, IPv6 without brackets."""

    scheme: str
    host: str
    port: int


class Timeouts(msgspec.Struct, frozen=True, gc=False):
    """Deadlines of one attempt, in seconds."""

    connect: float = 5.0
    first_byte: float = 300.0
    between_chunks: float = 120.0
