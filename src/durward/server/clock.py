"""The operating system's clock and randomness behind the ports of `calls/`."""

import os
from time import monotonic, time

POOL = 4096


class SystemClock:
    """The real Clock."""

    time = staticmethod(time)
    monotonic = staticmethod(monotonic)


class SystemRandom:
    """The real Random: bytes of the operating system, asked for 4 KiB at a time because every call of it costs."""

    def __init__(self) -> None:
        self._pool = b""
        self._used = 0

    def bytes(self, count: int) -> bytes:
        """`count` bytes that nobody else gets. One process only: a fork would share the pool."""
        end = self._used + count
        if end > len(self._pool):
            self._pool = os.urandom(max(POOL, count))
            self._used, end = 0, count
        piece = self._pool[self._used : end]
        self._used = end
        return piece
