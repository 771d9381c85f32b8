"""Asking a provider for its list of models."""

import pytest

from durward.calls.errors import UpstreamError
from durward.protocols.wire import Wire
from durward.upstreams.endpoint import read_endpoint
from durward.upstreams.lists import BOUND, LIST_LIMIT, fetch_models
from tests.playbooks.world import Network, Reply

ENDPOINT = read_endpoint("one", "https://one.example.com", timeouts=BOUND)
ONE = b'{"data": [{"id": "one"}], "models": [{"name": "models/one"}]}'


@pytest.mark.parametrize(
    "wire,target,own",
    [
        ("openai", b"/v1/models", b""),
        ("anthropic", b"/v1/models?limit=1000", b"anthropic-version: 2023-06-01\r\n"),
        ("gemini", b"/v1beta/models?pageSize=1000", b""),
    ],
)
async def test_how_it_is_asked(wire: Wire, target: bytes, own: bytes) -> None:
    network = Network([])
    network.replies = [Reply(200, ONE)]
    assert await fetch_models(network, ENDPOINT, wire, b"X: k\r\n") == ["one"]
    assert network.sent == [
        (
            b"GET %b HTTP/1.1\r\nHost: one.example.com\r\nX: k\r\n%bAccept-Encoding: identity\r\n\r\n" % (target, own),
            b"",
        )
    ]


@pytest.mark.parametrize(
    "reply", [Reply(500, ONE), Reply(302, ONE), Reply(200, b"[]]"), Reply(200, b" " * (LIST_LIMIT + 1))]
)
async def test_what_is_no_list(reply: Reply) -> None:
    network = Network([])
    network.replies = [reply]
    with pytest.raises(UpstreamError) as caught:
        await fetch_models(network, ENDPOINT, "openai", b"")
    assert caught.value.reason in ("upstream_error", "upstream_malformed")
