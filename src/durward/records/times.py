"""Times as records write them: RFC 3339, UTC, milliseconds."""

import time
from functools import lru_cache


@lru_cache(maxsize=4)
def _second(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))


def timestamp(seconds: float) -> str:
    """A Unix time as text, cut (not rounded) to milliseconds, so that no record lies in the future."""
    whole, thousandths = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{thousandths:03d}Z"
