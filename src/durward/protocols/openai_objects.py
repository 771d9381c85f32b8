"""What a request of OpenAI's wire holds beside text: stored objects that it names, and media that are no text.

Used only where a body is not plainly text, so it may look at everything: the values are decoded as a whole and walked.
"""

import json
from collections.abc import Iterable
from typing import NamedTuple

from durward.calls.errors import CallerError
from durward.protocols.members import DEPTH, Members
from durward.protocols.wire import ObjectId

KINDS = {
    "batch_id": "batch",
    "container": "container",
    "container_id": "container",
    "conversation": "conversation",
    "conversation_id": "conversation",
    "file_id": "file",
    "file_ids": "file",
    "previous_response_id": "response",
    "response_id": "response",
    "skill_id": "skill",
    "vector_store_id": "vector_store",
    "vector_store_ids": "vector_store",
}
"""Members that name a stored object, by an id, a list of ids, or an object with an `id`."""
DESCRIBED = {"audio": "audio", "prompt": "prompt"}
"""Members that name one only where they are an object with an `id`."""
ABSENT = frozenset({b"null", b"false", b"[]", b'""'})
QUOTED = frozenset({"annotations", "logprobs", "parameters", "results", "input_schema"})
"""Members that repeat what an answer once said, or describe a schema: the ids in them are not looked up."""
MEDIA = frozenset({"data", "file_data", "file_url", "image_url", "url", "video_url"})
"""Members whose text is the encoding or the place of something that is no text."""
ID_LENGTH = 256


class Survey(NamedTuple):
    """What was found: the objects, in order and once each, and the bytes of text that stand for media."""

    objects: tuple[ObjectId, ...]
    media_bytes: int


class _Object(list[tuple[str, object]]):
    """A JSON object with both of two members of one name: which of them a server reads is not for us to guess."""

    def all(self, name: str) -> list[object]:
        return [value for key, value in self if key == name]


def says(members: Members, names: Iterable[str]) -> bool:
    """Whether any of the named members is there and says something."""
    return any(name in members and bytes(members[name]) not in ABSENT for name in names)


def survey(members: Members, names: Iterable[str]) -> Survey:
    """Look through the named members of a body.

    Raises CallerError `malformed_json` for values nested more than 64 deep, `bad_request` for ids that cannot be ids.
    """
    found: dict[ObjectId, None] = {}
    media = 0
    for name in names:
        level: list[tuple[str, object]] = [(name, _decoded(members, name))]
        depth = 0
        while level:
            if depth > DEPTH + 1:
                raise _too_deep(name)
            depth += 1
            media += sum(len(value) for key, value in level if key in MEDIA and isinstance(value, str))
            for key, value in level:
                found.update(dict.fromkeys(_named(key, value)))
            level = [inner for key, value in level for inner in _inside(key, value)]
    return Survey(tuple(found), media)


def _decoded(members: Members, name: str) -> object:
    raw = members.get(name)
    if raw is None:
        return None
    try:
        # Numbers name nothing, and could have more digits than an int may.
        return json.loads(bytes(raw), object_pairs_hook=_Object, parse_int=len, parse_float=len)
    except RecursionError:
        raise _too_deep(name) from None


def _too_deep(name: str) -> CallerError:
    text = f"The body's member `{name}` is nested more than {DEPTH} deep."
    return CallerError(text, reason="malformed_json", param=name)


def _inside(name: str, value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, _Object):
        return [pair for pair in value if pair[0] not in QUOTED]
    return [(name, inner) for inner in value] if isinstance(value, list) else ()


def _named(name: str, value: object) -> Iterable[ObjectId]:
    """The objects that one member names. A list names what its elements name, and those come later."""
    if isinstance(value, str):
        kind = KINDS.get(name)
        return [(kind, identified(value, name))] if kind and value else ()
    if not isinstance(value, _Object):
        return ()
    kind = KINDS.get(name) or DESCRIBED.get(name) or ("item" if name == "input" and _refers(value) else "")
    own = value.all("id") if kind else ()
    return [(kind, identified(identifier, name)) for identifier in own if isinstance(identifier, str)]


def _refers(item: _Object) -> bool:
    """Whether an input item stands for one that the provider has stored, instead of saying it."""
    kinds = item.all("type")
    if "reasoning" in kinds:
        return not any(item.all("encrypted_content")) and not any(item.all("content"))
    return "item_reference" in kinds or (not any(kinds) and not item.all("content"))


def identified(value: str, param: str) -> str:
    """A provider's id, as it may be asked for and recorded. Raises CallerError `bad_request` for what cannot be one."""
    if len(value) > ID_LENGTH or not value.isprintable():
        raise CallerError(f"The body's member `{param}` is no id.", reason="bad_request", param=param)
    return value
