"""What leaves the gate in one turn of the event loop leaves together, at the turn's end.

A write to a socket wakes whoever sleeps at its other end, which costs more than the write itself. Written back to back, many writes
wake it once; pieces for one socket even leave as one. Only the middle of a stream leaves at once (`pass_on`): no line of the journal
hangs on it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from durward.calls.errors import GateError
from durward.records.pending import ALL_KEPT, Kept

HELD_BYTES = 64 * 1024
"""A caller's pieces wait only up to this size, so that its transport can say when it has enough. They cost less copied into one than
handed over one by one."""
ASKED_BYTES = 256 * 1024
"""As much for an upstream. A long prompt is smaller: written before the turn's end, it would have the journal write its line alone."""


class Turn:
    """Collects what is written until the loop has done all that was ready; then the journal's lines come first.

    `guard` is what keeps those lines. What it could not keep holds back what hangs on it: the requests of calls whose beginning is in no
    file, the answers of calls whose end is in none.
    """

    def __init__(self) -> None:
        self._waiting: list[Batched] = []
        self._scheduled = False
        self._guard: Callable[[], Kept] = _nothing_to_keep

    def guard(self, commit: Callable[[], Kept]) -> None:
        """Have `commit` called before anything leaves."""
        self._guard = commit

    def schedule(self) -> None:
        """See to it that this turn has an end."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._end)

    def later(self, batched: "Batched") -> None:
        """Write out what `batched` holds at the end of this turn, in the order in which it was asked."""
        self._waiting.append(batched)
        self.schedule()

    def _end(self) -> None:
        self._scheduled = False
        self.commit()
        waiting, self._waiting = self._waiting, []
        for batched in waiting:
            try:
                batched.write_out()
            except Exception as error:
                # A bug with one socket; those that wait behind it lose nothing.
                asyncio.get_running_loop().call_exception_handler({"message": "A write failed", "exception": error})

    def commit(self) -> None:
        """Keep the journal's lines; drop what may not leave without those that could not be kept."""
        kept = self._guard()
        if kept is not ALL_KEPT:
            for batched in self._waiting:
                if not (kept.beginnings if batched.upstream else kept.ends):
                    batched.lose()

    def callers(self, transport: asyncio.BaseTransport) -> "Batched":
        """A caller's transport, whose writes wait for the turn's end."""
        return Batched(cast(asyncio.Transport, transport), self, upstream=False)

    def upstreams(self, transport: asyncio.BaseTransport) -> asyncio.Transport:
        """An upstream's transport, whose writes wait for the turn's end."""
        return cast(asyncio.Transport, Batched(cast(asyncio.Transport, transport), self, upstream=True))


def _nothing_to_keep() -> Kept:
    return ALL_KEPT


class Failing(Protocol):
    """The protocol of an upstream's transport, as far as it is needed here."""

    def fail(self, error: BaseException) -> None:
        """Close at once; who waits gets `error`."""


class Batched:
    """A transport that writes at the end of a turn. All but writing goes straight to the one beneath."""

    __slots__ = ("_held", "_most", "_pieces", "_transport", "_turn", "upstream")

    def __init__(self, transport: asyncio.Transport, turn: Turn, upstream: bool) -> None:
        self.upstream = upstream
        self._transport = transport
        self._turn = turn
        self._pieces: list[bytes] = []
        self._held = 0
        self._most = ASKED_BYTES if upstream else HELD_BYTES

    def write(self, data: bytes) -> None:
        """Written when the turn ends, or before the transport is closed."""
        pieces = self._pieces
        if not pieces:
            self._turn.later(self)
        pieces.append(data)
        self._held += len(data)
        if self._held > self._most:
            self.flush()

    def pass_on(self, data: bytes) -> None:
        """Written at once, unless something waits before it."""
        if self._pieces:
            self.write(data)
        elif not self._transport.is_closing():
            self._transport.write(data)

    def writelines(self, pieces: "tuple[bytes, ...] | list[bytes]") -> None:
        """As `write`, for each."""
        for piece in pieces:
            self.write(piece)

    def flush(self) -> None:
        """Write now, before the turn ends."""
        if self._pieces:
            self._turn.commit()
            self.write_out()

    def lose(self) -> None:
        """Drop what was written: what the journal should say of it could not be kept."""
        if not self._pieces:
            return
        if self.upstream:
            error = GateError("The journal cannot be written.", reason="journal_unavailable")
            cast(Failing, self._transport.get_protocol()).fail(error)
        else:
            self.abort()

    def write_out(self) -> None:
        """Write what is held. A transport that was closed meanwhile takes nothing."""
        pieces = self._pieces
        if not pieces:
            return
        held = self._held
        self._pieces = []
        self._held = 0
        if self._transport.is_closing():
            return
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        elif held <= HELD_BYTES:
            self._transport.write(b"".join(pieces))
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

    # What is asked of the transport beneath as it is.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()
