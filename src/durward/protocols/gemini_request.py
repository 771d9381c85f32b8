"""What a request of the Gemini wire asks, as far as the gate governs it. The API takes members in camelCase and in snake_case."""

from typing import Any, TypeVar

import msgspec

from durward.calls.errors import CallerError
from durward.protocols.gemini_request_shapes import (
    NOTHING,
    Config,
    Content,
    Part,
    Search,
)
from durward.protocols.members import DEPTH, Governed, Members, join, read_body, size, typed
from durward.protocols.objects import named_objects
from durward.protocols.scanning import Shape
from durward.protocols.wire import ModelRequest, ObjectId

T = TypeVar("T")

TWO_NAMES = {
    "systemInstruction": "system_instruction",
    "generationConfig": "generation_config",
    "cachedContent": "cached_content",
    "generateContentRequest": "generate_content_request",
}
GOVERNED = Governed(
    ["model", "contents", "content", "tools", "requests", *TWO_NAMES, *TWO_NAMES.values()],
    ["toolConfig", "tool_config", "safetySettings", "safety_settings", "taskType", "outputDimensionality", "title"],
)
PLAIN = frozenset({"contents", "generationConfig", "systemInstruction", "tools", "toolConfig", "safetySettings"})
CONTENTS = ("contents", "content")
FURTHER = frozenset(["model", "tools", "systemInstruction", "system_instruction", "cachedContent", "cached_content"])
DECLARED_TOOLS = frozenset({"functionDeclarations", "function_declarations"})
"""Every other tool runs at the provider."""
_DATA: dict[str, object] = {"inlineData": (), "inline_data": (), "fileData": None, "file_data": None}
_RESPONSE = (None, {"parts": None})
_CONTENT: dict[str, object] = {
    "parts": (None, [{**_DATA, "functionResponse": _RESPONSE, "function_response": _RESPONSE}])
}
_CONTENTS = (None, _CONTENT, [_CONTENT])
SHAPE = Shape(
    {
        "contents": _CONTENTS,
        "content": _CONTENTS,
        "systemInstruction": (None, _CONTENT),
        "system_instruction": (None, _CONTENT),
        "tools": (None, [{"functionDeclarations": object, "function_declarations": object, ...: ()}]),
    }
)
"""Contents and tools that hold nothing but text, as the walk over them finds it."""
STORE_TOOLS = frozenset({"fileSearch", "file_search"})


TEXT_PART = Part()


_text = msgspec.json.Decoder(str | None)
_contents = msgspec.json.Decoder(list[Content] | Content | None)
_content = msgspec.json.Decoder(Content | None)
_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None)
_search = msgspec.json.Decoder(Search | None)
# Numbers may come as strings (ProtoJSON), so this one is not strict.
_config = msgspec.json.Decoder(Config | None, strict=False)
_members = msgspec.json.Decoder(Members | None)
_many = msgspec.json.Decoder(list[Members] | None)


def read_request(body: bytes, model: str, stream: bool | None) -> ModelRequest:
    """Read a body of any of the wire's verbs; model and stream come from the address.

    Raises CallerError `malformed_json`, `bad_request`, `ambiguous_member`.
    """
    read = read_body(body, GOVERNED, SHAPE)
    members = read.members
    request = ModelRequest(model, bool(stream), read)
    reading = _Reading(request)
    reading.read_prompt(members, known=read.outline is not None)
    if members.keys() <= PLAIN:
        return request
    if (name := _named(members, "generateContentRequest")) is not None:
        inner = typed(members, name, _members)
        if inner is not None:
            GOVERNED.check(inner)
            reading.read_prompt(inner)
            read.replace(name, msgspec.Raw(join(inner)))
    if "requests" in members:
        many = typed(members, "requests", _many)
        for each in many or ():
            GOVERNED.check(each)
            reading.read_prompt(each)
        # Joined again: what is read here and what is read there must be one.
        read.replace("requests", msgspec.Raw(join(many)))
    return request


def write_request(request: ModelRequest, model: str) -> bytes:
    """The body for the upstream. The model stands in the address; where the body repeats it, it must be the same."""
    if model == request.model:
        return request.body.written()
    written = _renamed(request.body.members, model)
    name = _named(written, "generateContentRequest")
    if name is not None and (inner := typed(written, name, _members)) is not None:
        written[name] = msgspec.Raw(join(_renamed(inner, model)))
    if (many := typed(written, "requests", _many)) is not None:
        written["requests"] = msgspec.Raw(join([_renamed(each, model) for each in many]))
    return join(written)


def _renamed(members: Members, model: str) -> Members:
    if "model" not in members:
        return dict(members)
    return {**members, "model": msgspec.Raw(join(model if "/" in model else f"models/{model}"))}


