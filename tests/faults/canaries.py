"""Secrets that nobody may find again: how they are spelled, and where to look for them."""

import base64
import json
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, quote_plus

KEY = "dw_canary-key_" + "K" * 32
STRANGER = "dw_canary-stranger_" + "S" * 27
CREDENTIAL = "sk-canary/credential+of=the~upstream"
PROMPT = "canary/prompt + what only the provider may read?"
PLANTED = "planted-session-of-the-canaries"
"""No secret: the session is recorded, so that a search which does not find it looks in the wrong places."""


class Find(NamedTuple):
    """A secret where it may not be."""

    secret: str
    place: str
    spelling: bytes


def spellings(secret: str) -> set[bytes]:
    """A secret raw, in JSON, in URLs, in hex, and in base64 wherever it begins in what was encoded."""
    raw = secret.encode()
    found = {raw, json.dumps(secret)[1:-1].encode(), quote(secret, safe="").encode(), quote_plus(secret).encode()}
    found |= {quote(secret).encode(), raw.hex().encode()}
    for before in range(3):
        # Characters that also hold bits of what stands before or behind are left out.
        inner = base64.b64encode(bytes(before) + raw)[before + 1 if before else 0 :]
        inner = inner.rstrip(b"=")[: -1 if (before + len(raw)) % 3 else None]
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


SPELLINGS = {secret: spellings(secret) for secret in (KEY, STRANGER, CREDENTIAL, PROMPT)}


def finds(place: str, content: bytes) -> list[Find]:
    """Every secret in a piece of content."""
    return [
        Find(secret, place, spelling)
        for secret, spelled in SPELLINGS.items()
        for spelling in spelled
        if spelling in content
    ]


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, those of databases that are being written too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
