"""What is asked for, and where it can be had."""

from typing import Literal

import msgspec

Action = Literal["generate", "embed", "count", "list", "call", "send", "request"]
Effect = Literal["read", "write", "destructive"]


class Origin(msgspec.Struct, frozen=True, gc=False):
    """A scheme, host and port that a credential can be bound to (RFC 6454 §4). The host is lower-case ASCII, IPv6 without brackets."""

    scheme: str
    host: str
    port: int


class Target(msgspec.Struct, frozen=True, gc=False):
    """One place a call may go: a configured upstream, and for a model call the model's name there."""

    upstream: str
    """Name of the provider or API in the configuration."""
    model: str = ""
    """The model's name upstream; empty where no model is involved."""

    @property
    def resource(self) -> str:
        """The target as deny rules see it: `model/<provider>/<upstream model>`."""
        return f"model/{self.upstream}/{self.model}"


class Resource(msgspec.Struct, frozen=True, gc=False):
    """What a call asks for, under the name that rules and records use, with its candidate targets in order."""

    name: str
    action: Action
    effect: Effect
    targets: tuple[Target, ...] = ()


class Timeouts(msgspec.Struct, frozen=True, gc=False):
    """Deadlines of one attempt, in seconds."""

    connect: float = 5.0
    first_byte: float = 300.0
    between_chunks: float = 120.0
