"""Which module speaks for a route: reads its bodies, follows its answers, renders its refusals and its listings."""

from typing import Protocol

from durward.calls.errors import DurwardError
from durward.calls.ports import UpstreamAnswer
from durward.protocols import anthropic, gemini, http, openai_chat, openai_embeddings, openai_responses
from durward.protocols.wire import ModelListing, ModelProtocol, ModelRequest, Rendered, StreamReader, Wire


class Speaker(Protocol):
    """Renders a refusal in the caller's own wire."""

    def write_error(self, error: DurwardError, call: str) -> Rendered: ...

    def write_error_event(self, error: DurwardError, call: str) -> bytes: ...


class Listing(Protocol):
    """Spells lists of models."""

    def write_models(self, models: list[ModelListing]) -> Rendered: ...

    def write_model(self, model: ModelListing) -> Rendered: ...

    def read_models(self, body: bytes) -> list[str]: ...
