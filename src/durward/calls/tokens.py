"""What of a call's use and ways a record holds: token counts, attempts."""

import msgspec


class Tokens(msgspec.Struct, gc=False, omit_defaults=False):
    """Disjoint token counts: a token is in exactly one of the five kinds."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0


class Attempt(msgspec.Struct, gc=False, omit_defaults=True):
    """One try of one target: what was tried and how it ended. `status` 0: no answer came."""

    provider: str
    model: str = ""
    status: int = 0
    reason: str = ""
    duration_ms: float = 0.0
