"""What leaves the gate in one turn of the event loop leaves together, at the turn's end.

A write to a socket wakes whoever sleeps at its other end, which costs more than the write itself. Written back to back, many writes
wake it once; pieces for one socket even leave as one.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

HELD_BYTES = 64 * 1024
"""A socket's pieces wait only up to this size, so that its transport can say when it has enough."""


class Turn:
    """Collects what is written until the loop has done all that was ready."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def later(self, flush: Callable[[], None]) -> None:
        """Call `flush` at the end of this turn, in the order in which it was asked."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._end)
        self._waiting.append(flush)

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        for flush in waiting:
            try:
                flush()
            except Exception as error:
                # A bug with one socket; those that wait behind it lose nothing.
                asyncio.get_running_loop().call_exception_handler({"message": "A write failed", "exception": error})

    def batch(self, transport: asyncio.BaseTransport) -> asyncio.Transport:
        """The same transport, whose writes wait for the turn's end."""
        return cast(asyncio.Transport, Batched(cast(asyncio.Transport, transport), self))


class Batched:
    """A transport that writes at the end of a turn. All but writing goes straight to the one beneath."""

    __slots__ = ("_held", "_pieces", "_transport", "_turn")

    def __init__(self, transport: asyncio.Transport, turn: Turn) -> None:
        self._transport = transport
        self._turn = turn
        self._pieces: list[bytes] = []
        self._held = 0

    def write(self, data: bytes) -> None:
        """Written when the turn ends, or before the transport is closed."""
        pieces = self._pieces
        if not pieces:
            self._turn.later(self.flush)
        pieces.append(data)
        self._held += len(data)
        if self._held > HELD_BYTES:
            self.flush()

    def writelines(self, pieces: "tuple[bytes, ...] | list[bytes]") -> None:
        """As `write`, for each."""
        for piece in pieces:
            self.write(piece)

    def flush(self) -> None:
        """Write now. A transport that was closed meanwhile takes nothing."""
        pieces = self._pieces
        if not pieces:
            return
        self._pieces = []
        self._held = 0
        if self._transport.is_closing():
            return
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        else:
            self._transport.writelines(pieces)

    def close(self) -> None:
        """Close behind what was written."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what has not left is lost."""
        self._pieces = []
        self._held = 0
        self._transport.abort()

    def write_eof(self) -> None:
        """End the writing side behind what was written."""
        self.flush()
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        """Bytes that have not left, those of this turn included."""
        return self._transport.get_write_buffer_size() + self._held

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
