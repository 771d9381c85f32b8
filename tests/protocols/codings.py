"""What a caller may squeeze a body with, by the name that it writes in `Content-Encoding`."""

import gzip
import sys
import zlib
from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SQUEEZERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}


def zstd_of_window(body: bytes, log: int) -> bytes:
    """A zstd frame that does not say how long it is, and asks for a window of 2**log bytes."""
    squeezer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
    return squeezer.compress(body) + squeezer.flush()
