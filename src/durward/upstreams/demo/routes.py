"""Which route of which provider a request means. Versions may stand in the path or be left out."""

from typing import NamedTuple
from urllib.parse import unquote

from durward.calls.ports import RequestHead
from durward.protocols import wire as spoken
from durward.upstreams.demo.anthropic import AnthropicCount, AnthropicMessages
from durward.upstreams.demo.embeddings import GeminiEmbed, OpenAIEmbeddings
from durward.upstreams.demo.gemini import GeminiCount, GeminiGenerate
from durward.upstreams.demo.openai_chat import OpenAIChat
from durward.upstreams.demo.openai_responses import OpenAIResponses
from durward.upstreams.demo.wires import Wire

VERSIONS = ("v1", "v1beta", "v1alpha")
API = "demo-api"
CHAT = OpenAIChat()
POSTS: dict[tuple[str, ...], Wire] = {
    ("chat", "completions"): CHAT,
    ("responses",): OpenAIResponses(),
    ("embeddings",): OpenAIEmbeddings(),
    ("messages",): AnthropicMessages(),
    ("messages", "count_tokens"): AnthropicCount(),
}
GENERATE = GeminiGenerate()
VERBS: dict[str, Wire] = {
    "generateContent": GENERATE,
    "streamGenerateContent": GENERATE,
    "countTokens": GeminiCount(),
    "embedContent": GeminiEmbed(),
    "batchEmbedContents": GeminiEmbed(),
}


class Route(NamedTuple):
    """Where a request goes: a wire's route, a list of models (or one of them), or the API."""

    path: tuple[str, ...]
    query: str
    wire: Wire | None = None
    model: str = ""
    stream: bool = False
    lists: spoken.Wire | None = None
    provider: bool = False
    """A path of a provider's API, known or not."""


def route_of(head: RequestHead) -> Route:
    """The route of a request."""
    raw, _, query = head.target.decode("ascii", "replace").partition("?")
    path = tuple(unquote(segment) for segment in raw.strip("/").split("/") if segment)
    if path[:1] == (API,):
        return Route(path[1:], query)
    version = path[0] if path[:1] and path[0] in VERSIONS else ""
    path = path[1:] if version else path
    if head.method == "POST":
        if (wire := POSTS.get(path)) is not None:
            return Route(path, query, wire)
        if path[:1] in (("models",), ("tunedModels",)) and len(path) == 2:
            name, _, verb = path[1].rpartition(":")
            if name and verb in VERBS:
                return Route(path, query, VERBS[verb], name, verb == "streamGenerateContent")
    if path[:1] == ("models",) and head.method in ("GET", "HEAD"):
        return Route(path, query, model="/".join(path[1:]), lists=_listed(version, head.fields))
    return Route(path, query, provider=bool(version))


def _listed(version: str, fields: dict[bytes, bytes]) -> spoken.Wire:
    if version in ("v1beta", "v1alpha") or b"x-goog-api-key" in fields:
        return "gemini"
    return "anthropic" if b"anthropic-version" in fields else "openai"
