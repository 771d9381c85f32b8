"""Request content codings (RFC 9110 §8.4.1): gzip, deflate and zstd are decoded within the body limit; others are refused."""

import sys
import zlib
from typing import Final

from durward.calls.errors import CallerError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# A window is bounded too, or 30 bytes could ask for gigabytes. 8 MiB is what no content coding may exceed (RFC 9659).
ZSTD_BOUNDS: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}


def decode(body: bytes, coding: bytes, limit: int) -> bytes:
    """The body as identity, at most `limit` bytes. Raises CallerError `wrong_encoding`, `too_large`."""
    name = coding.strip().lower()
    if name in (b"", b"identity"):
        return body
    try:
        if name in (b"gzip", b"x-gzip"):
            return _inflate(body, 31, limit)
        if name == b"deflate":
            return _inflate(body, 15 if body[:1] == b"\x78" else -15, limit)
        if name == b"zstd":
            return _zstd(body, limit)
    except (zlib.error, zstd.ZstdError):
        raise CallerError(f"The body is not valid {name.decode()}.", reason="wrong_encoding") from None
    raise CallerError("The body comes in a content coding that is not decoded here.", reason="wrong_encoding")


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    inflater = zlib.decompressobj(window)
    text = inflater.decompress(body, limit + 1)
    return _whole(text, inflater.eof and not inflater.unused_data, limit)


def _zstd(body: bytes, limit: int) -> bytes:
    frame = zstd.ZstdDecompressor(options=ZSTD_BOUNDS)
    text = frame.decompress(body, limit + 1)
    return _whole(text, frame.eof and not frame.unused_data, limit)


def _whole(text: bytes, complete: bool, limit: int) -> bytes:
    if len(text) > limit:
        raise CallerError(f"The decoded body has more than {limit} bytes.", reason="too_large")
    if not complete:
        raise CallerError("The compressed body is cut short or followed by more.", reason="wrong_encoding")
    return text
