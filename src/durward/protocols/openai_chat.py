"""OpenAI's chat completions: requests, plain answers, and streams of chunks that end with `[DONE]`.

The hosts that speak this wire differ in what they add; a chunk or an answer that is not as documented is relayed all the same.
"""

from math import ceil

import msgspec

from durward.calls.errors import CallerError, DurwardError
from durward.protocols.members import UNREADABLE, Governed, Members, governed_members, join, read_body, typed
from durward.protocols.openai_chat_shapes import Part, Request, Spoken, WholeAnswer
from durward.protocols.openai_chat_stream import ChatReader, cites, text_of
from durward.protocols.openai_claims import claimed_tags, claimed_user
from durward.protocols.openai_errors import write_chat_error_event, write_error
from durward.protocols.openai_objects import KINDS, says, survey
from durward.protocols.openai_usage import SEARCH_FEE, loosely, read_usage, usage_of
from durward.protocols.openai_usage_shapes import NOTHING
from durward.protocols.scanning import Shape
from durward.protocols.wire import Answer, ModelRequest, Rendered, StreamReader, Wire

PLAIN = frozenset(
    [
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "tools"),
        *(
            "frequency_penalty",
            "function_call",
            "functions",
            "logit_bias",
            "logprobs",
            "parallel_tool_calls",
            "prediction",
        ),
        *(
            "presence_penalty",
            "prompt_cache_key",
            "reasoning_effort",
            "response_format",
            "seed",
            "service_tier",
            "stop",
        ),
        *("store", "temperature", "tool_choice", "top_logprobs", "top_p", "verbosity"),
    ]
)
"""Members that need no look beyond the typed ones. A body that holds no others is read with one question."""
BEYOND_TEXT = frozenset(["models", "modalities", "audio", "web_search_options", "plugins", "search_parameters", *KINDS])
"""Members with which more comes in, or out, than the text of the messages."""
GOVERNED = Governed([*PLAIN, *BEYOND_TEXT, "user", "safety_identifier", "metadata"])
SURVEYED = ("messages", "tools", "plugins", *KINDS)
OWN_TOOLS = frozenset({"function", "custom"})
"""Tools that the caller itself runs."""
MOST = 10**12
"""A bound of more output tokens than this bounds nothing."""
TEXT_PARTS = frozenset({"text", "refusal", "thinking", "reasoning"})
SHAPE = Shape(
    {
        "messages": (None, [{"content": (None, str, [{"type": TEXT_PARTS, "file_id": ()}]), "audio": ()}]),
        "tools": (None, [{"type": OWN_TOOLS}]),
    }
)
"""Messages and tools that hold nothing but text, as `_is_text` finds it."""


_REQUEST = msgspec.json.Decoder(Request)
_PARTS: msgspec.json.Decoder[list[Part] | None] = msgspec.json.Decoder(list[Part] | None)
_ANSWER = msgspec.json.Decoder(WholeAnswer)
_SPOKEN = msgspec.json.Decoder(Spoken)
_OPTIONAL: msgspec.json.Decoder[Members | None] = msgspec.json.Decoder(Members | None)
_NAMES: msgspec.json.Decoder[list[str] | None] = msgspec.json.Decoder(list[str] | None)
_COUNT: msgspec.json.Decoder[int | None] = msgspec.json.Decoder(int | None)
_TRUE = msgspec.Raw(b"true")
(_QUOTE,) = b'"'


