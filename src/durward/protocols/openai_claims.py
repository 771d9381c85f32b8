"""What a body of OpenAI's wire says of its caller: user, tags, session. Recorded as claimed, never as authority, so never refused."""

from typing import Any

import msgspec

from durward.protocols.announced import TAG_LENGTH, TAGS_LIMIT
from durward.protocols.members import UNREADABLE

TEXT_LENGTH = 128
READ = 16_384
"""Claims that take more bytes than this are not looked at."""
SESSIONS = ("session_id", "session-id", "thread_id", "thread-id")
"""Where Codex's `client_metadata` announces its session; the thread is a session's where no more is told."""

_ANY = msgspec.json.Decoder()


def claimed_user(*raws: msgspec.Raw | None) -> str:
    """The first of the members that is a text that is not empty."""
    for raw in raws:
        if raw is not None and isinstance(value := _read(raw), str) and value:
            return value[:TEXT_LENGTH]
    return ""


def claimed_tags(raw: msgspec.Raw | None) -> dict[str, str]:
    """The string members of `metadata`: at most 10, whose name and value have at most 64 characters each."""
    tags: dict[str, str] = {}
    for name, value in _members(raw):
        if isinstance(value, str) and 0 < len(name) <= TAG_LENGTH >= len(value) and len(tags) < TAGS_LIMIT:
            tags[name] = value
    return tags


def claimed_session(raw: msgspec.Raw | None) -> str:
    """The session that `client_metadata` announces."""
    told = dict(_members(raw))
    found = next((told[name] for name in SESSIONS if isinstance(told.get(name), str)), "")
    return found[:TEXT_LENGTH]


def _members(raw: msgspec.Raw | None) -> list[tuple[str, Any]]:
    value = _read(raw) if raw is not None else None
    return list(value.items()) if isinstance(value, dict) else []


def _read(raw: msgspec.Raw) -> object:
    if memoryview(raw).nbytes > READ:
        return None
    try:
        return _ANY.decode(raw)
    except UNREADABLE:
        return None
