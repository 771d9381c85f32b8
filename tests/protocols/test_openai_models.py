"""Lists of models: what callers are shown, and what is read from providers."""

import json

import pytest

from durward.calls.errors import UpstreamError
from durward.protocols.openai_models import NAMES, read_models, write_model, write_models
from durward.protocols.wire import ModelListing

QUICK = {"id": "quick", "object": "model", "created": 0, "owned_by": "local"}


def test_a_list_is_read_as_it_was_written() -> None:
    listed = [ModelListing("quick", "local"), ModelListing('org/"é"', "openai")]
    rendered = write_models(listed)
    assert (rendered.status, rendered.lines) == (200, b"Content-Type: application/json\r\n")
    assert json.loads(rendered.body)["object"] == "list"
    assert json.loads(rendered.body)["data"][0] == QUICK
    assert read_models(rendered.body) == ["quick", 'org/"é"']
    assert read_models(write_models([]).body) == []


def test_one_model() -> None:
    assert json.loads(write_model(ModelListing("quick", "local")).body) == QUICK


@pytest.mark.parametrize(
    "body,names",
    [
        (b'{"object":"list","data":[{"id":"a","created":1},{"id":"b"},{"id":"a"}]}', ["a", "b"]),
        (b' [{"id":"a","pricing":{}}]', ["a"]),
        (b'{"data":[{"name":"x"},{"id":""},{"id":"%b"}]}' % (b"x" * 257), []),
        (b'{"object":"list"}', []),
    ],
)
def test_lists_of_providers(body: bytes, names: list[str]) -> None:
    assert read_models(body) == names


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"data":{}}', b'{"data":[{"id":7}]}', b'{"data":[{"id":"\xff"}]}', b"[" * 10**5]
)
def test_what_is_no_list_is_the_providers_fault(body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_models(body)
    assert caught.value.reason == "upstream_malformed"


def test_a_list_has_a_bound() -> None:
    body = json.dumps({"data": [{"id": str(number)} for number in range(NAMES + 5)]}).encode()
    assert len(read_models(body)) == NAMES
