"""Times as records write them: RFC 3339 in UTC with milliseconds, `2026-11-21T07:43:12.042Z`."""

import time
from datetime import UTC, datetime
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Written out once: formatting three digits costs more than all else here, and every call has two times.
THOUSANDTHS = tuple(f".{thousandth:03d}Z" for thousandth in range(1000))

MEMBER_ENDS = tuple(f'{end}",'.encode() for end in THOUSANDTHS)


def timestamp(seconds: float) -> str:
    """A Unix time in seconds as text, cut to the millisecond."""
    moment = int(seconds * 1000)
    second = moment // 1000
    return _second(second) + THOUSANDTHS[moment - second * 1000]


def time_member(seconds: float) -> bytes:
    """A Unix time as the JSON member of a line, with the comma behind it: `"time":"…",`."""
    moment = int(seconds * 1000)
    second = moment // 1000
    return _begun_member(second) + MEMBER_ENDS[moment - second * 1000]


@lru_cache(maxsize=16)
def _begun_member(second: int) -> bytes:
    return b'"time":"' + _second(second).encode()


@lru_cache(maxsize=16)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def milliseconds(text: str) -> int:
    """The Unix time in milliseconds of any RFC 3339 time. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} names no time zone")
    return round((moment - EPOCH).total_seconds() * 1000)
