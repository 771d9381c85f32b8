"""SDKs that leave a stream in its middle: the upstream is let go at once, and the call is settled with what was seen."""

import itertools
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any, NamedTuple

import pytest
from anthropic import Anthropic
from google import genai
from google.genai import types
from openai import OpenAI

from tests.clients.gate import Gate, cost_of, gate, tokens
from tests.clients.golden import EVENTS
from tests.clients.upstream import Asked, Said, Upstream, serving
from tests.server.running import SECONDS, until

TEXT = "Elbe, Oder, Weser"
QUESTION: Any = [{"role": "user", "content": "Which rivers are there?"}]
FIRST = {
    "/v1/chat/completions": 'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":'
    f'[{{"index":0,"delta":{{"role":"assistant","content":"{TEXT}"}}}}]}}\n\n',
    "/v1/messages": 'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
    '"role":"assistant","model":"m","content":[],"usage":{"input_tokens":700,"cache_read_input_tokens":0,'
    '"cache_creation_input_tokens":0,"output_tokens":1}}}\n\n'
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    f'"delta":{{"type":"text_delta","text":"{TEXT}"}}}}\n\n',
    "/v1/models/m:streamGenerateContent": 'data: {"candidates":[{"content":{"role":"model","parts":'
    f'[{{"text":"{TEXT}"}}]}}}}],"usageMetadata":{{"promptTokenCount":700,"totalTokenCount":700}}}}\r\n\r\n',
}


class Held(NamedTuple):
    """A gate before an upstream that says a little and then waits until `left`."""

    gate: Gate
    upstream: Upstream
    left: Event


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    left = Event()

    def answer(asked: Asked) -> Said:
        return Said(200, [EVENTS], FIRST[asked.target.partition("?")[0]].encode(), pieces)

    def pieces(first: bytes) -> Iterator[bytes]:
        yield b"%x\r\n%b\r\n" % (len(first), first)
        left.wait(SECONDS)
        yield from itertools.repeat(b"2\r\n\r\n\r\n", 10_000)

    with serving(answer) as upstream:
        bases = {"openai": f"{upstream.url}/v1", "anthropic": upstream.url, "gemini": upstream.url}
        providers = {wire: {"protocol": wire, "base_url": base} for wire, base in bases.items()}
        with gate(tmp_path_factory.mktemp("held"), {"providers": providers}) as running:
            yield Held(running, upstream, left)
        left.set()


def leave_openai(gate: Gate) -> None:
    with OpenAI(base_url=f"{gate.root}/v1", api_key=gate.key) as client:
        stream = client.chat.completions.create(model="m", messages=QUESTION, stream=True)
        assert next(iter(stream)).choices[0].delta.content == TEXT
        stream.close()


def leave_anthropic(gate: Gate) -> None:
    with Anthropic(base_url=gate.root, api_key=gate.key) as client:
        stream = client.messages.create(model="m", max_tokens=64, messages=QUESTION, stream=True)
        assert [next(iter(stream)).type for _ in range(2)] == ["message_start", "content_block_delta"]
        stream.close()


def leave_gemini(gate: Gate) -> None:
    options = types.HttpOptions(base_url=gate.root)
    client = genai.Client(api_key=gate.key, http_options=options)
    stream = client.models.generate_content_stream(model="m", contents="Which rivers are there?")
    assert next(iter(stream)).text == TEXT
    client.close()


@pytest.mark.parametrize(
    "leave, told_input",
    [(leave_openai, None), (leave_anthropic, 700), (leave_gemini, 700)],
    ids=["openai", "anthropic", "gemini"],
)
def test_a_caller_that_leaves(held: Held, leave: Callable[[Gate], None], told_input: int | None) -> None:
    held.left.clear()
    held.upstream.left.clear()
    with held.gate.recording() as records:
        leave(held.gate)
    (record,) = records
    assert (record["outcome"], record["reason"], record["status"]) == ("cut", "caller_gone", 499)
    counted = tokens(record)
    # Numbers of the provider win; the rest is a token for each four bytes of text.
    assert counted["input"] == (told_input or counted["input"]) > 0
    assert counted["output"] == -(-len(TEXT) // 4)
    assert record["estimated"]
    assert record["cost_nano"] == cost_of(counted)
    # The upstream has said nothing since; only now it could learn that nobody listens any more.
    held.left.set()
    until(lambda: held.upstream.left, "the upstream to be let go")
