"""What a call used and what it cost."""

import msgspec


class Tokens(msgspec.Struct, gc=False, omit_defaults=False):
    """Disjoint token counts: a token is in exactly one of the five kinds."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0


class Usage(msgspec.Struct, gc=False):
    """What one answer used, as the provider reports it (or as estimated).

    `split` are parts of the five kinds that have a price of their own (`audio_input`, `image_input`, `audio_cached_input`,
    `audio_output`, `image_output`, `cache_write_1h`): each also counts in its kind. `fees` are things counted beside tokens
    (`web_search`, `code_execution` ...: number of uses). `verbatim` is the provider's usage object, byte for byte.
    """

    tokens: Tokens
    split: dict[str, int] = {}
    fees: dict[str, int] = {}
    service_tier: str = ""
    verbatim: msgspec.Raw | None = None
    estimated: bool = False


class Cost(msgspec.Struct, frozen=True, gc=False):
    """Cost in integer nano-dollars, rounded up once; None with `partial` when a kind, fee or price is not known."""

    nano: int | None
    partial: bool = False


class Attempt(msgspec.Struct, gc=False, omit_defaults=True):
    """One try of one target: what was tried and how it ended. `status` 0: no answer came."""

    provider: str
    model: str = ""
    status: int = 0
    reason: str = ""
    duration_ms: float = 0.0
