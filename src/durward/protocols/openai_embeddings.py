"""OpenAI's embeddings: text or tokens in, vectors and a count out."""

import msgspec

from durward.calls.errors import CallerError, DurwardError
from durward.protocols.members import UNREADABLE, Governed, Members, governed_members, join, read_body
from durward.protocols.openai_chat_stream import ChatReader
from durward.protocols.openai_claims import claimed_tags, claimed_user
from durward.protocols.openai_embeddings_shapes import Request, WholeAnswer
from durward.protocols.openai_errors import write_chat_error_event, write_error
from durward.protocols.openai_objects import KINDS, says, survey
from durward.protocols.openai_usage import loosely, read_usage, usage_of
from durward.protocols.openai_usage_shapes import NOTHING
from durward.protocols.scanning import Shape
from durward.protocols.wire import Answer, ModelRequest, Rendered, StreamReader, Wire

PLAIN = frozenset({"model", "input", "encoding_format", "dimensions"})
BEYOND_TEXT = frozenset(["messages", "image", *KINDS])
GOVERNED = Governed([*PLAIN, *BEYOND_TEXT, "user", "safety_identifier", "metadata"])
SHAPE = Shape({"input": object})
BYTES_A_TOKEN = 4
"""Text is estimated at four bytes a token; an input of tokens counts as that much text."""


_REQUEST = msgspec.json.Decoder(Request)
_TEXTS = msgspec.json.Decoder(list[str])
_ANSWER = msgspec.json.Decoder(WholeAnswer)
_QUOTE, _BRACE = b'"{'


class OpenAIEmbeddings:
    """`POST /v1/embeddings`."""

    name = "openai_embeddings"
    wire: Wire = "openai"

    def read(self, body: bytes, model: str, stream: bool | None) -> ModelRequest:
        """See `ModelProtocol`; nothing is streamed."""
        read = read_body(body, GOVERNED, SHAPE)
        members = read.members
        asked = governed_members(body, read, _REQUEST)
        if not asked.model:
            raise CallerError("The body names no model.", param="model")
        text_bytes = _text_bytes(members)
        request = ModelRequest(asked.model, False, read, 0, text_bytes or 0)
        rare = not PLAIN.issuperset(members)
        if rare:
            request.claimed_user = claimed_user(members.get("safety_identifier"), members.get("user"))
            request.tags = claimed_tags(members.get("metadata"))
        if text_bytes is None or (rare and says(members, BEYOND_TEXT)):
            found = survey(members, ("input", *BEYOND_TEXT))
            request.bounded = False
            request.objects = found.objects
            request.text_bytes = len(body) - found.media_bytes
        return request

    def write(self, request: ModelRequest, model: str, ask_usage: bool) -> bytes:
        """See `ModelProtocol`. Usage comes unasked in this wire."""
        return request.body.written(None if model == request.model else {"model": join(model)})

    def answer(self, body: bytes) -> Answer:
        """See `ModelProtocol`. Only model and usage are decoded."""
        try:
            told = _ANSWER.decode(body)
        except UNREADABLE:
            loose = loosely(body)
            model = loose.get("model")
            return Answer(usage_of(loose), model if isinstance(model, str) else "")
        return Answer(read_usage(told.usage, None), told.model or "")

    def stream(self, request: ModelRequest, hide_usage: bool) -> StreamReader:
        """See `ModelProtocol`. No provider is known to stream embeddings; if one does, its bytes pass as chunks do."""
        return ChatReader(1, hide_usage=False)

    def write_error(self, error: DurwardError, call: str) -> Rendered:
        """See `ModelProtocol`."""
        return write_error(error, call)

    def write_error_event(self, error: DurwardError, call: str) -> bytes:
        """See `ModelProtocol`."""
        return write_chat_error_event(error, call)


def _text_bytes(members: Members) -> int | None:
    """Upper bound of the input's text; None where it is neither text nor tokens."""
    raw = bytes(members.get("input", NOTHING))
    if raw.startswith(b'"'):
        return len(raw)
    if not raw.startswith(b"["):
        return None
    if _QUOTE not in raw and _BRACE not in raw:
        return BYTES_A_TOKEN * (raw.count(b",") + 1)
    try:
        _TEXTS.decode(raw)
    except msgspec.ValidationError:
        return None
    return len(raw)


OPENAI_EMBEDDINGS = OpenAIEmbeddings()
