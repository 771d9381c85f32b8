"""What a request of the Anthropic wire asks, as far as the gate governs it: size, bounds, stored objects, who is claimed behind it."""

import re
from typing import TypeVar

import msgspec

from durward.calls.errors import CallerError
from durward.protocols.anthropic_blocks import Content, blocks_of
from durward.protocols.anthropic_request_shapes import Announced, Container, Edits, Message, Tool
from durward.protocols.members import Governed, Members, read_body, size, typed
from durward.protocols.objects import named_objects
from durward.protocols.scanning import Shape
from durward.protocols.wire import ModelRequest, ObjectId

T = TypeVar("T")

GOVERNED = Governed(
    [
        "model",
        "stream",
        "max_tokens",
        "metadata",
        "system",
        "messages",
        "tools",
        "container",
        "mcp_servers",
        "context_management",
    ],
    [
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "tool_choice",
        "thinking",
        "output_config",
        "cache_control",
        "service_tier",
    ],
)
FURTHER = frozenset({"system", "tools", "output_config", "container", "mcp_servers", "context_management", "metadata"})
HIDDEN_PROMPT_BYTES = 2_048
"""Tools and output schemas bring a prompt of the provider's own, of some hundred tokens, that the caller is charged for."""
TEXT_BLOCKS = frozenset({None, "text", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result"})
_TEXT = {"type": (None, TEXT_BLOCKS - {None}), "source": (None, str), "file_id": None}
_RESULT = {**_TEXT, "content": (None, str)}
_CONTENT = (None, str, [{**_TEXT, "content": (None, str, [_RESULT])}])
SHAPE = Shape(
    {
        "messages": [{"content": _CONTENT}],
        "system": _CONTENT,
        "tools": (None, [{"type": (None, frozenset({"custom"})), "model": (None, str)}]),
    }
)
"""Messages, system and tools that hold nothing but text, as the walk over them finds it."""
CLAIM_LENGTH = 128
TAGS_LIMIT = 10
TAG_LENGTH = 64


_text = msgspec.json.Decoder(str)
_flag = msgspec.json.Decoder(bool | None)
_count = msgspec.json.Decoder(int | None)
_messages = msgspec.json.Decoder(list[Message])
_system = msgspec.json.Decoder(Content)
_tools = msgspec.json.Decoder(list[Tool] | None)
_servers = msgspec.json.Decoder(list[msgspec.Raw] | None)
_container = msgspec.json.Decoder(str | Container | None)
_edits = msgspec.json.Decoder(Edits | None)
_metadata = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_announced = msgspec.json.Decoder(Announced)
_old_announcement = re.compile(
    r"user_\w+?_account_(?P<account>[0-9a-f-]*)_session_(?P<session>[0-9a-f-]{36})"
).fullmatch


def read_request(body: bytes) -> ModelRequest:
    """Read a body of `messages` or `count_tokens`. Raises CallerError `malformed_json`, `bad_request`, `ambiguous_member`."""
    read = read_body(body, GOVERNED, SHAPE)
    members = read.members
    model = typed(members, "model", _text)
    if not model:
        raise CallerError("The body names no model.", param="model")
    request = ModelRequest(
        model, typed(members, "stream", _flag) or False, read, max_output=typed(members, "max_tokens", _count)
    )
    if request.max_output is not None and request.max_output < 0:
        raise CallerError("The body's member `max_tokens` is negative.", param="max_tokens")
    content = _Content(read.outline is not None)
    if "messages" in members:
        request.text_bytes = size(members["messages"])
        for message in content.look(members, "messages", _messages) or ():
            if type(message.content) is not str:
                content.walk(message.content)
    if not FURTHER.isdisjoint(members):
        _read_further(members, request, content)
    request.text_bytes -= content.binary_bytes
    request.bounded = content.textual
    request.objects = tuple(content.objects)
    return request


def _read_further(members: Members, request: ModelRequest, content: "_Content") -> None:
    """The members that the smallest request does not have."""
    if "system" in members:
        request.text_bytes += size(members["system"])
        content.walk(content.look(members, "system", _system))
    if "tools" in members:
        request.text_bytes += size(members["tools"]) + HIDDEN_PROMPT_BYTES
        foreign = [tool for tool in content.look(members, "tools", _tools) or () if tool.type not in (None, "custom")]
        content.textual = content.textual and not foreign
        request.further_models = tuple(tool.model for tool in foreign if tool.model)
    if "output_config" in members:
        request.text_bytes += size(members["output_config"]) + HIDDEN_PROMPT_BYTES
    if "container" in members:
        content.note_container(content.read(members, "container", _container))
    servers = content.read(members, "mcp_servers", _servers)
    if servers:
        content.textual = False
    if "context_management" in members:
        edits = content.read(members, "context_management", _edits)
        # Compaction is a further sampling step with usage of its own.
        if edits is not None and any((edit.type or "").startswith("compact") for edit in edits.edits or ()):
            content.textual = False
    if "metadata" in members:
        _read_metadata(members, request)


class _Content:
    """What the walk over messages and system found: whether all is text, how much is not, and which stored objects are named."""

    __slots__ = ("_known", "binary_bytes", "objects", "textual")

    def __init__(self, known: bool) -> None:
        """`known`: messages, system and tools are as `SHAPE` says, so there is nothing to be found in them."""
        self._known = known
        self.textual = True
        self.binary_bytes = 0
        self.objects: list[ObjectId] = []

    def read(self, members: Members, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        """A member in the form that we know; None, and nothing is bounded, for a form that is new to us."""
        try:
            return typed(members, name, decoder)
        except CallerError as error:
            if error.reason != "bad_request":
                raise
            # Whether it is right is the provider's to say, but whatever objects it names must belong to the caller.
            self.textual = False
            self.objects += named_objects(bytes(members[name]))
            return None

    def look(self, members: Members, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        """A member of the shape, None where there is nothing to be found in it."""
        return None if self._known else self.read(members, name, decoder)

    def walk(self, content: Content) -> None:
        """Look at the blocks of a message. Raises CallerError `malformed_json` where they stand too deep in each other."""
        for block in blocks_of(content):
            if block.type not in TEXT_BLOCKS:
                self.textual = False
            if block.file_id is not None:
                self.textual = False
                self.objects.append(("file", block.file_id))
            if block.type == "base64":
                self.binary_bytes += size(block.data)

    def note_container(self, container: "str | Container | None") -> None:
        if container is None:
            return
        self.textual = False
        if isinstance(container, str):
            self.objects.append(("container", container))
            return
        if container.id is not None:
            self.objects.append(("container", container.id))
        self.objects += [("skill", skill.skill_id) for skill in container.skills or () if skill.type == "custom"]


def _read_metadata(members: Members, request: ModelRequest) -> None:
    """`user_id` is a claimed user, or Claude Code's announcement; other string members are tags."""
    for name, raw in (typed(members, "metadata", _metadata) or {}).items():
        try:
            value = _text.decode(raw)
        except msgspec.MsgspecError:
            continue
        if name == "user_id":
            request.claimed_user, request.session = _read_claim(value)
        elif len(request.tags) < TAGS_LIMIT and 0 < len(name) <= TAG_LENGTH and len(value) <= TAG_LENGTH:
            request.tags = {**request.tags, name: value}


def _read_claim(value: str) -> tuple[str, str]:
    if (old := _old_announcement(value)) is not None:
        return old["account"] or value[:CLAIM_LENGTH], old["session"]
    try:
        announced = _announced.decode(value)
    except (msgspec.MsgspecError, RecursionError):
        return value[:CLAIM_LENGTH], ""
    user = announced.account_uuid or announced.device_id or ("" if announced.session_id else value)
    return user[:CLAIM_LENGTH], (announced.session_id or "")[:CLAIM_LENGTH]


def asks_hour_cache(request: ModelRequest) -> bool:
    """Whether any part of the prompt asks to be cached for an hour instead of five minutes."""
    return request.body.says(b'"1h"')