class OpenAIChat:
    """`POST /v1/chat/completions`."""

    name = "openai_chat"
    wire: Wire = "openai"

    def read(self, body: bytes, model: str, stream: bool | None) -> ModelRequest:
        """See `ModelProtocol`; the body itself says model and stream."""
        read = read_body(body, GOVERNED, SHAPE)
        asked = governed_members(body, read, _REQUEST)
        if not asked.model:
            raise CallerError("The body names no model.", param="model")
        request = ModelRequest(asked.model, bool(asked.stream), read, _most(asked), len(body))
        if asked.stream_options is not None:
            request.wants_usage = bool(asked.stream_options.include_usage)
        rare = not PLAIN.issuperset(read.names)
        if rare:
            _read_rare(request)
        if (rare and says(read.members, BEYOND_TEXT)) or not _is_text(asked):
            _look_closer(request)
        return request

    def write(self, request: ModelRequest, model: str, ask_usage: bool) -> bytes:
        """See `ModelProtocol`. Other stream options stay as they are."""
        changes: dict[str, bytes] = {}
        if model != request.model:
            changes["model"] = join(model)
        if ask_usage:
            changes["stream_options"] = _asking(request.body.get("stream_options"))
        return request.body.written(changes)

    def answer(self, body: bytes) -> Answer:
        """See `ModelProtocol`."""
        try:
            told = _ANSWER.decode(body)
        except UNREADABLE:
            return _answer_loosely(body)
        usage = read_usage(told.usage, told.service_tier)
        answer = Answer(usage, told.model or "")
        if usage is None or usage.split:
            _add_spoken(answer, body)
        if usage is None:
            return answer
        for choice in told.choices or ():
            if (message := choice.message) is not None and message.annotations and cites(message.annotations):
                usage.fees.setdefault(SEARCH_FEE, 1)
        return answer

    def stream(self, request: ModelRequest, hide_usage: bool) -> StreamReader:
        """See `ModelProtocol`."""
        return ChatReader(_choices(request), hide_usage)

    def write_error(self, error: DurwardError, call: str) -> Rendered:
        """See `ModelProtocol`."""
        return write_error(error, call)

    def write_error_event(self, error: DurwardError, call: str) -> bytes:
        """See `ModelProtocol`."""
        return write_chat_error_event(error, call)


def _read_rare(request: ModelRequest) -> None:
    members = request.body.members
    if further := typed(members, "models", _NAMES):
        request.further_models = tuple(name for name in further if name != request.model)
    request.claimed_user = claimed_user(members.get("safety_identifier"), members.get("user"))
    request.tags = claimed_tags(members.get("metadata"))


def _most(asked: Request) -> int | None:
    """The most output tokens of all choices together; hosts take a bound that is not positive for none."""
    bound = asked.max_completion_tokens
    if bound is None:
        bound = asked.max_tokens
    elif asked.max_tokens is not None:
        bound = max(bound, asked.max_tokens)
    if bound is None or not 0 < bound < MOST:
        return None
    return ceil(bound) * max(1, asked.n or 1)


def _is_text(asked: Request) -> bool:
    """Whether messages and tools hold nothing but text; what cannot be told at once counts as more."""
    for message in asked.messages or ():
        content = message.content
        if memoryview(content)[0] != _QUOTE and content is not NOTHING and not _are_text(content):
            return False
        if message.audio is not NOTHING:
            return False
    if asked.tools:
        return all(tool.type in OWN_TOOLS for tool in asked.tools)
    return True


def _are_text(parts: msgspec.Raw) -> bool:
    try:
        read = _PARTS.decode(parts)
    except msgspec.ValidationError:
        return False
    return all(part.type in TEXT_PARTS and part.file_id is NOTHING for part in read or ())


def _look_closer(request: ModelRequest) -> None:
    found = survey(request.body.members, SURVEYED)
    request.bounded = False
    request.objects = found.objects
    request.text_bytes -= found.media_bytes


def _asking(options: msgspec.Raw | None) -> bytes:
    # `read` has seen to it that this is an object or null.
    if options is None:
        return b'{"include_usage":true}'
    kept = _OPTIONAL.decode(options) or {}
    return join({**kept, "include_usage": _TRUE})


def _choices(request: ModelRequest) -> int:
    if "n" not in request.body.names:
        return 1
    count = typed(request.body.members, "n", _COUNT)
    return max(1, count or 1)


def _add_spoken(answer: Answer, body: bytes) -> None:
    """Measure the text, and note the ids under which audio can be named again."""
    try:
        spoken = _SPOKEN.decode(body)
    except UNREADABLE:
        answer.text_bytes = len(body)
        return
    for choice in spoken.choices or ():
        if (message := choice.message) is not None:
            answer.text_bytes += text_of(message)
            if message.audio is not None and message.audio.id:
                answer.objects = (*answer.objects, ("audio", message.audio.id))


def _answer_loosely(body: bytes) -> Answer:
    """An answer that is not as documented, as far as it can be understood."""
    told = loosely(body)
    model = told.get("model")
    return Answer(usage_of(told), model if isinstance(model, str) else "", len(body))


OPENAI_CHAT = OpenAIChat()
