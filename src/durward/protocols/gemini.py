"""The Gemini wire: `models/<model>:<verb>` under `/v1` and `/v1beta`."""

import msgspec

from durward.calls.errors import DurwardError
from durward.protocols.gemini_errors import error_body, write_error
from durward.protocols.gemini_models import read_models, write_model, write_models
from durward.protocols.gemini_request import read_request, write_request
from durward.protocols.gemini_shapes import Embedded
from durward.protocols.gemini_stream import NOTHING, GeminiStream, read_chunk, text_bytes_of
from durward.protocols.gemini_usage import grounding_fees, read_usage
from durward.protocols.members import UNREADABLE
from durward.protocols.wire import Answer, ModelRequest, Rendered, Wire

__all__ = [
    "GEMINI_COUNT",
    "GEMINI_EMBED",
    "GEMINI_GENERATE",
    "read_models",
    "write_error",
    "write_model",
    "write_models",
]


class _Spoken:
    """What all verbs share. Model and stream stand in the address."""

    wire: Wire = "gemini"

    def read(self, body: bytes, model: str, stream: bool | None) -> ModelRequest:
        return read_request(body, model, stream)

    def write(self, request: ModelRequest, model: str, ask_usage: bool) -> bytes:
        return write_request(request, model)

    def write_error(self, error: DurwardError, call: str) -> Rendered:
        return write_error(error, call)

    def write_error_event(self, error: DurwardError, call: str) -> bytes:
        return b"data: %b\r\n\r\n" % error_body(error, call)

    def stream(self, request: ModelRequest, hide_usage: bool) -> GeminiStream:
        return GeminiStream()


class Generate(_Spoken):
    """`:generateContent` and `:streamGenerateContent`."""

    name = "gemini"

    def answer(self, body: bytes) -> Answer:
        chunk = read_chunk(body)
        if chunk is None:
            return Answer()
        candidates = chunk.candidates or []
        usage = None if chunk.usage_metadata is NOTHING else read_usage(chunk.usage_metadata)
        groundings = [each.grounding_metadata for each in candidates if each.grounding_metadata is not None]
        if usage is not None and groundings:
            usage.fees = grounding_fees(groundings, chunk.model_version or "")
        return Answer(usage, chunk.model_version or "", sum(map(text_bytes_of, candidates)))


_embedded = msgspec.json.Decoder(Embedded)


class Embed(_Spoken):
    """`:embedContent` and `:batchEmbedContents`. Older models report no usage."""

    name = "gemini_embed"

    def answer(self, body: bytes) -> Answer:
        try:
            raw = _embedded.decode(body).usage_metadata
        except UNREADABLE:
            return Answer()
        return Answer(None if raw is NOTHING else read_usage(raw))


class CountTokens(_Spoken):
    """`:countTokens`: what is counted is not used."""

    name = "gemini_count"

    def answer(self, body: bytes) -> Answer:
        return Answer()


GEMINI_GENERATE = Generate()
GEMINI_EMBED = Embed()
GEMINI_COUNT = CountTokens()
