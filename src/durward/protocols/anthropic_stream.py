"""Follows a streamed answer of the Anthropic wire: usage from its first and its last event, `message_stop` is terminal."""

from typing import Final

import msgspec

from durward.protocols.anthropic_blocks import files_of
from durward.protocols.anthropic_request import asks_hour_cache
from durward.protocols.anthropic_shapes import Container, DeltaEvent, Event
from durward.protocols.anthropic_usage import ReportedUsage, merge, read_reported, to_usage
from durward.protocols.event_reader import EventReader
from durward.protocols.likeness import length_of
from durward.protocols.members import UNREADABLE
from durward.protocols.sse import data_of, name_of
from durward.protocols.wire import ModelRequest

_DELTA: Final = b"event: content_block_delta\ndata: "
_event: Final = msgspec.json.Decoder(Event)
_delta_event: Final = msgspec.json.Decoder(DeltaEvent)


class AnthropicStream(EventReader):
    """A `StreamReader`. What cannot be read passes and is simply not counted."""

    __slots__ = ("_hour_cache", "_reported")

    def __init__(self, request: ModelRequest) -> None:
        super().__init__()
        # Looked at now: the request is not held for as long as its answer lasts.
        self._hour_cache = asks_hour_cache(request)
        self._reported: ReportedUsage | None = None

    def see(self, event: bytes) -> bool:
        """Read one event. `message_stop` and errors are terminal."""
        if _is_delta(event):
            self.text_bytes += max(0, self.weigh(event))
        elif data := data_of(event):
            self._read_rare(name_of(event), data)
        return not self.ended

    def weigh(self, event: bytes) -> int:
        """See `EventReader`."""
        if not _is_delta(event):
            return -1
        try:
            delta = _delta_event.decode(event[len(_DELTA) : -2]).delta
        except UNREADABLE:
            return -1
        return length_of(delta.text or delta.partial_json or delta.thinking)

    def _read_rare(self, name: bytes, data: bytes) -> None:
        try:
            event = _event.decode(data)
        except UNREADABLE:
            event = Event()
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
            self.text_bytes += length_of(delta.text or delta.partial_json or delta.thinking)

    def _note_usage(self, raw: msgspec.Raw) -> None:
        reported = read_reported(raw)
        if reported is None:
            return
        self._reported = reported if self._reported is None else merge(self._reported, reported)
        self._usage = to_usage(self._reported, raw, self._asks_hour_cache)

    def _asks_hour_cache(self) -> bool:
        return self._hour_cache

    def _note_container(self, container: Container | None) -> None:
        if container is not None and container.id is not None and ("container", container.id) not in self.objects:
            self.objects.append(("container", container.id))


def _is_delta(event: bytes) -> bool:
    """Whether this is generated text, in the form that nearly every event has."""
    return event.startswith(_DELTA) and event.count(b"\n") == 3
