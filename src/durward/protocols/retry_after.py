"""How long an upstream asks to be left alone: `Retry-After` (RFC 9110 §10.2.3), and the finer `retry-after-ms` that some send."""

import re
from email.utils import parsedate_to_datetime

_number = re.compile(rb"[0-9]{1,9}(?:\.[0-9]{1,9})?").fullmatch


def read_retry_after(fields: dict[bytes, bytes], now: float) -> float | None:
    """Seconds from `now` (Unix time), never negative; None where nothing is said, or nothing that can be read."""
    milliseconds = fields.get(b"retry-after-ms", b"").strip()
    if _number(milliseconds):
        return float(milliseconds) / 1000
    said = fields.get(b"retry-after", b"").strip()
    if _number(said):
        return float(said)
    if not said:
        return None
    try:
        return max(0.0, parsedate_to_datetime(said.decode("ascii")).timestamp() - now)
    except (ValueError, OverflowError):
        return None
