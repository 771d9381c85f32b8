"""The demo provider as a whole, over a real edge: pace, failures, the API, and what no route answers."""

import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.ports import RequestHead
from durward.upstreams.demo.app import Demo
from durward.upstreams.demo.failures import SILENT_SECONDS
from tests.server.caller import HeldClock
from tests.upstreams.demo.served import SEED, events, served

ROUTES = ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1beta/models/m:streamGenerateContent?alt=sse"]


def body_for(text: str, stream: bool = True) -> dict[str, Any]:
    """One body that every wire can read."""
    return {
        "model": "m",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": text}],
        "input": text,
        "contents": [{"parts": [{"text": text}]}],
        "stream": stream,
    }


@pytest.mark.parametrize("route", ROUTES)
async def test_tokens_come_like_a_models(route: str) -> None:
    async with served() as demo, httpx2.AsyncClient() as client:
        answer = await client.post(demo.url + route, json=body_for("Explain rivers."))
        first, *others = demo.slept
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert 0.2 <= first <= 0.4
        assert len(others) > 10
        assert all(0.02 <= each <= 0.06 for each in others)
        demo.slept.clear()
        await client.post(demo.url + route, json=body_for("Explain rivers."))
        assert demo.slept == [first, *others]


async def test_no_two_answers_have_one_id() -> None:
    async with served() as demo, httpx2.AsyncClient() as client:
        answers = [await client.post(f"{demo.url}{ROUTES[0]}", json=body_for("x", stream=False)) for _ in range(3)]
    assert len({answer.json()["id"] for answer in answers}) == 3
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("where", ["prompt", "head"])
async def test_a_stream_is_cut(route: str, where: str) -> None:
    text, headers = ("demo:cut", {}) if where == "prompt" else ("hello", {"Demo-Fail": "cut"})
    async with served() as demo, httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(demo.url + route, json=body_for(text), headers=headers)
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(demo.url + route.replace("streamG", "g"), json=body_for(text, False), headers=headers)


@pytest.mark.parametrize("route", ROUTES)
async def test_a_stream_is_malformed(route: str) -> None:
    async with served() as demo, httpx2.AsyncClient() as client:
        streamed = await client.post(demo.url + route, json=body_for("demo:malformed"))
        with pytest.raises(json.JSONDecodeError):
            events(streamed.text)
        assert "[DONE]" not in streamed.text
        plain = await client.post(
            demo.url + route.replace("streamG", "g"), json=body_for("demo:malformed", stream=False)
        )
        assert plain.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            plain.json()


@pytest.mark.parametrize("route", ROUTES)
async def test_slow_is_slow(route: str) -> None:
    async with served() as demo, httpx2.AsyncClient() as client:
        await client.post(demo.url + route, json=body_for("demo:slow"))
        assert demo.slept[:3] == [5.0, 1.0, 1.0]


@pytest.mark.parametrize("route", [*ROUTES, "/demo-api/orders"])
async def test_silence_ends_without_an_answer(route: str) -> None:
    async with served() as demo, httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(demo.url + route, json=body_for("x"), headers={"Demo-Fail": "silent"})
        assert demo.slept == [SILENT_SECONDS]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name,status", [("429", 429), ("500", 500)])
async def test_errors_come_before_the_stream(route: str, name: str, status: int) -> None:
    async with served() as demo, httpx2.AsyncClient() as client:
        answer = await client.post(demo.url + route, json=body_for(f"demo:{name}"))
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) is (status == 429)
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"{}", b'{"model": "m"}'])
async def test_a_body_that_cannot_be_read_is_the_callers_mistake(route: str, body: bytes) -> None:
    async with served() as demo, httpx2.AsyncClient() as client:
        answer = await client.post(demo.url + route, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


async def test_unknown_routes_of_a_provider() -> None:
    async with served() as demo, httpx2.AsyncClient() as client:
        answer = await client.get(f"{demo.url}/v1/files")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_the_api() -> None:
    async with served() as demo, httpx2.AsyncClient(base_url=demo.url) as client:
        made = await client.post("/orders", json={"item": "Bell"})
        assert made.status_code == 201
        assert (await client.get(f"/demo-api/orders/{made.json()['id']}")).json() == made.json()
        gone = await client.delete(f"/orders/{made.json()['id']}")
        assert (gone.status_code, gone.content) == (204, b"")
        assert (await client.put("/orders")).headers["allow"] == "OPTIONS, HEAD, GET, POST"
        assert (await client.head("/customers")).status_code == 200
        failed = await client.get("/orders", headers={"Demo-Fail": "429"})
        assert (failed.status_code, failed.headers["retry-after"]) == (429, "2")
        assert (await client.get("/orders", headers={"Demo-Fail": "overloaded"})).status_code == 503
        with pytest.raises(json.JSONDecodeError):
            (await client.get("/orders", headers={"Demo-Fail": "malformed"})).json()
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get("/orders", headers={"Demo-Fail": "cut"})
        await client.get("/orders", headers={"Demo-Fail": "slow"})
        assert demo.slept == [5.0]


class OneExchange:
    """An exchange without a connection: takes whatever is answered."""

    def __init__(self, target: str, body: bytes) -> None:
        self.head = RequestHead("POST", target.encode(), {}, [], len(body))
        self.peer = "127.0.0.1"
        self.started = self.gone = self.congested = False
        self.status = 0
        self.written = b""
        self._body = body

    waited = 0.0

    async def body(self, limit: int) -> bytes:
        return self._body

    async def chunk(self) -> bytes:
        return b""

    def let_go(self) -> None:
        pass

    def send(self, status: int, lines: bytes, body: bytes) -> None:
        self.status, self.written = status, body

    def begin(self, status: int, lines: bytes, length: int | None) -> None:
        self.status = status

    def write(self, data: bytes) -> None:
        self.written += data

    def pass_on(self, data: bytes) -> bool:
        self.write(data)
        return True

    async def drained(self) -> None:
        return

    def end(self) -> None:
        self.started = True

    def abort(self) -> None:
        self.started = True


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(max_size=4)
    | st.sampled_from(["user", "text", "tool", "function", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "type",
                    "text",
                    "parts",
                    "name",
                    "function",
                    "parameters",
                    "properties",
                    "required",
                    "format",
                    "items",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
MEMBERS = [
    "messages",
    "input",
    "contents",
    "tools",
    "tool_choice",
    "text",
    "response_format",
    "generationConfig",
    "toolConfig",
]
MORE_MEMBERS = [
    "stream_options",
    "output_config",
    "max_tokens",
    "n",
    "content",
    "requests",
    "dimensions",
    "metadata",
    "stream",
]
TARGETS = [
    *ROUTES,
    "/v1/embeddings",
    "/v1/messages/count_tokens",
    "/v1beta/models/m:embedContent",
    "/v1beta/models/m:countTokens",
]


@given(st.sampled_from(TARGETS), st.dictionaries(st.sampled_from(MEMBERS + MORE_MEMBERS), json_values, max_size=6))
def test_any_body_has_an_answer(target: str, members: dict[str, Any]) -> None:
    async def sleep(seconds: float) -> None:
        return

    exchange = OneExchange(target, json.dumps({**body_for("hi"), **members}).encode())
    answering = Demo(HeldClock(), sleep, SEED).answer(exchange)
    with pytest.raises(StopIteration):
        answering.send(None)
    assert exchange.status in (200, 400)
    assert exchange.written
