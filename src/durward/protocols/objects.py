"""Objects that providers store: which routes name one, which list them, which ids a body names and which an answer brings to light.

One shared credential must not join strangers' objects, so each has an owner (see `catalog/ownership`). What is not in these tables is
treated by its shape: under an unknown collection, a path segment that looks like an id is one.
"""

import json
import re
from typing import Any

import msgspec

from durward.calls.errors import CallerError
from durward.protocols.members import UNREADABLE
from durward.protocols.wire import ObjectId, Wire

COLLECTIONS: dict[Wire, dict[tuple[str, ...], str]] = {
    "openai": {
        ("assistants",): "assistant",
        ("batches",): "batch",
        ("chat", "completions"): "chat_completion",
        ("containers",): "container",
        ("conversations",): "conversation",
        ("evals",): "eval",
        ("files",): "file",
        ("fine_tuning", "jobs"): "fine_tuning_job",
        ("responses",): "response",
        ("skills",): "skill",
        ("threads",): "thread",
        ("uploads",): "upload",
        ("vector_stores",): "vector_store",
        ("videos",): "video",
    },
    "anthropic": {
        ("agents",): "agent",
        ("environments",): "environment",
        ("files",): "file",
        ("memory_stores",): "memory_store",
        ("messages", "batches"): "batch",
        ("sessions",): "session",
        ("skills",): "skill",
        ("vaults",): "vault",
    },
    "gemini": {
        ("batches",): "batch",
        ("cachedContents",): "cached_content",
        ("corpora",): "corpus",
        ("fileSearchStores",): "vector_store",
        ("files",): "file",
        ("interactions",): "response",
        ("tunedModels",): "tuned_model",
    },
}
VERBS = frozenset({("responses", "input_tokens"), ("responses", "compact"), ("threads", "runs"), ("skills", "search")})
"""Paths whose last segment is a verb where an id would stand."""

MEMBERS = {
    "assistant_id": "assistant",
    "batch_id": "batch",
    "cachedContent": "cached_content",
    "cached_content": "cached_content",
    "container": "container",
    "container_id": "container",
    "conversation": "conversation",
    "conversation_id": "conversation",
    "error_file_id": "file",
    "file": "file",
    "fileData": "file",
    "fileSearchStoreNames": "vector_store",
    "fileUri": "file",
    "file_data": "file",
    "file_id": "file",
    "file_ids": "file",
    "file_search_store_names": "vector_store",
    "file_uri": "file",
    "input_file_id": "file",
    "output_file_id": "file",
    "previous_response_id": "response",
    "response_id": "response",
    "thread_id": "thread",
    "training_file": "file",
    "upload_id": "upload",
    "validation_file": "file",
    "vector_store_id": "vector_store",
    "vector_store_ids": "vector_store",
}
"""Members of request bodies that name an object, in any depth."""
DEPTH = 64
_looks_like_id = re.compile(r"(?=.*[0-9])[A-Za-z0-9_.~-]{8,}").fullmatch
_names_object = re.compile(r"[A-Za-z0-9_.~-]{6,256}").fullmatch


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a provider route stands: in which collection, at which object, or at the collection itself."""

    kind: str = ""
    """Kind of the collection's objects; empty for a route outside any collection."""
    identifier: str = ""
    lists: bool = False
    creates: bool = False


def read_place(wire: Wire, method: str, path: tuple[str, ...]) -> Place:
    """The place of a route behind the API version, its segments decoded."""
    path = path[:-1] if path and not path[-1] else path
    if path[:2] in VERBS:
        return Place(COLLECTIONS[wire].get(path[:1], ""), creates=method == "POST")
    for size in (1, 2):
        kind = COLLECTIONS[wire].get(path[:size])
        if kind is None:
            continue
        if len(path) > size:
            return Place(kind, _bare(path[size].partition(":")[0]))
        return Place(kind, lists=method in ("GET", "HEAD"), creates=method == "POST")
    if len(path) > 1 and path[0] not in ("models", "organization") and _looks_like_id(path[1]):
        return Place(path[0], path[1])
    return Place(path[0] if path else "", creates=method == "POST" and len(path) == 1)


def named_objects(body: bytes) -> tuple[ObjectId, ...]:
    """Every object that a JSON body names, wherever it stands; both of two members with one name.

    Raises CallerError `malformed_json`.
    """
    found: dict[ObjectId, None] = {}

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for name, value in pairs:
            if (kind := MEMBERS.get(name)) is not None:
                found.update(dict.fromkeys((kind, identifier) for identifier in _identifiers(value)))
        return dict(pairs)

    try:
        json.loads(body, object_pairs_hook=note)
    except (ValueError, RecursionError):
        raise CallerError("The body is not valid JSON.", reason="malformed_json") from None
    return tuple(found)


def _identifiers(value: Any) -> list[str]:
    if isinstance(value, str):
        name = _of_uri(value)
        return [name] if name and _names_object(name) else []
    if isinstance(value, list):
        return [identifier for item in value for identifier in _identifiers(item)]
    if isinstance(value, dict) and isinstance(value.get("id"), str):
        return _identifiers(value["id"])
    return []


def _of_uri(value: str) -> str:
    """The id inside a reference; "" for a URI that is no object of the provider (a public file, a bucket)."""
    if "://" in value and "/files/" not in value:
        return ""
    return _bare(value)


def _bare(name: str) -> str:
    """`files/abc` and `abc` are one object."""
    return name.rpartition("/")[2]


class _Shown(msgspec.Struct, gc=False):
    """The members at the top of an answer that bring new objects to light. Deeper ones may be the caller's own words."""

    id: str = ""
    name: str = ""
    object: str = ""
    thread_id: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    file: Any = None
    result_files: list[Any] = []


_shown = msgspec.json.Decoder(_Shown)


def shown_objects(place: Place, body: bytes) -> tuple[ObjectId, ...]:
    """The objects that a 2xx answer shows for the first time: what was created, and what the provider made of it."""
    try:
        shown = _shown.decode(body)
    except UNREADABLE:
        return ()
    found: list[ObjectId] = []
    if place.creates and place.kind and (identifier := shown.id or _bare(shown.name)):
        found.append((place.kind, identifier))
    if place.kind == "thread" and place.creates and shown.thread_id:
        found.append(("thread", shown.thread_id))
    made = [shown.output_file_id, shown.error_file_id, *shown.result_files] if place.identifier else []
    if isinstance(shown.file, dict):
        made.append(shown.file.get("id") or shown.file.get("name"))
    found += [("file", _bare(name)) for name in made if isinstance(name, str) and name]
    return tuple(found)
