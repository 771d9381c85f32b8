"""What a call used and what it cost."""

import msgspec

from durward.calls.tokens import Tokens


class Usage:
    """What one answer used, as the provider reports it (or as estimated).

    `split` are parts of the five kinds that have a price of their own (`audio_input`, `image_input`, `audio_cached_input`,
    `audio_output`, `image_output`, `cache_write_1h`): each also counts in its kind. `fees` are things counted beside tokens
    (`web_search`, `code_execution` ...: number of uses). `verbatim` is the provider's usage object, byte for byte.
    """

    __slots__ = ("estimated", "fees", "service_tier", "split", "tokens", "verbatim")

    def __init__(
        self,
        tokens: Tokens,
        split: dict[str, int] | None = None,
        fees: dict[str, int] | None = None,
        service_tier: str = "",
        verbatim: msgspec.Raw | None = None,
        *,
        estimated: bool = False,
    ) -> None:
        self.tokens = tokens
        self.split = {} if split is None else split
        self.fees = {} if fees is None else fees
        self.service_tier = service_tier
        self.verbatim = verbatim
        self.estimated = estimated

    def _told(self) -> tuple[Tokens, dict[str, int], dict[str, int], str, bytes | None, bool]:
        verbatim = None if self.verbatim is None else bytes(self.verbatim)
        return self.tokens, self.split, self.fees, self.service_tier, verbatim, self.estimated

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Usage) and self._told() == other._told()

    def __hash__(self) -> int:
        raise TypeError("a Usage grows while it is read")

    def __repr__(self) -> str:
        return f"Usage{self._told()!r}"


class Cost:
    """Cost in integer nano-dollars, rounded up once; None with `partial` when a kind, fee or price is not known."""

    __slots__ = ("nano", "partial")

    def __init__(self, nano: int | None, partial: bool = False) -> None:
        self.nano = nano
        self.partial = partial

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cost) and self.nano == other.nano and self.partial == other.partial

    def __hash__(self) -> int:
        return hash((self.nano, self.partial))

    def __repr__(self) -> str:
        return f"Cost({self.nano}, {self.partial})"
