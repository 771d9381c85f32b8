"""OpenAI's Responses: requests, plain answers, and streams of named events that end with `response.completed` or its like."""

from math import ceil

import msgspec

from durward.calls.errors import CallerError, DurwardError
from durward.protocols.members import UNREADABLE, Body, Governed, governed_members, join, read_body, size
from durward.protocols.openai_claims import claimed_session, claimed_tags, claimed_user
from durward.protocols.openai_errors import write_error, write_response_error_event
from durward.protocols.openai_objects import KINDS, says, survey
from durward.protocols.openai_responses_request_shapes import Asked, AskedInText, Item, Written
from durward.protocols.openai_responses_stream import ResponseReader, Told, made_by, used_by, used_later
from durward.protocols.openai_usage import loosely, usage_of
from durward.protocols.openai_usage_shapes import NOTHING
from durward.protocols.scanning import Shape
from durward.protocols.wire import Answer, ModelRequest, Rendered, StreamReader, Wire

PLAIN = frozenset(
    [
        *("model", "input", "instructions", "stream", "stream_options", "max_output_tokens", "tools", "tool_choice"),
        *("parallel_tool_calls", "reasoning", "text", "temperature", "top_p", "top_logprobs", "truncation", "include"),
        *("store", "background", "service_tier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
        *("max_tool_calls", "verbosity"),
    ]
)
"""Members that need no look beyond the typed ones. A body that holds no others is read with one question."""
BEYOND_TEXT = frozenset(["prompt", "context_management", "image", *KINDS])
"""Members with which more comes in, or out, than the text of the input."""
GOVERNED = Governed([*PLAIN, *BEYOND_TEXT, "user", "safety_identifier", "metadata", "client_metadata"])
SURVEYED = ("input", "tools", "prompt", *KINDS)
OWN_TOOLS = frozenset({"function", "custom", "namespace", "local_shell", "apply_patch"})
"""Tools that the caller itself runs."""
TEXT_PARTS = frozenset({"input_text", "output_text", "text", "refusal", "reasoning_text", "summary_text"})
TEXT_ITEMS = frozenset(
    [
        *("message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"),
        *("local_shell_call", "local_shell_call_output", "apply_patch_call", "apply_patch_call_output"),
    ]
)
_CONTENT = (str, [{"type": TEXT_PARTS, "file_id": (), ("type",): any}])
SHAPE = Shape(
    {
        "input": (
            None,
            str,
            [
                {
                    "type": TEXT_ITEMS,
                    "content": _CONTENT,
                    ("type", "content"): any,
                    "output": (None, str),
                    "encrypted_content": (None, str),
                }
            ],
        ),
        "tools": (None, [{"type": OWN_TOOLS, ("type",): any}]),
    }
)
"""Input and tools that hold nothing but text, as `_is_text` finds it. Thoughts need its closer look."""
MOST = 10**12
"""A bound of more output tokens than this bounds nothing."""


# What the input holds is looked at closely only where this decoder does not know all of it.
_IN_TEXT = msgspec.json.Decoder(AskedInText)
_ASKED = msgspec.json.Decoder(Asked)
_TOLD = msgspec.json.Decoder(Told)
_WRITTEN = msgspec.json.Decoder(Written)


class OpenAIResponses:
    """`POST /v1/responses`."""

    name = "openai_responses"
    wire: Wire = "openai"

    def read(self, body: bytes, model: str, stream: bool | None) -> ModelRequest:
        """See `ModelProtocol`; the body itself says model and stream. The model is "" where a stored prompt chooses it."""
        read = read_body(body, GOVERNED, SHAPE)
        asked = _read(body, read)
        if not asked.model and not says(read.members, ("prompt",)):
            raise CallerError("The body names no model.", param="model")
        request = ModelRequest(asked.model or "", bool(asked.stream), read, _most(asked), len(body))
        rare = not PLAIN.issuperset(read.names)
        if rare:
            members = read.members
            request.claimed_user = claimed_user(members.get("safety_identifier"), members.get("user"))
            request.tags = claimed_tags(members.get("metadata"))
            request.session = claimed_session(members.get("client_metadata"))
        if (rare and says(read.members, BEYOND_TEXT)) or not _is_text(asked):
            found = survey(read.members, SURVEYED)
            request.bounded = False
            request.objects = found.objects
            request.text_bytes -= found.media_bytes
        return request

    def write(self, request: ModelRequest, model: str, ask_usage: bool) -> bytes:
        """See `ModelProtocol`. Usage comes unasked in this wire."""
        return request.body.written({"model": join(model)} if model and model != request.model else None)

    def answer(self, body: bytes) -> Answer:
        """See `ModelProtocol`. A response that goes on in the background is not finished, and what it will cost is not known."""
        try:
            told = _TOLD.decode(body)
        except UNREADABLE:
            return _answer_loosely(body)
        usage = used_by(told)
        answer = Answer(usage, told.model or "", objects=tuple(dict.fromkeys(made_by(told))), finished=told.settled)
        if not told.settled and usage is None:
            answer.usage = used_later()
        elif usage is None:
            answer.text_bytes = size(_WRITTEN.decode(body).output)
        return answer

    def stream(self, request: ModelRequest, hide_usage: bool) -> StreamReader:
        """See `ModelProtocol`."""
        return ResponseReader(
            stored=not _is(request.body, "store", b"false"),
            background=_is(request.body, "background", b"true"),
        )

    def write_error(self, error: DurwardError, call: str) -> Rendered:
        """See `ModelProtocol`."""
        return write_error(error, call)

    def write_error_event(self, error: DurwardError, call: str) -> bytes:
        """See `ModelProtocol`."""
        return write_response_error_event(error, call)


def _read(text: bytes, body: Body) -> Asked:
    try:
        return _IN_TEXT.decode(text if body.outline is None else body.outline)
    except UNREADABLE:
        pass
    return governed_members(text, body, _ASKED)


def _most(asked: Asked) -> int | None:
    bound = asked.max_output_tokens
    return None if bound is None or not 0 < bound < MOST else ceil(bound)


def _is_text(asked: Asked) -> bool:
    """Whether input and tools hold nothing but text; what cannot be told at once counts as more."""
    if not isinstance(asked, AskedInText):
        return False
    if asked.tools and not all(tool.type in OWN_TOOLS for tool in asked.tools):
        return False
    return not isinstance(asked.input, list) or all(map(_is_text_item, asked.input))


def _is_text_item(item: Item) -> bool:
    content = item.content
    if isinstance(content, list) and not all(part.type in TEXT_PARTS and part.file_id is NOTHING for part in content):
        return False
    if item.type in TEXT_ITEMS:
        return True
    if item.type == "reasoning":
        # Without its content it stands for a stored one.
        return bool(item.encrypted_content or content)
    return item.type is None and content is not None


def _is(body: Body, name: str, value: bytes) -> bool:
    return name in body.names and bytes(body.members[name]) == value


def _answer_loosely(body: bytes) -> Answer:
    """An answer that is not as documented, as far as it can be understood."""
    told = loosely(body)
    model = told.get("model")
    return Answer(usage_of(told), model if isinstance(model, str) else "", len(body))


OPENAI_RESPONSES = OpenAIResponses()
