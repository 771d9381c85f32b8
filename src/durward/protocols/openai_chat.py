"""OpenAI's chat completions: requests, plain answers, and streams of chunks that end with `[DONE]`.

The hosts that speak this wire differ in what they add; a chunk or an answer that is not as documented is relayed all the same.
"""

from math import ceil

import msgspec

from durward.calls.errors import CallerError, DurwardError
from durward.protocols.members import UNREADABLE, Governed, Members, join, malformed, read_members, typed, wrong_type
from durward.protocols.openai_chat_stream import ChatReader, Citation, Delta, cites, text_of
from durward.protocols.openai_claims import claimed_tags, claimed_user
from durward.protocols.openai_errors import write_chat_error_event, write_error
from durward.protocols.openai_objects import KINDS, says, survey
from durward.protocols.openai_usage import SEARCH_FEE, loosely, read_usage, usage_of
from durward.protocols.openai_usage_shapes import NOTHING
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


class _Message(msgspec.Struct, gc=False):
    content: msgspec.Raw = NOTHING
    audio: msgspec.Raw = NOTHING


class _Part(msgspec.Struct, gc=False):
    type: str = "text"
    file_id: msgspec.Raw = NOTHING


class _Tool(msgspec.Struct, gc=False):
    type: str = "function"


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class _Request(msgspec.Struct, gc=False):
    model: str = ""
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | float | None = None
    max_completion_tokens: int | float | None = None
    n: int | None = None
    messages: list[_Message] | None = None
    tools: list[_Tool] | None = None


class _WholeMessage(msgspec.Struct, gc=False):
    annotations: list[Citation] | None = None


class _WholeChoice(msgspec.Struct, gc=False):
    message: _WholeMessage | None = None


class _Answer(msgspec.Struct, gc=False):
    model: str | None = None
    choices: list[_WholeChoice] | None = None
    usage: msgspec.Raw = NOTHING
    service_tier: str | None = None


class _SpokenChoice(msgspec.Struct, gc=False):
    message: Delta | None = None


class _Spoken(msgspec.Struct, gc=False):
    choices: list[_SpokenChoice] | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_PARTS: msgspec.json.Decoder[list[_Part] | None] = msgspec.json.Decoder(list[_Part] | None)
_ANSWER = msgspec.json.Decoder(_Answer)
_SPOKEN = msgspec.json.Decoder(_Spoken)
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
        members = read_members(body, GOVERNED)
        try:
            asked = _REQUEST.decode(body)
        except msgspec.ValidationError as error:
            raise wrong_type(error) from None
        except UNREADABLE as error:
            raise malformed(error) from None
        if not asked.model:
            raise CallerError("The body names no model.", param="model")
        request = ModelRequest(asked.model, bool(asked.stream), members, _most(asked), len(body))
        if asked.stream_options is not None:
            request.wants_usage = bool(asked.stream_options.include_usage)
        rare = not PLAIN.issuperset(members)
        if rare:
            _read_rare(request)
        if (rare and says(members, BEYOND_TEXT)) or not _is_text(asked):
            _look_closer(request)
        return request

    def write(self, request: ModelRequest, model: str, ask_usage: bool) -> bytes:
        """See `ModelProtocol`. Other stream options stay as they are."""
        members = request.members
        if ask_usage or model != request.model:
            members = members.copy()
            if model != request.model:
                members["model"] = msgspec.Raw(msgspec.json.encode(model))
            if ask_usage:
                members["stream_options"] = _asking(members.get("stream_options"))
        return join(members)

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
    members = request.members
    if further := typed(members, "models", _NAMES):
        request.further_models = tuple(name for name in further if name != request.model)
    request.claimed_user = claimed_user(members.get("safety_identifier"), members.get("user"))
    request.tags = claimed_tags(members.get("metadata"))


def _most(asked: _Request) -> int | None:
    """The most output tokens of all choices together; hosts take a bound that is not positive for none."""
    bound = asked.max_completion_tokens
    if bound is None:
        bound = asked.max_tokens
    elif asked.max_tokens is not None:
        bound = max(bound, asked.max_tokens)
    if bound is None or not 0 < bound < MOST:
        return None
    return ceil(bound) * max(1, asked.n or 1)


def _is_text(asked: _Request) -> bool:
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
    found = survey(request.members, SURVEYED)
    request.bounded = False
    request.objects = found.objects
    request.text_bytes -= found.media_bytes


def _asking(options: msgspec.Raw | None) -> msgspec.Raw:
    # `read` has seen to it that this is an object or null.
    kept = {} if options is None else _OPTIONAL.decode(options) or {}
    return msgspec.Raw(join({**kept, "include_usage": _TRUE}))


def _choices(request: ModelRequest) -> int:
    count = typed(request.members, "n", _COUNT)
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
