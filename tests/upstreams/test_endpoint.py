"""Base URLs become origins, paths and Host."""

import pytest

from durward.calls.origin import Origin, Timeouts
from durward.upstreams.endpoint import read_endpoint


@pytest.mark.parametrize(
    "url, origin, path, host",
    [
        ("https://api.openai.com/v1", Origin("https", "api.openai.com", 443), "/v1", b"api.openai.com"),
        ("http://127.0.0.1:11434/v1/", Origin("http", "127.0.0.1", 11434), "/v1", b"127.0.0.1:11434"),
        ("http://[::1]:8080", Origin("http", "::1", 8080), "", b"[::1]:8080"),
        ("https://API.Example.com:443", Origin("https", "api.example.com", 443), "", b"api.example.com"),
    ],
)
def test_base_urls(url: str, origin: Origin, path: str, host: bytes) -> None:
    endpoint = read_endpoint("x", url, Timeouts())
    assert (endpoint.origin, endpoint.base_path, endpoint.host) == (origin, path, host)
