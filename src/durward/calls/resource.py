"""What is asked for, and where it can be had."""

from typing import Literal

Action = Literal["generate", "embed", "count", "list", "call", "send", "request"]
Effect = Literal["read", "write", "destructive"]


class Target:
    """One place a call may go: a configured upstream, and for a model call the model's name there. A value: never changed."""

    __slots__ = ("model", "upstream")

    def __init__(self, upstream: str, model: str = "") -> None:
        self.upstream = upstream
        """Name of the provider or API in the configuration."""
        self.model = model
        """The model's name upstream; empty where no model is involved."""

    @property
    def resource(self) -> str:
        """The target as deny rules see it: `model/<provider>/<upstream model>`."""
        return f"model/{self.upstream}/{self.model}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Target) and self.upstream == other.upstream and self.model == other.model

    def __hash__(self) -> int:
        return hash((self.upstream, self.model))

    def __repr__(self) -> str:
        return f"Target({self.upstream!r}, {self.model!r})"


class Resource:
    """What a call asks for, under the name that rules and records use, with its candidate targets in order. A value: never changed."""

    __slots__ = ("action", "effect", "name", "targets")

    def __init__(self, name: str, action: Action, effect: Effect, targets: tuple[Target, ...] = ()) -> None:
        self.name = name
        self.action: Action = action
        self.effect: Effect = effect
        self.targets = targets

    def _told(self) -> tuple[str, str, str, tuple[Target, ...]]:
        return self.name, self.action, self.effect, self.targets

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resource) and self._told() == other._told()

    def __hash__(self) -> int:
        return hash(self._told())

    def __repr__(self) -> str:
        return f"Resource{self._told()!r}"
