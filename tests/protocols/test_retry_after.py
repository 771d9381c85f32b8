"""How long an upstream asks to be left alone, in each spelling."""

import pytest

from durward.protocols.retry_after import read_retry_after

NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z


@pytest.mark.parametrize(
    "fields,seconds",
    [
        ({}, None),
        ({b"retry-after": b"7"}, 7.0),
        ({b"retry-after": b" 0.5 "}, 0.5),
        ({b"retry-after": b"Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({b"retry-after": b"Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({b"retry-after": b"Sat, 21 Nov 2026 99:00:00 GMT"}, None),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b"-3"}, None),
        ({b"retry-after": b"\xff"}, None),
        ({b"retry-after": b"1e9"}, None),
        ({b"retry-after": b"9" * 400}, None),
        ({b"retry-after-ms": b"250", b"retry-after": b"1"}, 0.25),
        ({b"retry-after-ms": b"x", b"retry-after": b"1"}, 1.0),
    ],
)
def test_what_is_said_is_read(fields: dict[bytes, bytes], seconds: float | None) -> None:
    assert read_retry_after(fields, NOW) == seconds
