"""Follows a streamed answer of the Gemini wire, as server-sent events or as a JSON array.

No event says that the stream is over. Once every candidate has finished, what follows is held back until the upstream ends, so that
the last bytes come after the record; later chunks' usage replaces earlier.
"""

from typing import Final

import msgspec

from durward.calls.errors import DurwardError
from durward.calls.usage import Usage
from durward.protocols.gemini_array import ArraySplitter, element_of
from durward.protocols.gemini_errors import error_body
from durward.protocols.gemini_shapes import NOTHING, Bare, Candidate, Chunk
from durward.protocols.gemini_usage import Grounding, grounding_fees, read_usage
from durward.protocols.members import UNREADABLE, size
from durward.protocols.sse import BOUND, EventSplitter, Piece, Unread, data_of
from durward.protocols.wire import StreamReader

__all__ = ["NOTHING", "GeminiStream", "read_chunk", "text_bytes_of"]

_chunk: Final = msgspec.json.Decoder(Chunk)
_bare: Final = msgspec.json.Decoder(Bare)


def read_chunk(data: bytes) -> Chunk | None:
    """Read a whole answer or a chunk; None where it cannot be read."""
    try:
        return _chunk.decode(data)
    except msgspec.ValidationError:
        pass
    except UNREADABLE:
        return None
    try:
        bare = _bare.decode(data)
    except UNREADABLE:
        return None
    finished = Candidate(finish_reason="unread") if b'"finishReason"' in data else Candidate()
    return Chunk([finished], bare.usage_metadata)


def text_bytes_of(candidate: Candidate) -> int:
    """UTF-8 bytes of what a candidate generated here; a call's arguments as they are spelled."""
    if candidate.content is None:
        return 0
    count = 0
    for part in candidate.content.parts or ():
        if text := part.text:
            count += len(text) if text.isascii() else len(text.encode())
        if part.function_call is not NOTHING:
            count += size(part.function_call)
        if part.executable_code is not NOTHING:
            count += size(part.executable_code)
    return count


class GeminiStream(StreamReader):
    """Follows Gemini's streams, server-sent events and arrays. What cannot be read passes and is simply not counted."""

    __slots__ = (
        "_array",
        "_begun",
        "_finished",
        "_groundings",
        "_held",
        "_held_bytes",
        "_in_large",
        "_reported",
        "_settled",
        "_shown",
        "_splitter",
    )

    def __init__(self) -> None:
        super().__init__()
        self._splitter: EventSplitter | ArraySplitter | None = None
        self._array = False
        self._begun = b""
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._in_large = False
        self._settled = False
        self._shown = False
        self._finished: dict[int, bool] = {}
        self._groundings: dict[int, Grounding] = {}
        self._reported = NOTHING

    @property
    def usage(self) -> Usage | None:
        """By the last chunk that told it: each counts from the beginning."""
        if self._reported is not NOTHING:
            self._usage = read_usage(self._reported) or self._usage
            self._reported = NOTHING
            if self._usage is not None and self._groundings:
                self._usage.fees = grounding_fees(self._groundings.values(), self.model)
        return self._usage

    def feed(self, data: bytes) -> bytes:
        if self._settled:
            return data
        if self.ended:
            self._held.append(data)
            return b""
        splitter = self._splitter
        if splitter is None:
            self._begun += data
            splitter = self._splitter = _splitter_for(self._begun)
            if splitter is None:
                return b""
            self._array = isinstance(splitter, ArraySplitter)
            data, self._begun = self._begun, b""
        pieces = splitter.feed(data)
        released = self._pass(pieces[0]) if len(pieces) == 1 else b"".join([self._pass(piece) for piece in pieces])
        self._in_large = self._in_large and not splitter.between
        if self._held_bytes > BOUND:
            self.ended = True
        if self.ended:
            self._held.append(splitter.take_rest())
        return released

    def take_held(self) -> bytes:
        self._settled = True
        held = self._begun + b"".join(self._held)
        self._begun = b""
        self._held = []
        return held + (self._splitter.take_rest() if self._splitter is not None else b"")

    def finish(self) -> bytes:
        released = b""
        if not self._settled and not self.ended and self._splitter is not None:
            # Clients that read by lines take a last event without its blank line for whole, so it counts.
            released = self._pass(self._splitter.take_rest())
        return released + self.take_held()

    def at_boundary(self) -> bool:
        return isinstance(self._splitter, EventSplitter) and self._splitter.between and not self._settled

    def error_event(self, error: DurwardError, call: str) -> bytes:
        """The error in the form of this stream: an event, or an element that leaves the array open."""
        body = error_body(error, call)
        if self._array:
            return (b",\r\n" if self._shown else b"[") + body
        return b"data: %b\r\n\r\n" % body

    def _pass(self, piece: Piece) -> bytes:
        """Read a piece, and release it unless it may be the last."""
        if isinstance(piece, Unread):
            self._count()
            return self._release(piece.content)
        if not self.ended:
            self._read(piece)
        return self._release(piece)

    def _count(self) -> None:
        """Note a piece of an event that is too large to be read."""
        if not self.ended:
            self.unread += not self._in_large
            self._in_large = True

    def _release(self, piece: bytes) -> bytes:
        if self.ended or self.finished:
            self._held.append(piece)
            self._held_bytes += len(piece)
            return b""
        self._shown = True
        if self._held:
            piece = b"".join(self._held) + piece
            self._held = []
            self._held_bytes = 0
        return piece

    def _read(self, piece: bytes) -> None:
        chunk = read_chunk(element_of(piece)) if self._array else _read_event(piece)
        if chunk is None:
            return
        if chunk.error is not None:
            self.error = chunk.error.status or str(chunk.error.code or "error")
            self.ended = True
            return
        self.model = chunk.model_version or self.model
        for candidate in chunk.candidates or ():
            self._note(candidate)
        blocked = chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None
        self.finished = blocked or (all(self._finished.values()) if self._finished else False)
        if chunk.usage_metadata is not NOTHING:
            self._reported = chunk.usage_metadata

    def _note(self, candidate: Candidate) -> None:
        index = candidate.index or 0
        self.text_bytes += text_bytes_of(candidate)
        self._finished[index] = candidate.finish_reason is not None or self._finished.get(index, False)
        if candidate.grounding_metadata is not None:
            self._groundings[index] = candidate.grounding_metadata


def _splitter_for(begun: bytes) -> EventSplitter | ArraySplitter | None:
    """What the first byte that is no white space tells: an array, or an error alone; else events."""
    first = begun.lstrip()[:1]
    if not first:
        return None
    return ArraySplitter() if first in b"[{" else EventSplitter()


def _read_event(event: bytes) -> Chunk | None:
    if event.startswith(b"data: ") and event.endswith(b"\r\n\r\n"):
        try:
            return _chunk.decode(event[6:-4])
        except UNREADABLE:
            # Perhaps it has further lines; that way is slower.
            pass
    data = data_of(event)
    return read_chunk(data) if data else None
