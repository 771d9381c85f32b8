"""Request bodies: whole or in pieces, any arrival reads alike, bounded in memory and time."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import DurwardError
from durward.protocols.framing import LAST_CHUNK, frame
from durward.server.body import WAITING_BYTES, BodyMemory, RequestBody
from durward.server.bounds import Bounds
from tests.server.caller import BOUNDS
from tests.server.line import settle


def body_of(length: int | None, limit: int = 2**20) -> RequestBody:
    return RequestBody(length, BodyMemory(limit), lambda: None)


async def refusal(waiting: "asyncio.Task[bytes]") -> str:
    with pytest.raises(DurwardError) as caught:
        await waiting
    return caught.value.reason


@given(st.binary(max_size=300), st.lists(st.integers(1, 60), min_size=1), st.booleans(), st.booleans())
def test_any_arrival_reads_alike(content: bytes, sizes: list[int], chunked: bool, whole: bool) -> None:
    async def read() -> bytes:
        if whole:
            return await body.whole(len(content))
        pieces = []
        while piece := await body.chunk():
            pieces.append(piece)
        return b"".join(pieces)

    async def run() -> None:
        reading = asyncio.create_task(read())
        behind, at = b"", 0
        while at < len(raw):
            size = sizes[at % len(sizes)]
            behind = body.feed(raw[at : at + size]) if not body.ended else behind + raw[at : at + size]
            at += size
            await asyncio.sleep(0)
        assert await reading == content
        assert (body.ended, behind) == (True, b"GET")
        body.release()
        assert memory.held == 0

    memory = BodyMemory(1000)
    body = RequestBody(None if chunked else len(content), memory, lambda: None)
    if not chunked and not content:
        body.ended = True  # no body is made for a request that has none
    pieces = [frame(content[at : at + 7]) for at in range(0, len(content), 7)]
    raw = (b"".join(pieces) + LAST_CHUNK if chunked else content) + b"GET"
    asyncio.run(run())


async def test_body_may_have_its_limit_and_not_a_byte_more() -> None:
    exact, larger = body_of(None), body_of(None)
    exact.feed(frame(b"1234") + LAST_CHUNK)
    assert await exact.whole(4) == b"1234"

    waiting = asyncio.create_task(larger.whole(4))
    await settle()
    larger.feed(frame(b"1234"))
    await settle()
    assert not waiting.done()
    larger.feed(frame(b"5"))
    assert await refusal(waiting) == "too_large"


async def test_pieces_then_the_rest() -> None:
    body = body_of(6)
    body.feed(b"12")
    assert await body.chunk() == b"12"
    body.feed(b"3456")
    assert await body.whole(6) == b"3456"


async def test_reading_is_resumed_only_when_bytes_are_waited_for() -> None:
    resumed: list[int] = []
    body = RequestBody(4, BodyMemory(100), lambda: resumed.append(body.waiting))
    body.feed(b"12")
    assert await body.chunk() == b"12"
    assert resumed == []
    waiting = asyncio.create_task(body.chunk())
    await settle()
    assert (resumed, body.awaited) == ([0], True)
    body.feed(b"34")
    assert not body.awaited
    assert await waiting == b"34"


async def test_many_small_chunks_are_not_many_objects() -> None:
    body = body_of(None)
    for _ in range(WAITING_BYTES):
        body.feed(frame(b"x"))
    assert len(body._pieces) <= 2
    body.feed(LAST_CHUNK)
    assert await body.whole(2 * WAITING_BYTES) == b"x" * WAITING_BYTES


async def test_malformed_body_yields_nothing_even_of_what_was_right() -> None:
    body = body_of(None)
    body.feed(frame(b"good"))
    assert body.feed(b"none\r\n" + LAST_CHUNK) == b""
    for read in (body.chunk(), body.whole(100)):
        assert await refusal(asyncio.create_task(read)) == "malformed_http"
    assert body.feed(b"GET / HTTP/1.1") == b"", "where the next request begins is not known"
    assert not body.ended


async def test_all_bodies_together_are_bounded() -> None:
    memory = BodyMemory(10)
    first, second = (RequestBody(8, memory, lambda: None) for _ in range(2))
    first.feed(b"12345678")
    assert await first.whole(8) == b"12345678"
    second.feed(b"123")
    with pytest.raises(DurwardError) as caught:
        await second.chunk()
    assert (caught.value.reason, caught.value.status) == ("overloaded", 503)
    assert second.feed(b"45678") == b""
    assert memory.held == 11, "nothing more is taken in"
    first.release()
    second.release()
    assert memory.held == 0


async def test_pieces_that_were_passed_on_are_not_held() -> None:
    memory = BodyMemory(10)
    body = RequestBody(30, memory, lambda: None)
    for _ in range(3):
        body.feed(b"0123456789")
        assert await body.chunk() == b"0123456789"
    assert (memory.held, body.ended) == (0, True)


async def test_slow_body_is_cut_when_its_slack_is_used_up() -> None:
    bounds = Bounds(body_seconds=10, slowest=100)
    body = body_of(10_000)
    body.wait(60, bounds)  # nobody waits for it: not the caller's fault
    waiting = asyncio.create_task(body.whole(10_000))
    await settle()
    for _ in range(100):
        body.feed(b"x" * 100)
        body.wait(1, bounds)
    assert await waiting == b"x" * 10_000

    slow = body_of(10_000)
    waiting = asyncio.create_task(slow.whole(10_000))
    await settle()
    for _ in range(19):
        slow.feed(b"x" * 50)
        slow.wait(1, bounds)
    await settle()
    assert not waiting.done()
    for _ in range(3):
        slow.wait(1, bounds)
    assert await refusal(waiting) == "request_timeout"


async def test_early_bytes_do_not_buy_more_than_the_slack() -> None:
    body = body_of(None)
    waiting = asyncio.create_task(body.whole(2**20))
    await settle()
    body.feed(frame(b"x" * 500_000))
    for _ in range(9):
        body.wait(1, BOUNDS)
    await settle()
    assert not waiting.done()
    body.wait(1, BOUNDS)
    assert await refusal(waiting) == "request_timeout"
