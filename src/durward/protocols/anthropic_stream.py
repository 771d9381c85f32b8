"""Follows a streamed answer of the Anthropic wire: usage from its first and its last event, `message_stop` is terminal."""

import msgspec

from durward.calls.usage import Usage
from durward.protocols.anthropic_blocks import NOTHING, Block, files_of
from durward.protocols.anthropic_request import asks_hour_cache
from durward.protocols.anthropic_usage import ReportedUsage, merge, read_reported, to_usage
from durward.protocols.members import UNREADABLE
from durward.protocols.sse import EventSplitter, Unread, data_of, name_of
from durward.protocols.wire import ModelRequest, ObjectId

_DELTA = b"event: content_block_delta\ndata: "


class _Container(msgspec.Struct, gc=False):
    id: str | None = None


class _Message(msgspec.Struct, gc=False):
    model: str | None = None
    usage: msgspec.Raw = NOTHING
    container: _Container | None = None


class _Delta(msgspec.Struct, gc=False):
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    stop_reason: str | None = None
    container: _Container | None = None


class _Error(msgspec.Struct, gc=False):
    type: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    delta: _Delta | None = None
    message: _Message | None = None
    usage: msgspec.Raw = NOTHING
    content_block: Block | None = None
    error: _Error | None = None


class _TextDelta(msgspec.Struct, gc=False):
    """Nearly every event: the members of a delta that hold generated text."""

    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None


class _DeltaEvent(msgspec.Struct, gc=False):
    delta: _TextDelta


_event = msgspec.json.Decoder(_Event)
_delta_event = msgspec.json.Decoder(_DeltaEvent)


class AnthropicStream:
    """A `StreamReader`. What cannot be read passes and is simply not counted."""

    __slots__ = (
        "_held",
        "_reported",
        "_request",
        "_settled",
        "_splitter",
        "ended",
        "error",
        "finished",
        "model",
        "objects",
        "text_bytes",
        "unread",
        "usage",
    )

    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._splitter = EventSplitter()
        self._held: list[bytes] = []
        self._settled = False
        self._reported: ReportedUsage | None = None
        self.usage: Usage | None = None
        self.model = ""
        self.text_bytes = 0
        self.objects: list[ObjectId] = []
        self.ended = False
        self.finished = False
        self.error = ""
        self.unread = 0

    def feed(self, data: bytes) -> bytes:
        if self._settled:
            return data
        if self.ended:
            self._held.append(data)
            return b""
        events = self._splitter.feed(data)
        for place, event in enumerate(events):
            if self._read(event):
                self._held = [*events[place:], self._splitter.take_rest()]
                return b"".join(events[:place])
        return events[0] if len(events) == 1 else b"".join(events)

    def take_held(self) -> bytes:
        held = b"".join(self._held)
        self._held = []
        self._settled = True
        return held

    def finish(self) -> bytes:
        rest = self._splitter.take_rest()
        # Clients that read by lines take a last event without its blank line for whole, so it counts.
        if rest and not self._settled:
            self._read(rest)
        self.unread += not self._splitter.between
        return self.take_held() + rest

    def at_boundary(self) -> bool:
        return self._splitter.between and not self._settled

    def _read(self, event: bytes) -> bool:
        """Whether the event is terminal."""
        if event.startswith(_DELTA) and event.count(b"\n") == 3:
            try:
                delta = _delta_event.decode(event[len(_DELTA) : -2]).delta
            except UNREADABLE:
                return False
            text = delta.text or delta.partial_json or delta.thinking or ""
            self.text_bytes += len(text) if text.isascii() else len(text.encode())
        elif isinstance(event, Unread):
            self.unread += event.endswith((b"\n", b"\r"))
        elif data := data_of(event):
            self._read_rare(name_of(event), data)
        return self.ended

    def _read_rare(self, name: bytes, data: bytes) -> None:
        try:
            event = _event.decode(data)
        except UNREADABLE:
            event = _Event()
        kind = event.type or name.decode("ascii", "replace")
        if kind == "error" or name == b"error":
            self.error = (event.error.type if event.error is not None else None) or "error"
            self.ended = True
        elif kind == "message_stop":
            self.ended = True
        elif kind == "message_start" and event.message is not None:
            self.model = event.message.model or ""
            self._note_usage(event.message.usage)
            self._note_container(event.message.container)
        elif kind == "message_delta":
            self._note_usage(event.usage)
            if event.delta is not None:
                self.finished = event.delta.stop_reason is not None
                self._note_container(event.delta.container)
        elif event.content_block is not None:
            self.objects += files_of(event.content_block)
        elif event.delta is not None:
            delta = event.delta
            self.text_bytes += len((delta.text or delta.partial_json or delta.thinking or "").encode())

    def _note_usage(self, raw: msgspec.Raw) -> None:
        reported = read_reported(raw)
        if reported is None:
            return
        self._reported = reported if self._reported is None else merge(self._reported, reported)
        self.usage = to_usage(self._reported, raw, self._asks_hour_cache)

    def _asks_hour_cache(self) -> bool:
        return asks_hour_cache(self._request)

    def _note_container(self, container: _Container | None) -> None:
        if container is not None and container.id is not None and ("container", container.id) not in self.objects:
            self.objects.append(("container", container.id))
