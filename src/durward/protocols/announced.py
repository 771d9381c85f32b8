"""What callers announce about themselves in headers: session, tags, client. Recorded as claimed, never as authority."""

import msgspec

SESSION_FIELDS = (b"durward-session", b"x-claude-code-session-id", b"session-id", b"session_id")
TAGS_LIMIT = 10
TAG_LENGTH = 64
TEXT_LENGTH = 128


class Announced(msgspec.Struct, gc=False):
    """Session, tags and client of one call."""

    session: str
    tags: dict[str, str]
    client: str


def read_announced(fields: dict[bytes, bytes]) -> Announced:
    """Read what the known headers announce; what does not fit its bounds is cut or left out."""
    session = next((fields[name] for name in SESSION_FIELDS if name in fields), b"")
    tags = read_tags(fields[b"durward-tags"]) if b"durward-tags" in fields else {}
    return Announced(plain(session), tags, plain(fields.get(b"user-agent", b"")))


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
