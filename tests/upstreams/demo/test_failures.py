"""Failing on request."""

import pytest

from durward.calls.ports import RequestHead
from durward.upstreams.demo.failures import failure_of


def head(*forward: bytes) -> RequestHead:
    return RequestHead("POST", b"/v1/messages", {}, list(forward), 0)


@pytest.mark.parametrize("name", ["429", "500", "overloaded", "cut", "slow", "malformed", "silent"])
def test_the_prompt_or_the_head_asks(name: str) -> None:
    assert failure_of(head(), f"please demo:{name}, now") == name
    assert failure_of(head(b"Accept: */*", b"demo-fail: " + name.upper().encode()), "hi") == name


@pytest.mark.parametrize("text", ["", "demo:", "demo:4290", "demo:nothing", "mydemo:cut", "Demo:cut"])
def test_nothing_else_fails(text: str) -> None:
    assert failure_of(head(b"Demo-Failed: cut"), text) is None


def test_the_head_wins() -> None:
    assert failure_of(head(b"Demo-Fail: none"), "demo:cut") is None
