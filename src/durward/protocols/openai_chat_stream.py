"""A streamed chat completion, chunk by chunk, to `[DONE]` or an error."""

from typing import Final

import msgspec

from durward.protocols.event_reader import EventReader
from durward.protocols.likeness import length_of
from durward.protocols.members import UNREADABLE
from durward.protocols.openai_chat_shapes import Called, Chunk, Citation, Delta, Used
from durward.protocols.openai_stream import error_name
from durward.protocols.openai_usage import SEARCH_FEE, loosely, read_usage, usage_of
from durward.protocols.openai_usage_shapes import NOTHING
from durward.protocols.sse import data_of, name_of

__all__ = ["ChatReader", "Citation", "Delta", "cites", "text_of"]

_CHUNK: Final = msgspec.json.Decoder(Chunk)
_USED: Final = msgspec.json.Decoder(Used)


class ChatReader(EventReader):
    """Reads a chat stream of `choices` choices; with `hide_usage` the chunk that tells nothing but usage is dropped."""

    __slots__ = ("_choices", "_cited", "_finished", "_hide")

    def __init__(self, choices: int, hide_usage: bool) -> None:
        super().__init__()
        self._choices = choices
        self._cited = False
        self._hide = hide_usage
        self._finished: set[int] = set()

    def see(self, event: bytes) -> bool:
        """Read one chunk. `[DONE]` and errors are terminal."""
        text = data_of(event)
        if not text:
            return True
        if text.startswith(b"[DONE]"):
            self.ended = True
            return False
        try:
            chunk = _CHUNK.decode(text)
        except UNREADABLE:
            return self._see_loosely(event, text)
        if chunk.model:
            self.model = chunk.model
        for choice in chunk.choices or ():
            if choice.finish_reason is not None:
                self._finish(choice.index)
            if (delta := choice.delta) is not None:
                self.text_bytes += text_of(delta)
                if delta.audio is not None or delta.annotations:
                    self._note(delta)
        if tells_no_more(chunk) and event.startswith(b"data"):
            return True
        return self._see_more(event, text, chunk)

    def weigh(self, event: bytes) -> int:
        """See `EventReader`."""
        if not event.startswith(b"data"):
            return -1
        try:
            chunk = _CHUNK.decode(data_of(event))
        except UNREADABLE:
            return -1
        said = 0
        for choice in chunk.choices or ():
            if choice.finish_reason is not None:
                return -1
            if (delta := choice.delta) is not None:
                if delta.audio is not None or delta.annotations:
                    return -1
                said += text_of(delta)
        return said if tells_no_more(chunk) else -1

    def _see_more(self, event: bytes, text: bytes, chunk: Chunk) -> bool:
        """What stands in few chunks: usage and errors."""
        if chunk.usage is not None:
            self._take_usage(_USED.decode(text).usage, chunk.service_tier)
        elif chunk.x_groq is not None and chunk.x_groq.usage is not NOTHING:
            self._take_usage(chunk.x_groq.usage, chunk.service_tier)
        if chunk.error is not NOTHING or not event.startswith(b"data"):
            self._check(event, text)
        if self.ended:
            return False
        return chunk.usage is None or bool(chunk.choices) or not self._hide

    def _note(self, delta: Delta) -> None:
        if delta.audio is not None and delta.audio.id and ("audio", delta.audio.id) not in self.objects:
            self.objects.append(("audio", delta.audio.id))
        if delta.annotations and cites(delta.annotations):
            self._cited = True

    def _finish(self, index: int) -> None:
        self._finished.add(index)
        self.finished = len(self._finished) >= self._choices

    def _take_usage(self, raw: msgspec.Raw, service_tier: str | None) -> None:
        usage = read_usage(raw, service_tier)
        if usage is not None:
            if self._cited:
                usage.fees.setdefault(SEARCH_FEE, 1)
            self._usage = usage

    def _check(self, event: bytes, text: bytes) -> None:
        """End at an error: a chunk that holds one, or an event of that name."""
        error = loosely(text).get("error")
        if error or name_of(event) == b"error":
            self.ended = True
            self.finished = False
            self.error = error_name(error)

    def _see_loosely(self, event: bytes, text: bytes) -> bool:
        """A chunk that is not as documented: its usage, error and finish still count, its text by its bytes."""
        told = loosely(text)
        self._check(event, text)
        choices = told.get("choices")
        usage = usage_of(told)
        if usage is not None:
            self._usage = usage
        if not isinstance(choices, list) or not choices:
            return not self.ended and (usage is None or not self._hide)
        self.text_bytes += len(text)
        for choice in choices:
            if isinstance(choice, dict) and choice.get("finish_reason") is not None:
                index = choice.get("index")
                self._finish(index if isinstance(index, int) else 0)
        return not self.ended


def tells_no_more(chunk: Chunk) -> bool:
    """Whether a chunk tells nothing beside its choices."""
    return chunk.usage is None and chunk.x_groq is None and chunk.error is NOTHING


def text_of(said: Delta) -> int:
    """The UTF-8 bytes of generated text, tool names and arguments included."""
    content = said.content
    count = 0
    if content:
        count = len(content) if content.isascii() else len(content.encode())
    if said.reasoning_content or said.reasoning:
        # Some hosts say the same under both names.
        count += length_of(said.reasoning_content or said.reasoning)
    if said.tool_calls is not None or said.refusal or said.function_call is not None or said.audio is not None:
        count += _length_of_rest(said)
    return count


def _length_of_rest(said: Delta) -> int:
    count = length_of(said.refusal)
    for call in said.tool_calls or ():
        count += _length_of_call(call.function or call.custom)
    if said.audio is not None:
        count += length_of(said.audio.transcript)
    return count + _length_of_call(said.function_call)


def _length_of_call(called: Called | None) -> int:
    if called is None:
        return 0
    return length_of(called.name) + length_of(called.arguments) + length_of(called.input)


def cites(annotations: list[Citation]) -> bool:
    """Whether a text names pages of the web. Models that search by themselves tell it so, not in the usage."""
    return any(citation.type == "url_citation" for citation in annotations)