def _named(members: Members, name: str) -> str | None:
    """The spelling in which a member came. Raises CallerError `ambiguous_member` where it came in both."""
    other = TWO_NAMES[name]
    if name in members:
        if other in members:
            raise CallerError(f"The body has both `{name}` and `{other}`.", reason="ambiguous_member", param=other)
        return name
    return other if other in members else None


class _Reading:
    """One walk over a request: adds up its text, and finds what is more than text."""

    __slots__ = ("_known", "_request")

    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._known = False

    def read_prompt(self, members: Members, known: bool = False) -> None:
        """`known`: contents, instruction and tools are as `SHAPE` says, so there is nothing to be found in them."""
        self._known = known
        request = self._request
        for name in CONTENTS:
            if name in members:
                request.text_bytes += size(members[name])
                self._walk(self._look(members, name, _contents))
        if (config := _named(members, "generationConfig")) is not None:
            request.text_bytes += size(members[config])
            request.max_output = _bound(typed(members, config, _config))
        if not FURTHER.isdisjoint(members):
            self._read_further(members)

    def _read_further(self, members: Members) -> None:
        """The members that the smallest request does not have."""
        request = self._request
        if (system := _named(members, "systemInstruction")) is not None:
            request.text_bytes += size(members[system])
            self._walk(self._look(members, system, _content))
        if "model" in members:
            self._check_model(members)
        if "tools" in members:
            request.text_bytes += size(members["tools"])
            for tool in self._look(members, "tools", _tools) or ():
                self._note_tool(tool)
        if (cached := _named(members, "cachedContent")) is not None:
            self._note("cached_content", typed(members, cached, _text) or "")

    def _check_model(self, members: Members) -> None:
        named = typed(members, "model", _text)
        if named is not None and named.removeprefix("models/") != self._request.model.removeprefix("models/"):
            raise CallerError("The body names another model than the address.", param="model")

    def _look(self, members: Members, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        """A member of the shape, None where there is nothing to be found in it."""
        return None if self._known else self._read(members, name, decoder)

    def _read(self, members: Members, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        """A member in the form that we know; None, and nothing is bounded, for a form that is new to us."""
        try:
            return typed(members, name, decoder)
        except CallerError as error:
            if error.reason != "bad_request":
                raise
            # Whether it is right is the provider's to say, but whatever objects it names must belong to the caller.
            self._request.bounded = False
            self._request.objects += named_objects(bytes(members[name]))
            return None

    def _walk(self, contents: list[Content] | Content | None) -> None:
        for content in contents if isinstance(contents, list) else (contents,):
            if content is not None and content.parts:
                self._walk_parts(content.parts)

    def _walk_parts(self, parts: list[Part], depth: int = 0) -> None:
        if depth > DEPTH:
            raise CallerError(f"Parts stand more than {DEPTH} deep in each other.", reason="malformed_json")
        for part in parts:
            if part == TEXT_PART:
                continue
            for inline in (part.inline, part.inline_data):
                if inline is not NOTHING:
                    self._request.bounded = False
                    self._request.text_bytes -= size(inline)
            for file in (part.file, part.file_data):
                if file is not None:
                    self._note("file", file.uri or "")
                    self._note("file", file.file_uri or "")
            for response in (part.response, part.function_response):
                if response is not None and response.parts:
                    self._walk_parts(response.parts, depth + 1)

    def _note_tool(self, tool: dict[str, msgspec.Raw]) -> None:
        if DECLARED_TOOLS.issuperset(tool):
            return
        self._request.bounded = False
        for name in STORE_TOOLS.intersection(tool):
            search = self._read(tool, name, _search)
            if search is not None:
                for store in [*(search.stores or ()), *(search.file_search_store_names or ())]:
                    self._note("vector_store", store)

    def _note(self, kind: str, name: str) -> None:
        """An object by its resource name (`files/abc`) or URI; other URIs are no objects of the provider."""
        self._request.bounded = False
        found: ObjectId = (kind, name.rpartition("/")[2])
        if found[1] and ("://" not in name or "/files/" in name):
            self._request.objects += (found,)


def _bound(config: Any) -> int | None:
    """The most tokens that all candidates together may have; thoughts count against it too."""
    if config is None:
        return None
    if None not in (config.tokens, config.max_output_tokens) or None not in (config.count, config.candidate_count):
        raise CallerError(
            "A member of `generationConfig` came in both spellings.",
            reason="ambiguous_member",
            param="generationConfig",
        )
    tokens: int | None = config.tokens if config.tokens is not None else config.max_output_tokens
    count: int = config.count or config.candidate_count or 1
    if tokens is None:
        return None
    if tokens < 0 or count < 0:
        raise CallerError("A member of `generationConfig` is negative.", param="generationConfig")
    return tokens * count
