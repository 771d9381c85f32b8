"""Lists of models in the Anthropic wire."""

import json

import pytest

from durward.calls.errors import UpstreamError
from durward.protocols.anthropic_models import read_models, write_model, write_models
from durward.protocols.wire import ModelListing


def test_a_list_is_one_page() -> None:
    answer = write_models([ModelListing("claude-a", "anthropic"), ModelListing('cl"b', "anthropic")])
    assert (answer.status, answer.lines) == (200, b"Content-Type: application/json\r\n")
    listed = json.loads(answer.body)
    assert listed == {
        "data": [
            {"type": "model", "id": "claude-a", "display_name": "claude-a", "created_at": "1970-01-01T00:00:00Z"},
            {"type": "model", "id": 'cl"b', "display_name": 'cl"b', "created_at": "1970-01-01T00:00:00Z"},
        ],
        "has_more": False,
        "first_id": "claude-a",
        "last_id": 'cl"b',
    }
    assert read_models(answer.body) == ["claude-a", 'cl"b']
    assert json.loads(write_model(ModelListing("claude-a", "p")).body) == listed["data"][0]


def test_an_empty_list_has_no_first() -> None:
    assert json.loads(write_models([]).body) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"data": [{"name": "x"}]}', b'{"data": 3}', b"<html>", b"\xff"])
def test_what_is_no_list_is_the_providers_fault(body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_models(body)
    assert caught.value.reason == "upstream_malformed"
