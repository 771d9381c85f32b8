"""Choices that look random and are the same for the same prompt."""

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A stream of numbers from a seed and words: SHA-256 over a counter."""

    def __init__(self, seed: bytes, *words: str) -> None:
        self._key = sha256(b"\0".join([seed, *(word.encode("utf-8", "replace") for word in words)])).digest()
        self._rolled = 0

    def share(self) -> float:
        """At least 0, less than 1."""
        self._rolled += 1
        digest = sha256(self._key + self._rolled.to_bytes(8, "big")).digest()
        return int.from_bytes(digest[:6], "big") / 2**48

    def between(self, low: float, high: float) -> float:
        """From `low` up to `high`."""
        return low + (high - low) * self.share()

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[int(self.share() * len(choices))]
