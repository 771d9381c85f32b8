"""What callers announce about themselves in headers: session, trace, tags, client. Recorded as claimed, never as authority."""

import re

import msgspec

SESSION_FIELDS = (b"durward-session", b"x-claude-code-session-id", b"session-id", b"session_id")
TRACEPARENT = re.compile(rb"00-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-[0-9a-f]{2}")
TAGS_LIMIT = 10
TAG_LENGTH = 64
TEXT_LENGTH = 128


class Announced(msgspec.Struct, gc=False):
    """Session, trace id and parent span (hex, empty where none came), tags and client of one call."""

    session: str
    trace: str
    parent: str
    tags: dict[str, str]
    client: str


def read_announced(fields: dict[bytes, bytes]) -> Announced:
    """Read what the known headers announce; what does not fit its bounds is cut or left out."""
    session = next((fields[name] for name in SESSION_FIELDS if name in fields), b"")
    trace = parent = ""
    if (header := fields.get(b"traceparent")) and (found := TRACEPARENT.fullmatch(header)):
        trace, parent = found[1].decode(), found[2].decode()
    tags = read_tags(fields[b"durward-tags"]) if b"durward-tags" in fields else {}
    return Announced(plain(session), trace, parent, tags, plain(fields.get(b"user-agent", b"")))


def plain(value: bytes) -> str:
    """A header value as text of at most 128 characters."""
    return value[:TEXT_LENGTH].decode("latin-1")


def read_tags(header: bytes) -> dict[str, str]:
    """`k=v, …`: at most 10 tags whose name and value have at most 64 characters each."""
    tags: dict[str, str] = {}
    for pair in header.decode("latin-1").split(","):
        name, equals, value = pair.strip().partition("=")
        if equals and 0 < len(name) <= TAG_LENGTH and len(value) <= TAG_LENGTH and len(tags) < TAGS_LIMIT:
            tags[name] = value
    return tags
