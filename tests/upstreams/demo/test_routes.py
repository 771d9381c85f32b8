"""Which route a request means."""

import pytest

from durward.calls.ports import RequestHead
from durward.upstreams.demo.routes import Route, route_of


def route(method: str, target: str, **fields: str) -> Route:
    read = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
    return route_of(RequestHead(method, target.encode(), read, [], 0))


@pytest.mark.parametrize(
    "target,kind",
    [
        ("/v1/chat/completions", "OpenAIChat"),
        ("/chat/completions", "OpenAIChat"),
        ("/v1/responses", "OpenAIResponses"),
        ("/v1/embeddings", "OpenAIEmbeddings"),
        ("/v1/messages?beta=true", "AnthropicMessages"),
        ("/v1/messages/count_tokens", "AnthropicCount"),
        ("/v1/models/m:generateContent", "GeminiGenerate"),
        ("/v1beta/models/a%2Fb:streamGenerateContent?alt=sse", "GeminiGenerate"),
        ("/v1beta/tunedModels/m:countTokens", "GeminiCount"),
        ("/v1beta/models/m:batchEmbedContents", "GeminiEmbed"),
    ],
)
def test_posts_to_a_wire(target: str, kind: str) -> None:
    assert type(route("POST", target).wire).__name__ == kind
    assert route("GET", target).wire is None


def test_geminis_address_names_model_and_stream() -> None:
    found = route("POST", "/v1beta/models/a%2Fb:c:streamGenerateContent?alt=sse")
    assert (found.model, found.stream, found.query) == ("a/b:c", True, "alt=sse")
    assert not route("POST", "/v1beta/models/m:generateContent").stream


def test_lists_speak_the_wire_that_asks() -> None:
    assert route("GET", "/v1/models").lists == "openai"
    assert route("GET", "/v1/models", anthropic_version="2026-10-21").lists == "anthropic"
    assert route("GET", "/v1/models", x_goog_api_key="k").lists == "gemini"
    assert route("GET", "/v1beta/models?pageSize=9").lists == "gemini"
    assert route("GET", "/v1/models/a/b").model == "a/b"


def test_the_rest_is_the_api_unless_it_has_a_version() -> None:
    assert route("GET", "/demo-api/orders/o-1").path == ("orders", "o-1")
    assert route("GET", "/orders/o-1").path == ("orders", "o-1")
    assert route("GET", "/").path == ()
    assert [route("GET", target).provider for target in ("/v1/files", "/files", "/demo-api/v1/files")] == [
        True,
        False,
        False,
    ]
    assert route("POST", "/v1beta/models/m:unknown").wire is None
    assert route("POST", "/v1beta/models/:generateContent").wire is None
