"""The body of one request as it arrives: framed strictly, bounded in memory and time, handed out whole or in pieces."""

import asyncio
from collections.abc import Callable
from typing import Final

from durward.calls.errors import CallerError, DurwardError, GateError
from durward.protocols.framing import Chunks, FramingError
from durward.server.bounds import Bounds

WAITING_BYTES: Final = 64 * 1024
"""How much of a body waits for a reader before the connection is no longer read."""
SMALL_BYTES: Final = 4 * 1024
"""Pieces smaller than this are gathered, or each would cost many times its size."""


class BodyMemory:
    """Counts the bytes of all request bodies that are held."""

    __slots__ = ("held", "limit")

    def __init__(self, limit: int) -> None:
        self.held = 0
        self.limit = limit


class RequestBody:
    """A body of `length` bytes, or of chunks if that is None.

    `ended` is True once the connection stands behind the body. After a `failure` nothing is taken in any more, and where the
    body ends is not known.
    """

    __slots__ = (
        *("_chunks", "_held", "_left", "_mark", "_memory", "_pieces", "_read_on", "_slack", "_waiter", "_wanted"),
        *("ended", "failure", "received", "waited", "waiting"),
    )

    def __init__(self, length: int | None, memory: BodyMemory, read_on: Callable[[], None]) -> None:
        self._chunks = Chunks() if length is None else None
        self._left = length or 0
        self._memory = memory
        self._read_on = read_on
        self._pieces: list[bytes | bytearray] = []
        self._held = 0  # what counts in memory
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 1  # how many bytes the reader waits for
        self._slack: float | None = None
        self._mark = 0
        self.received = 0
        self.waiting = 0
        self.waited = 0.0
        """Seconds for which readers have had to wait for bytes."""
        self.ended = False
        self.failure: DurwardError | None = None

    def feed(self, data: bytes) -> bytes:
        """Take in what has arrived; the answer is what stands behind the body."""
        if self.failure is not None:
            return b""
        if self._chunks is None:
            behind = b""
            if len(data) > self._left:
                data, behind = data[: self._left], data[self._left :]
            self._left -= len(data)
            self.ended = not self._left
            self._keep(data)
        else:
            behind = self._unframe(self._chunks, data)
        waiter = self._waiter
        if waiter is not None and (self.ended or self.waiting >= self._wanted) and not waiter.done():
            waiter.set_result(None)
        return behind

    def _unframe(self, chunks: Chunks, data: bytes) -> bytes:
        try:
            pieces = chunks.feed(data)
        except FramingError as error:
            self.fail(CallerError(f"The body is not valid: {error}.", reason="malformed_http"))
            return b""
        self._keep(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        self.ended = chunks.ended
        return chunks.rest

    def _keep(self, data: bytes) -> None:
        size = len(data)
        if not size:
            return
        self.received += size
        self.waiting += size
        self._held += size
        self._memory.held += size
        pieces = self._pieces
        if size >= SMALL_BYTES or not pieces or len(pieces[-1]) >= WAITING_BYTES:
            pieces.append(data)
        elif isinstance(last := pieces[-1], bytearray):
            last += data
        else:
            pieces[-1] = bytearray(last) + data
        if self._memory.held > self._memory.limit:
            self.fail(GateError("Too many bytes of request bodies are held at this moment.", reason="overloaded"))

    def fail(self, failure: DurwardError) -> None:
        """Nothing more will come of this body; whoever waits for it, or reads on, gets `failure`."""
        if self.failure is None:
            self.failure = failure
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)

    @property
    def awaited(self) -> bool:
        """Whether the call waits for bytes that have not come."""
        return self._waiter is not None and not self._waiter.done()

    async def whole(self, limit: int) -> bytes:
        """All that is left of the body, if the body has at most `limit` bytes. Raises CallerError `too_large`, and `failure`."""
        while not self.ended and self.failure is None and self.received <= limit:
            await self._more(self.waiting + limit - self.received + 1)
        if self.received > limit:
            raise CallerError(f"The body has more than {limit} bytes.", reason="too_large")
        return self._take()

    async def chunk(self) -> bytes:
        """The next bytes, b"" at the end. Raises `failure`."""
        while not self.ended and self.failure is None and not self.waiting:
            await self._more(1)
        data = self._take()
        self._memory.held -= len(data)
        self._held -= len(data)
        return data

    def _take(self) -> bytes:
        if self.failure is not None:
            raise self.failure
        data = b"".join(self._pieces)
        self._pieces.clear()
        self.waiting = 0
        return data

    async def _more(self, wanted: int) -> None:
        self._wanted = wanted
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._waiter = loop.create_future()
        self._read_on()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self.waited += loop.time() - began

    def wait(self, seconds: float, bounds: Bounds) -> None:
        """So much time has passed. A body that is waited for and comes slower than it must, too long, fails with `request_timeout`."""
        if not self.awaited:
            return
        slack = bounds.body_seconds if self._slack is None else self._slack
        earned = (self.received - self._mark) / bounds.slowest
        self._mark = self.received
        self._slack = min(bounds.body_seconds, slack + earned) - seconds
        if self._slack < 0:
            self.fail(CallerError("The body came too slowly.", reason="request_timeout"))

    def release(self) -> None:
        """The call is over: forget what is held."""
        self._memory.held -= self._held
        self._held = 0
        self._pieces.clear()
