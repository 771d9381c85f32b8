"""A streamed chat completion, chunk by chunk, to `[DONE]` or an error."""

import msgspec

from durward.protocols.members import UNREADABLE
from durward.protocols.openai_stream import EventReader, error_name, length_of
from durward.protocols.openai_usage import SEARCH_FEE, loosely, read_usage, usage_of
from durward.protocols.openai_usage_shapes import NOTHING, Reported
from durward.protocols.sse import data_of, name_of


class Called(msgspec.Struct, gc=False):
    """What a tool call says: a function's name and arguments, or a custom tool's name and input."""

    name: str | None = None
    arguments: str | None = None
    input: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    """One tool call, or the next piece of one."""

    function: Called | None = None
    custom: Called | None = None


class Audio(msgspec.Struct, gc=False):
    """Spoken output: the id by which it can be named again, and what was said."""

    id: str | None = None
    transcript: str | None = None


class Citation(msgspec.Struct, gc=False):
    """One annotation of a text."""

    type: str = ""


class Delta(msgspec.Struct, gc=False):
    """A message of a plain answer, or the next piece of one in a stream; reasoning has one name per host."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Called | None = None
    audio: Audio | None = None
    annotations: list[Citation] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: Delta | None = None
    finish_reason: str | None = None
    index: int = 0


class _Groq(msgspec.Struct, gc=False):
    usage: msgspec.Raw = NOTHING


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Reported | None = None
    model: str | None = None
    service_tier: str | None = None
    x_groq: _Groq | None = None
    error: msgspec.Raw = NOTHING


class _Used(msgspec.Struct, gc=False):
    usage: msgspec.Raw = NOTHING


_CHUNK = msgspec.json.Decoder(_Chunk)
_USED = msgspec.json.Decoder(_Used)


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
        if chunk.usage is None and chunk.x_groq is None and chunk.error is NOTHING and event.startswith(b"data"):
            return True
        return self._see_more(event, text, chunk)

    def _see_more(self, event: bytes, text: bytes, chunk: _Chunk) -> bool:
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
            self.usage = usage

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
            self.usage = usage
        if not isinstance(choices, list) or not choices:
            return not self.ended and (usage is None or not self._hide)
        self.text_bytes += len(text)
        for choice in choices:
            if isinstance(choice, dict) and choice.get("finish_reason") is not None:
                index = choice.get("index")
                self._finish(index if isinstance(index, int) else 0)
        return not self.ended


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
