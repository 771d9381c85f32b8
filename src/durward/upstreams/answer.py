"""The final answer to one request: its head, and its body as the connection brings it."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from durward.calls.errors import UpstreamError
from durward.protocols.http1_answer import AnswerHead

UNREAD_BYTES: Final = 64 * 1024
"""How much of a body may lie unread before the upstream is no longer read from."""
HELD_BYTES: Final = 512 * 2**20


class Holding:
    """Counts the bytes of all answers that are read whole before anything of them is passed on."""

    __slots__ = ("held", "limit")

    def __init__(self, limit: int = HELD_BYTES) -> None:
        self.held = 0
        self.limit = limit


class Source(Protocol):
    """What an answer needs of the connection it comes from."""

    loop: asyncio.AbstractEventLoop
    holding: Holding

    def pause(self) -> None:
        """Read no more from the upstream. Does nothing when paused already."""

    def resume(self) -> None:
        """Read on. Does nothing when not paused."""

    def fail(self, error: BaseException) -> None:
        """Close at once; the answer ends with `error`."""


class Answer:
    """An `UpstreamAnswer`. One task at a time reads it; a read that is cancelled loses nothing.

    The connection calls `brought`, `finished` and `failed`, and knows the answer no more after one of the last two.
    """

    __slots__ = (
        *(
            "_counted",
            "_ended",
            "_error",
            "_holding",
            "_into",
            "_mark",
            "_pieces",
            "_source",
            "_stopped",
            "_unread",
            "_waiter",
            "_wanted",
        ),
        *("cookies", "fields", "forward", "length", "status"),
    )

    def __init__(self, head: AnswerHead, source: Source) -> None:
        self.status = head.status
        self.fields = head.fields
        self.forward = head.forward
        self.cookies = head.cookies
        self.length = head.length
        self._source: Source | None = source  # None once the connection is done with this answer
        self._pieces: list[bytes] = []
        self._unread = 0
        self._mark = UNREAD_BYTES
        self._ended = False
        self._error: BaseException | None = None
        self._into: Callable[[bytes], bool] | None = None
        self._stopped = False
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 0
        self._holding: Holding | None = None
        self._counted = 0

    async def chunk(self) -> bytes:
        """The next bytes of the body, b"" at its end. What came before a failure is handed out before the failure is raised."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._ended:
                return b""
            await self._more_than(0)
        return self._take()

    async def pour(self, into: Callable[[bytes], bool]) -> bool:
        """See `UpstreamAnswer`. No task has to wake for a piece; that is most of what a streamed event costs."""
        while True:
            if self._pieces:
                if not into(self._take()):
                    return True
            elif self._error is not None:
                raise self._error
            elif self._ended:
                return False
            else:
                self._stopped = False
                self._into = into
                try:
                    await self._more_than(0)
                finally:
                    self._into = None
                if self._stopped:
                    return True

    def ended(self) -> bool:
        """True once the last byte of the body has come."""
        return self._ended

    async def whole(self, limit: int) -> bytes | None:
        """The whole body if it has at most `limit` bytes, else None, and `chunk` hands out every byte.

        None, too, for a body that has not ended when all that are held take more than they may.
        """
        if self.length is not None and self.length > limit:
            return None
        source = self._source
        if source is not None and not await self._held(source.holding, limit):
            return None
        if self._unread > limit:
            return None
        if self._error is not None:
            raise self._error
        return self._take()

    async def _held(self, holding: Holding, limit: int) -> bool:
        """Wait for the end, the failure, or `limit`; False where there is no room to wait for them."""
        self._mark = max(limit, UNREAD_BYTES)
        self._holding = holding
        self._counted = self._unread
        holding.held += self._unread
        try:
            while not self._ended and self._error is None and self._unread <= limit:
                if holding.held > holding.limit:
                    return False
                await self._more_than(limit)
            return True
        finally:
            self._mark = UNREAD_BYTES
            self._holding = None
            holding.held -= self._counted

    def cancel(self) -> None:
        """Drop the rest: closes the connection unless the body had ended. Safe to call twice."""
        if self._source is not None:
            self._source.fail(UpstreamError("The answer was given up.", reason="upstream_cut"))

    def brought(self, pieces: list[bytes]) -> None:
        """More of the body has come."""
        into = self._into
        if into is not None and pieces and not self._stopped:
            if into(pieces[0] if len(pieces) == 1 else b"".join(pieces)):
                return
            self._stopped = True
            self._wake()
            return
        self._pieces += pieces
        unread = self._unread
        for piece in pieces:
            unread += len(piece)
        holding = self._holding
        if holding is not None:
            holding.held += unread - self._unread
            self._counted += unread - self._unread
            if holding.held > holding.limit:
                self._wake()
        self._unread = unread
        waiter = self._waiter
        if waiter is not None and unread > self._wanted:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        if unread > self._mark and self._source is not None:
            self._source.pause()

    def finished(self) -> None:
        """The body is complete."""
        self._ended = True
        self._source = None
        self._wake()

    def failed(self, error: BaseException) -> None:
        """The rest of the body will not come."""
        self._error = error
        self._source = None
        self._wake()

    def _more_than(self, unread: int) -> "asyncio.Future[None]":
        """Done when more than `unread` bytes lie unread, or the body ended or failed."""
        source = self._source
        assert source is not None
        source.resume()
        self._wanted = unread
        self._waiter = waiter = source.loop.create_future()
        return waiter

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        self._waiter = None

    def _take(self) -> bytes:
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._unread = 0
        return data
