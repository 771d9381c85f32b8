"""Where a provider route stands among stored objects, and which objects bodies and answers name."""

import json

import pytest

from durward.calls.errors import CallerError
from durward.protocols.objects import Place, named_objects, read_place, shown_objects
from durward.protocols.wire import Wire


@pytest.mark.parametrize(
    "wire, method, path, place",
    [
        ("openai", "POST", "files", Place("file", creates=True)),
        ("openai", "GET", "files", Place("file", lists=True)),
        ("openai", "GET", "files/", Place("file", lists=True)),
        ("openai", "GET", "files/file-1/content", Place("file", "file-1")),
        ("openai", "DELETE", "responses/resp_1", Place("response", "resp_1")),
        ("openai", "POST", "responses/input_tokens", Place("response", creates=True)),
        ("openai", "GET", "chat/completions", Place("chat_completion", lists=True)),
        ("openai", "GET", "chat/completions/chatcmpl-1", Place("chat_completion", "chatcmpl-1")),
        ("openai", "POST", "vector_stores/vs_1/search", Place("vector_store", "vs_1")),
        ("openai", "POST", "images/generations", Place("images")),
        ("openai", "POST", "audio/speech", Place("audio")),
        ("openai", "GET", "gizmos/giz_12345678", Place("gizmos", "giz_12345678")),
        ("openai", "POST", "gizmos", Place("gizmos", creates=True)),
        ("anthropic", "POST", "messages/batches", Place("batch", creates=True)),
        ("anthropic", "GET", "messages/batches/msgbatch_1/results", Place("batch", "msgbatch_1")),
        ("gemini", "GET", "cachedContents/abc", Place("cached_content", "abc")),
        ("gemini", "GET", "files/abc:download", Place("file", "abc")),
    ],
)
def test_places(wire: Wire, method: str, path: str, place: Place) -> None:
    assert read_place(wire, method, tuple(path.split("/"))) == place


def test_bodies_name_objects_in_any_depth_and_in_both_of_two_members() -> None:
    body = b'{"input_file_id": "file-one", "input_file_id": "file-two", "a": [{"vector_store_ids": ["vs_three"]}]}'
    assert set(named_objects(body)) == {("file", "file-one"), ("file", "file-two"), ("vector_store", "vs_three")}


def test_references_of_other_shapes() -> None:
    body = {
        "conversation": {"id": "conv_12345"},
        "cachedContent": "cachedContents/abc123",
        "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/xyz123",
        "file_uri": "gs://bucket/video.mp4",
        "container": {"type": "auto"},
    }
    assert set(named_objects(json.dumps(body).encode())) == {
        ("conversation", "conv_12345"),
        ("cached_content", "abc123"),
        ("file", "xyz123"),
    }


@pytest.mark.parametrize("name", ["fileSearchStoreNames", "file_search_store_names"])
def test_stores_of_gemini_are_named_in_both_spellings(name: str) -> None:
    body = {"tools": [{"fileSearch": {name: ["fileSearchStores/books-1"]}}]}
    assert named_objects(json.dumps(body).encode()) == (("vector_store", "books-1"),)


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"a": "\xff"}'])
def test_a_body_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        named_objects(body)
    assert caught.value.reason == "malformed_json"


def test_a_create_answer_shows_its_object_and_nothing_that_the_caller_could_have_put_there() -> None:
    created = b'{"id": "batch_1", "input_file_id": "file-a", "metadata": {"file_id": "file-victim"}}'
    assert shown_objects(Place("batch", creates=True), created) == (("batch", "batch_1"),)
    done = b'{"id": "batch_1", "output_file_id": "file-out", "error_file_id": null}'
    assert shown_objects(Place("batch", "batch_1"), done) == (("file", "file-out"),)


def test_gemini_names_and_completed_uploads() -> None:
    assert shown_objects(Place("cached_content", creates=True), b'{"name": "cachedContents/abc"}') == (
        ("cached_content", "abc"),
    )
    uploaded = b'{"id": "upload_1", "file": {"id": "file-9"}}'
    assert shown_objects(Place("upload", "upload_1"), uploaded) == (("file", "file-9"),)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id": 1}', b"\xff", b"[" * 100_000])
def test_an_answer_that_cannot_be_read_shows_nothing(body: bytes) -> None:
    assert shown_objects(Place("file", creates=True), body) == ()
