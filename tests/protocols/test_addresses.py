"""Addresses: doors, versions, wires, verbs, and every spelling that could be read in two ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.protocols.addresses import (
    Route,
    gemini_segments,
    join,
    read_path,
    read_path_once,
    read_query,
    read_route,
    split_target,
)


@pytest.mark.parametrize(
    "path, door, upstream, wire, version, rest",
    [
        ("/v1/chat/completions", "model", "", None, "v1", ("chat", "completions")),
        ("/v1beta/models/g:generateContent", "model", "", None, "v1beta", ("models", "g:generateContent")),
        ("/openai/v1/responses", "model", "", "openai", "v1", ("responses",)),
        ("/anthropic/v1/messages", "model", "", "anthropic", "v1", ("messages",)),
        ("/gemini/v1beta/models", "model", "", "gemini", "v1beta", ("models",)),
        ("/p/groq/openai/v1/models", "provider", "groq", None, "", ("openai", "v1", "models")),
        ("/p/local/v1/embeddings", "provider", "local", None, "v1", ("embeddings",)),
        ("/api/crm/customers/a%20b", "api", "crm", None, "", ("customers", "a b")),
        ("/api/crm/", "api", "crm", None, "", ("",)),
        ("/api/crm", "api", "crm", None, "", ()),
        ("/healthz", "health", "", None, "", ()),
        ("/readyz", "ready", "", None, "", ()),
    ],
)
def test_each_door(path: str, door: str, upstream: str, wire: str | None, version: str, rest: tuple[str, ...]) -> None:
    address = read_path(path)
    assert (address.door, address.upstream, address.wire, address.version) == (door, upstream, wire, version)
    assert address.path.decoded == rest


@pytest.mark.parametrize(
    "path", ["/", "/mcp", "/a2a/x", "/durward/limits", "/v1", "/v1/", "/p", "/p/x", "/api", "/api/", "/favicon.ico"]
)
def test_what_no_door_answers_is_not_found(path: str) -> None:
    with pytest.raises(CallerError) as caught:
        read_path(path)
    assert caught.value.reason == "not_found"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/a%2Fb",
        "/v1/files/a%2fb",
        "/v1/files/a%5Cb",
        "/v1/files/a\\b",
        "/v1/files/..",
        "/v1/files/%2e%2e",
        "/v1/files/.%2E",
        "/v1/./files",
        "/v1/files/%00",
        "/v1/files/%0d%0a",
        "/v1/files/%ff",
        "/v1/files/%c0%ae",
        "/v1/files/%",
        "/v1/files/%4",
        "/v1/files/%+1",
        "/v1//files",
        "//v1/files",
        "v1/files",
    ],
)
def test_a_spelling_that_two_readers_could_read_differently_is_refused(path: str) -> None:
    with pytest.raises(CallerError) as caught:
        read_path(path)
    assert caught.value.reason == "bad_path"


def test_each_segment_is_decoded_once_and_sent_as_it_came() -> None:
    address = read_path("/v1/files/a%2520b")
    assert address.path.decoded[1] == "a%20b"
    assert address.path.raw[1] == "a%2520b"


def route(method: str, path: str, **fields: bytes) -> Route:
    named = {name.replace("_", "-").encode(): value for name, value in fields.items()}
    address = read_path(path)
    return read_route(method, address, address.wire, named)


@pytest.mark.parametrize(
    "path, protocol, action",
    [
        ("/v1/chat/completions", "openai_chat", "generate"),
        ("/v1/responses", "openai_responses", "generate"),
        ("/v1/embeddings", "openai_embeddings", "embed"),
        ("/v1/messages", "anthropic", "generate"),
        ("/v1/messages/count_tokens", "anthropic_count", "count"),
        ("/v1/models/g:generateContent", "gemini", "generate"),
        ("/v1beta/models/g:streamGenerateContent", "gemini", "generate"),
        ("/v1beta/models/g:countTokens", "gemini_count", "count"),
        ("/v1beta/models/g:embedContent", "gemini_embed", "embed"),
        ("/v1beta/models/g:batchEmbedContents", "gemini_embed", "embed"),
        ("/v1beta/tunedModels/g:generateContent", "gemini", "generate"),
    ],
)
def test_inference_is_known_by_path_whatever_headers_come(path: str, protocol: str, action: str) -> None:
    for fields in ({}, {"anthropic_version": b"2023-06-01"}, {"x_goog_api_key": b"k"}):
        found = route("POST", path, **fields)
        assert (found.kind, found.protocol, found.action) == ("inference", protocol, action)
        assert route("GET", path, **fields).kind in ("other", "entry")


def test_the_verb_follows_the_last_colon_and_says_whether_it_streams() -> None:
    found = route("POST", "/v1beta/models/a:b:streamGenerateContent")
    assert (found.model, found.verb, found.stream) == ("a:b", "streamGenerateContent", True)
    assert route("POST", "/v1beta/models/a:predict").kind == "other"


def test_one_path_is_told_apart_by_the_wires_own_headers() -> None:
    assert route("GET", "/v1/models").wire == "openai"
    assert route("GET", "/v1/models", anthropic_version=b"2023-06-01").wire == "anthropic"
    assert route("GET", "/v1/models", x_goog_api_key=b"k").wire == "gemini"
    assert route("GET", "/v1beta/models").wire == "gemini"
    assert route("GET", "/anthropic/v1/models").wire == "anthropic"


def test_one_model_may_have_slashes_in_its_name() -> None:
    found = route("GET", "/v1/models/meta-llama/llama-3")
    assert (found.kind, found.model) == ("entry", "meta-llama/llama-3")


def test_everything_else_of_a_provider_is_a_route_of_its_own() -> None:
    assert route("POST", "/v1/files").kind == "other"
    assert route("POST", "/v1/images/generations").protocol == ""
    assert route("POST", "/v1/Chat/Completions").kind == "other"


@pytest.mark.parametrize(
    "base, version, expected",
    [
        ("/v1", "v1", "/v1/x"),
        ("", "v1", "/v1/x"),
        ("/openai/v1/", "v1", "/openai/v1/x"),
        ("/api", "", "/api/x"),
        ("/v1beta", "v1", "/v1beta/x"),
    ],
)
def test_the_version_stands_once_upstream(base: str, version: str, expected: str) -> None:
    assert join(base, version, ("x",)) == expected


def test_a_model_name_cannot_leave_its_segment() -> None:
    assert gemini_segments("gemini-2.5", "generateContent") == ("models", "gemini-2.5:generateContent")
    assert gemini_segments("a?b#c d", "countTokens") == ("models", "a%3Fb%23c%20d:countTokens")
    assert gemini_segments("tunedModels/x", "generateContent") == ("tunedModels", "x:generateContent")


def test_the_key_leaves_the_query_and_only_names_are_kept() -> None:
    query = read_query("alt=sse&key=secret&beta=true", carries_key=True)
    assert (query.text, query.names, query.keys) == ("alt=sse&beta=true", ("alt", "beta"), ("secret",))
    assert read_query("k%65y=secret", carries_key=True).keys == ("secret",)
    assert read_query("", carries_key=True).keys == ()
    assert read_query("key=a&key=a", carries_key=True).keys == ("a",)
    assert read_query("key=a&k%65y=b", carries_key=True).keys == ("a", "b")


def test_elsewhere_key_is_a_parameter_like_any_other() -> None:
    query = read_query("key=mine&k%65y=b", carries_key=False)
    assert (query.text, query.names, query.keys) == ("key=mine&k%65y=b", ("key", "key"), ())


@pytest.mark.parametrize(
    "target,protocol",
    [
        ("/v1/chat/completions/", "openai_chat"),
        ("/v1/messages/", "anthropic"),
        ("/v1beta/models/gemini-2.5-flash:generateContent/", "gemini"),
    ],
)
def test_a_slash_at_the_end_makes_no_other_route_of_inference(target: str, protocol: str) -> None:
    route = read_route("POST", read_path(target), None, {})
    assert (route.kind, route.protocol) == ("inference", protocol)
    assert read_route("GET", read_path("/v1/models/"), None, {}).kind == "listing"


def test_a_path_of_any_length_is_read_and_only_short_ones_are_kept() -> None:
    kept = read_path_once.cache_info().currsize
    assert len(read_path("/v1/" + "a/" * 4_000).path.raw) == 4_001
    assert read_path_once.cache_info().currsize == kept


@given(st.text(alphabet="abv1/.%2eF:\\?#~", max_size=24))
def test_any_path_is_read_or_refused_and_what_is_read_has_no_second_meaning(text: str) -> None:
    segments: tuple[str, ...]
    try:
        address = read_path(split_target(f"/{text}".encode())[0])
    except CallerError as error:
        refused, segments = error.reason, ()
    else:
        refused, segments = "", address.path.decoded
    assert refused in ("", "bad_path", "not_found")
    for segment in segments:
        assert segment not in (".", "..")
        assert not set(segment) & {"/", "\\", "\x00"}
