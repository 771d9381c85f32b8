"""The benchmark sends and answers what its bars name."""

import json

from bench import prompts, streams
from bench.subjects import HERE


def test_bodies_have_the_sizes_of_their_bars() -> None:
    messages = json.loads(prompts.plain())["messages"]
    assert sum(len(message["content"]) for message in messages) == 1000
    assert 76_000 <= len(prompts.large()) <= 79_000
    assert len(json.loads(prompts.large())["tools"]) == 24
    assert json.loads(prompts.stream())["stream"] is True


def test_heads_have_as_many_headers_as_their_bars() -> None:
    request = (HERE / "wire" / "request_headers.txt").read_text().splitlines()
    answer = (HERE / "wire" / "response_headers.txt").read_text().splitlines()
    assert len(request) + len(["Host", "Content-Length", "traceparent"]) == 18
    assert len(answer) + len(["Server", "Date", "Content-Type", "Content-Length", "Connection"]) == 25


def test_stream_is_101_events_and_ends_with_usage() -> None:
    events = streams.events()
    assert len(events) == 101
    assert events[-1] == b"data: [DONE]\n\n"
    last = json.loads(events[-2].removeprefix(b"data: "))
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 97
