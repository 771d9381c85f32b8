"""Which module speaks for a route: reads its bodies, follows its answers, renders its refusals and its listings."""

from typing import Protocol

from durward.calls.errors import DurwardError
from durward.calls.ports import UpstreamAnswer
from durward.protocols import anthropic_models, gemini_models, http, openai_models
from durward.protocols.anthropic import ANTHROPIC_COUNT, ANTHROPIC_MESSAGES
from durward.protocols.gemini import GEMINI_COUNT, GEMINI_EMBED, GEMINI_GENERATE
from durward.protocols.gemini_stream import GeminiStream
from durward.protocols.openai_chat import OPENAI_CHAT
from durward.protocols.openai_embeddings import OPENAI_EMBEDDINGS
from durward.protocols.openai_responses import OPENAI_RESPONSES
from durward.protocols.wire import ModelListing, ModelProtocol, ModelRequest, Rendered, StreamReader, Wire


class Speaker(Protocol):
    """Renders a refusal in the caller's own wire."""

    def write_error(self, error: DurwardError, call: str) -> Rendered:
        """See `ModelProtocol`."""

    def write_error_event(self, error: DurwardError, call: str) -> bytes:
        """See `ModelProtocol`."""


class Listing(Protocol):
    """Spells lists of models in one wire."""

    def write_models(self, models: list[ModelListing]) -> Rendered:
        """The whole list."""

    def write_model(self, model: ModelListing) -> Rendered:
        """One entry."""

    def read_models(self, body: bytes) -> list[str]:
        """The names in a provider's list. Raises UpstreamError `upstream_malformed`."""


class PlainHttp:
    """Speaks where no model wire does: RFC 9457, and nothing inside a body that has begun."""

    def write_error(self, error: DurwardError, call: str) -> Rendered:
        """See `protocols/http`."""
        return http.write_error(error, call)

    def write_error_event(self, error: DurwardError, call: str) -> bytes:
        """Opaque bytes have no place for an error: the cut itself tells it."""
        return b""


HTTP = PlainHttp()
PROTOCOLS: dict[str, ModelProtocol] = {
    protocol.name: protocol
    for protocol in (
        OPENAI_CHAT,
        OPENAI_RESPONSES,
        OPENAI_EMBEDDINGS,
        ANTHROPIC_MESSAGES,
        ANTHROPIC_COUNT,
        GEMINI_GENERATE,
        GEMINI_EMBED,
        GEMINI_COUNT,
    )
}
"""By the name that a route and a record use."""
LISTINGS: dict[Wire, Listing] = {"openai": openai_models, "anthropic": anthropic_models, "gemini": gemini_models}
_BY_WIRE: dict[Wire, Speaker] = {
    "openai": OPENAI_CHAT,
    "anthropic": ANTHROPIC_MESSAGES,
    "gemini": GEMINI_GENERATE,
}


def speaker_of(wire: Wire | None, protocol: str) -> Speaker:
    """Who renders a refusal of a route: its protocol, else its wire, else plain HTTP."""
    if wire is None:
        return HTTP
    return PROTOCOLS.get(protocol) or _BY_WIRE[wire]


def follow(protocol: ModelProtocol, request: ModelRequest, answer: UpstreamAnswer, hide: bool) -> StreamReader | None:
    """A reader for an answer that is a stream, by what the upstream says it sends; Gemini streams JSON arrays as well."""
    if b"content-encoding" in answer.fields:
        return None
    media = answer.fields.get(b"content-type", b"")
    if media.startswith(b"text/event-stream") or (request.stream and protocol.wire == "gemini"):
        return protocol.stream(request, hide)
    return None


def error_event(speaker: Speaker, reader: StreamReader, error: DurwardError, call: str) -> bytes:
    """The error inside a stream that `reader` follows and whose terminal event is not out; Gemini's arrays spell it as an element."""
    if isinstance(reader, GeminiStream):
        return reader.error_event(error, call)
    return speaker.write_error_event(error, call)
