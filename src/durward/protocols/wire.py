"""What every model protocol offers, in the same words: read a request, write it on, follow an answer, render an error."""

from typing import Literal, NamedTuple, Protocol

from durward.calls.errors import DurwardError
from durward.calls.usage import Usage
from durward.protocols.members import Body

Wire = Literal["openai", "anthropic", "gemini"]
ObjectId = tuple[str, str]
"""(kind, id) of an object that a provider stores: ("response", "resp_1"), ("file", "file-1")."""


class ModelRequest:
    """A model call's body, read once."""

    __slots__ = (
        *("body", "bounded", "claimed_user", "further_models", "max_output", "model", "objects", "session"),
        *("stream", "tags", "text_bytes", "wants_usage"),
    )

    def __init__(
        self, model: str, stream: bool, body: Body, max_output: int | None = None, text_bytes: int = 0
    ) -> None:
        self.model = model
        self.stream = stream
        self.body = body
        self.max_output = max_output
        """The most output tokens that all choices together may have, None where the request names no bound."""
        self.text_bytes = text_bytes
        """Upper bound of the input's text in UTF-8 bytes (a token is at least one byte)."""
        self.bounded = True
        """False where the input holds more than text (images, audio, files, ids, server tools): no worst case can be computed."""
        self.wants_usage = False
        """OpenAI chat streams: the caller asked for the usage chunk itself."""
        self.claimed_user = ""
        self.session = ""
        """A session id that the body announces (Claude Code's metadata.user_id, Codex's client_metadata)."""
        self.tags: dict[str, str] = {}
        self.objects: tuple[ObjectId, ...] = ()
        """Stored objects that the request names; they must belong to the caller."""
        self.further_models: tuple[str, ...] = ()
        """Models with which the provider may answer instead of `model` (OpenRouter's `models`); the caller must be allowed each of them."""


class Answer:
    """What a whole (not streamed) answer told."""

    __slots__ = ("finished", "model", "objects", "text_bytes", "usage")

    def __init__(
        self,
        usage: Usage | None = None,
        model: str = "",
        text_bytes: int = 0,
        objects: tuple[ObjectId, ...] = (),
        *,
        finished: bool = True,
    ) -> None:
        self.usage = usage
        self.model = model
        self.text_bytes = text_bytes
        """UTF-8 bytes of the generated text, tool arguments included, for the estimate."""
        self.objects = objects
        """Stored objects that the answer shows for the first time."""
        self.finished = finished
        """As for a stream: a whole answer's numbers are final."""


class StreamReader:
    """Follows one streamed answer. Bytes go in as they come, bytes that may be released come out, unchanged.

    The terminal event, and all behind it, is held back until the caller of this reader has settled the call and takes it with
    `take_held`. A partial event is held back too; one larger than 1 MiB is let through unread, and `unread` counts it.
    """

    __slots__ = ("_usage", "ended", "error", "finished", "model", "objects", "text_bytes", "unread")

    def __init__(self) -> None:
        self.model = ""
        self.text_bytes = 0
        self.objects: list[ObjectId] = []
        self.ended = False
        """True once the terminal event is held back."""
        self.finished = False
        """True once the answer is known to be complete in content (finish reason seen), terminal event or not."""
        self.error = ""
        """The wire's error event was seen: its type or code; it is terminal too."""
        self.unread = 0
        self._usage: Usage | None = None

    @property
    def usage(self) -> Usage | None:
        """What the provider has reported so far; wires that repeat it in every chunk read only the one that is asked for."""
        return self._usage

    def feed(self, data: bytes) -> bytes:
        """Bytes that may be released now."""
        raise NotImplementedError

    def take_held(self) -> bytes:
        """What was held back, to be released after settling; later `feed`s then release everything at once."""
        raise NotImplementedError

    def finish(self) -> bytes:
        """The upstream ended: whatever was not yet released (also without a terminal event)."""
        raise NotImplementedError

    def at_boundary(self) -> bool:
        """True when what was released so far ends between two events, where an empty line does no harm."""
        raise NotImplementedError


class Rendered:
    """An answer of ours: status, header lines each ended by CRLF (no framing headers), body."""

    __slots__ = ("body", "lines", "status")

    def __init__(self, status: int, lines: bytes, body: bytes) -> None:
        self.status = status
        self.lines = lines
        self.body = body


class ModelListing(NamedTuple):
    """One model as `GET …/models` shows it."""

    name: str
    provider: str


class ModelProtocol(Protocol):
    """One module of `protocols/` that speaks model calls. The instance has no state."""

    name: str
    """The record's `protocol`: openai_chat, openai_responses, openai_embeddings, anthropic, anthropic_count,
    gemini, gemini_embed, gemini_count."""
    wire: Wire

    def read(self, body: bytes, model: str, stream: bool | None) -> ModelRequest:
        """Read a request body. `model` and `stream` come from the address where the wire puts them there (Gemini), else "" and None.

        Raises CallerError `malformed_json` (with the byte position), `bad_request`, `ambiguous_member`.
        """

    def write(self, request: ModelRequest, model: str, ask_usage: bool) -> bytes:
        """The members that were read, with the upstream's name of the model, and `stream_options.include_usage` if asked."""

    def answer(self, body: bytes) -> Answer:
        """Read a whole 2xx answer. Never raises: what cannot be read is simply not there."""

    def stream(self, request: ModelRequest, hide_usage: bool) -> StreamReader:
        """A reader for a streamed answer; `hide_usage` takes out the usage chunk that only the gate had asked for."""

    def write_error(self, error: DurwardError, call: str) -> Rendered:
        """The error in this wire's own shape: code = reason, message = what, remedy, call id."""

    def write_error_event(self, error: DurwardError, call: str) -> bytes:
        """The error as an event of this wire's stream, b"" where the wire has none."""
