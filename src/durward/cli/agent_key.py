"""Agent keys as commands make them. The key is shown once; what is kept is its digest."""

import secrets
from hashlib import sha256
from typing import NamedTuple

PREFIX = "dw_"
RANDOM_BYTES = 32


class AgentKey(NamedTuple):
    """`dw_` and 43 base64url characters, and the hex SHA-256 of the whole."""

    text: str
    digest: str


def draw() -> AgentKey:
    """A key that nobody has seen."""
    text = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    return AgentKey(text, sha256(text.encode()).hexdigest())


def how_to_use(address: str, scheme: str = "http") -> str:
    """Where the SDKs take the key, for a gate that listens on `address`."""
    base = f"{scheme}://{address}"
    return (
        "Put it where the SDK takes its API key, and the gate where it takes its base URL:\n"
        f"  OpenAI      OPENAI_API_KEY=dw_…     OPENAI_BASE_URL={base}/v1\n"
        f"  Anthropic   ANTHROPIC_API_KEY=dw_…  ANTHROPIC_BASE_URL={base}\n"
        f"  Gemini      GEMINI_API_KEY=dw_…     GOOGLE_GEMINI_BASE_URL={base}\n"
        f"  HTTP APIs   Durward-Key: dw_…       {base}/api/<name>/…"
    )
