"""The golden answers as an upstream: the model `golden-<wire>-<file>` is answered with that file of `tests/golden`."""

import json
from pathlib import Path
from typing import Any

from tests.clients.upstream import Asked, Said

GOLDEN = Path(__file__).parent.parent / "golden"
FOLDERS = {
    "chat/completions": "openai_chat",
    "responses": "openai_responses",
    "embeddings": "openai_embeddings",
    "messages": "anthropic",
    "messages/count_tokens": "anthropic_count",
    "generateContent": "gemini",
    "streamGenerateContent": "gemini",
    "countTokens": "gemini_count",
    "batchEmbedContents": "gemini_embed",
}
JSON = ("Content-Type", "application/json")
EVENTS = ("Content-Type", "text/event-stream")


def golden(asked: Asked) -> Said:
    """The answer of the file that the model names."""
    path = asked.target.partition("?")[0]
    body = json.loads(asked.body) if asked.body else {}
    model, _, verb = path.rpartition("/")[2].rpartition(":")
    folder = FOLDERS[verb if model else path.partition("/v1/")[2]]
    name = (model or body["model"]).split("-", 2)[2]
    fields = [("X-Request-Id", f"req-{name}"), ("X-Ratelimit-Remaining-Requests", "41")]
    if body.get("stream") or verb == "streamGenerateContent":
        stream = (GOLDEN / f"{folder}_stream" / f"{name}.sse").read_bytes()
        return Said(200, [EVENTS, *fields], stream, lambda body: [b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)])
    return Said(200, [JSON, *fields], json.dumps(answer(folder, name)).encode())


def answer(folder: str, name: str) -> Any:
    """A golden answer."""
    return json.loads((GOLDEN / folder / f"{name}.json").read_text())["answer"]


def told(folder: str, name: str) -> dict[str, int]:
    """The tokens that a golden answer tells."""
    counted: dict[str, int] = json.loads((GOLDEN / folder / f"{name}.json").read_text())["told"]["usage"]["tokens"]
    return counted
