"""Lists of models in the Gemini wire."""

import json

import pytest

from durward.calls.errors import UpstreamError
from durward.protocols.gemini_models import read_models, write_model, write_models
from durward.protocols.wire import ModelListing


def test_a_list_is_one_page() -> None:
    names = ["gemini-a", "gemini-embedding-1", "tunedModels/mine"]
    answer = write_models([ModelListing(name, "gemini") for name in names])
    assert (answer.status, answer.lines) == (200, b"Content-Type: application/json\r\n")
    listed = json.loads(answer.body)["models"]
    assert [each["name"] for each in listed] == ["models/gemini-a", "models/gemini-embedding-1", "tunedModels/mine"]
    assert "generateContent" in listed[0]["supportedGenerationMethods"]
    assert "batchEmbedContents" in listed[1]["supportedGenerationMethods"]
    assert read_models(answer.body) == names
    assert json.loads(write_model(ModelListing("gemini-a", "p")).body) == listed[0]


def test_an_empty_list() -> None:
    assert json.loads(write_models([]).body) == {"models": []}
    assert read_models(b"{}") == []


@pytest.mark.parametrize("body", [b"", b'{"models": [{"id": "x"}]}', b'{"models": 3}', b"<html>", b"\xff"])
def test_what_is_no_list_is_the_providers_fault(body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_models(body)
    assert caught.value.reason == "upstream_malformed"
