"""Base URLs become origins; heads hold the request line, Host, our lines, then those passed on."""

import pytest

from durward.calls.ports import Timeouts
from durward.calls.resource import Origin
from durward.upstreams.endpoint import read_endpoint


@pytest.mark.parametrize(
    ("url", "origin", "path", "host"),
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


@pytest.mark.parametrize("own", [b"", b"Authorization: Bearer t\r\n"])
@pytest.mark.parametrize("passed", [[], [b"A: 1"], [b"A: 1", b"B: 2"]])
def test_a_head_is_exactly_its_lines(own: bytes, passed: list[bytes]) -> None:
    head = read_endpoint("x", "http://h", Timeouts()).head("POST", "/p?q=1", own, passed)
    assert head.endswith(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")
    assert lines == [b"POST /p?q=1 HTTP/1.1", b"Host: h", *own.splitlines(), *passed]
