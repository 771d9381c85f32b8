"""One connection with its event loop left out: bytes are delivered, and what it does with its transport is written down."""

import asyncio
from collections.abc import Generator
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import UpstreamError
from durward.protocols.framing import LAST_CHUNK, frame
from durward.server.turn import ASKED_BYTES, Turn
from durward.upstreams.answer import UNREAD_BYTES, Answer
from durward.upstreams.connection import INTERIM_ANSWERS, Batch, Body, Connection, Ticks, as_given
from durward.upstreams.stale import Stale
from tests.upstreams.scripted import GET, HEAD, LIMIT, OK, TIMEOUTS, deliver, post, turns

LONG = b"x" * (ASKED_BYTES + 1)
"""What does not wait for the end of a turn."""
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Wire:
    """A transport, and the pool behind the connection, that write down what is asked of them."""

    def __init__(self, batch: Batch = as_given) -> None:
        self.said: list[str] = []
        self.written = b""
        self.connection = Connection("upstream:80", self, Ticks(0.0, batch), asyncio.get_running_loop())
        self.connection.connection_made(cast(asyncio.Transport, self))

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        self.written += b"".join(pieces)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return "abort" in self.said

    def pause_reading(self) -> None:
        self.said.append("pause")

    def resume_reading(self) -> None:
        self.said.append("resume")

    def abort(self) -> None:
        self.said.append("abort")

    def release(self, connection: Connection) -> None:
        self.said.append("release")

    def gone(self, connection: Connection) -> None:
        self.said.append("gone")

    def ask(self, head: bytes = GET, body: Body = b"") -> asyncio.Future[Answer]:
        return self.connection.exchange(head, body, TIMEOUTS)

    def deliver(self, *pieces: bytes) -> None:
        for piece in pieces:
            if not self.connection.closed:
                deliver(self.connection, piece)


async def read(answer: Answer) -> bytes:
    body = b""
    while data := await answer.chunk():
        body += data
    return body


CORPUS = [
    (GET, OK, b"ok"),
    (GET, b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
    (GET, CHUNKED + frame(b"data: a\n\n") + frame(b"\r\n0\r\n\r\n") + LAST_CHUNK, b"data: a\n\n\r\n0\r\n\r\n"),
    (GET, CHUNKED + b'3;a="b"\r\nabc\r\n0;c\r\nx: y\r\n\r\n', b"abc"),
    (GET, b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", b""),
    (GET, b"HTTP/1.1 404\r\nContent-Length: 9\r\nX-A: \xff\r\n\r\nnot here\n", b"not here\n"),
]


@pytest.mark.parametrize("head,text,body", CORPUS)
async def test_every_chunking_of_an_answer_is_the_same_answer(head: bytes, text: bytes, body: bytes) -> None:
    for size in range(1, len(text) + 1):
        wire = Wire()
        call = wire.ask(head)
        wire.deliver(*(text[at : at + size] for at in range(0, len(text), size)))
        assert await read(await call) == body
        assert wire.said == ["release"]


@given(st.sampled_from(CORPUS), st.lists(st.integers(0, 200), max_size=6))
def test_any_split_of_an_answer_is_the_same_answer(case: tuple[bytes, bytes, bytes], cuts: list[int]) -> None:
    head, text, body = case

    async def split() -> None:
        wire = Wire()
        call = wire.ask(head)
        edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
        wire.deliver(*(text[start:end] for start, end in pairwise(edges)))
        assert await read(await call) == body
        assert wire.said == ["release"]

    asyncio.run(split())


async def test_head_and_body_in_one_read_cost_one_suspension() -> None:
    wire = Wire()

    async def call() -> bytes | None:
        return await (await wire.ask(post(b"x"), b"x")).whole(LIMIT)

    steps: Generator[object, None, bytes | None] = call().__await__()
    waited_for = next(steps)
    assert isinstance(waited_for, asyncio.Future)
    wire.deliver(OK)
    with pytest.raises(StopIteration) as ended:
        next(steps)
    assert ended.value.value == b"ok"


async def test_what_the_pool_is_told_comes_before_what_the_call_is_told() -> None:
    wire = Wire()
    call = wire.ask()
    wire.deliver(OK)
    assert wire.said == ["release"], "the connection is free before the call runs on"
    assert (await call).ended()


async def test_an_answer_to_head_ends_the_connection() -> None:
    wire = Wire()
    call = wire.ask(HEAD)
    wire.deliver(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    answer = await call
    assert (answer.length, answer.fields, await answer.whole(LIMIT)) == (0, {b"content-length": b"5"}, b"")
    assert wire.said == ["abort", "gone"]


async def test_nothing_of_one_exchange_is_left_for_the_next() -> None:
    wire = Wire()
    for _ in range(2):
        call = wire.ask()
        wire.deliver(*[b"HTTP/1.1 103 Early Hints\r\n\r\n"] * INTERIM_ANSWERS, OK[:20], OK[20:])
        assert await read(await call) == b"ok"
        assert wire.connection.deadline == float("inf")
    assert wire.said == ["release"] * 2


@pytest.mark.parametrize("body", [b"", b"x" * 5_000])
async def test_what_comes_before_the_request_has_left_is_no_answer_to_it(body: bytes) -> None:
    wire = Wire(Turn().upstreams)
    head = post(body) if body else GET
    first = wire.ask(head, body)
    await turns(2)
    wire.deliver(OK)
    assert await read(await first) == b"ok"
    second = wire.ask(head, body)
    wire.deliver(OK)  # A surplus answer to the first, which came too late to be seen as such.
    with pytest.raises(Stale):
        await second
    await turns(2)
    assert wire.written == head + body, "and so the call may go on another connection"


async def test_a_server_that_speaks_unasked_is_malformed() -> None:
    wire = Wire(Turn().upstreams)
    call = wire.ask()
    wire.deliver(OK)
    with pytest.raises(UpstreamError) as raised:
        await call
    assert raised.value.reason == "upstream_malformed"


async def test_an_early_answer_to_a_request_that_is_still_leaving_is_an_answer() -> None:
    wire = Wire(Turn().upstreams)
    call = wire.ask(post(LONG), LONG)
    wire.deliver(OK)
    assert await read(await call) == b"ok"


async def test_a_long_body_read_whole_costs_one_suspension_more() -> None:
    wire = Wire()
    call = wire.ask()
    wire.deliver(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab")
    steps = (await call).whole(LIMIT).__await__()
    waited_for = next(steps)
    assert isinstance(waited_for, asyncio.Future)
    wire.deliver(b"cd")
    assert not waited_for.done()
    wire.deliver(b"ef")
    assert waited_for.done()
    with pytest.raises(StopIteration) as ended:
        next(steps)
    assert ended.value.value == b"abcdef"


# Back-pressure.


async def test_an_upstream_is_not_read_from_while_too_much_lies_unread() -> None:
    wire = Wire()
    call = wire.ask()
    wire.deliver(CHUNKED)
    answer = await call
    half = b"x" * (UNREAD_BYTES // 2)
    wire.deliver(frame(half), frame(half))
    assert wire.said == []
    wire.deliver(frame(b"y"))
    assert wire.said == ["pause"]
    assert await answer.chunk() == half + half + b"y"
    assert wire.said == ["pause"], "not before it is needed"
    more = asyncio.ensure_future(answer.chunk())
    await turns(1)
    assert wire.said == ["pause", "resume"]
    wire.deliver(frame(b"z"))
    assert await more == b"z"
    wire.deliver(frame(half))
    assert wire.said == ["pause", "resume"], "what was taken lies unread no more"


async def test_silence_while_not_reading_is_nobodys_fault() -> None:
    wire = Wire()
    call = wire.ask()
    wire.deliver(CHUNKED, frame(b"x" * 60_000), frame(b"x" * 60_000))
    assert wire.said == ["pause"]
    assert wire.connection.deadline == float("inf")
    answer = await call
    await answer.chunk()
    more = asyncio.ensure_future(answer.chunk())
    await turns(1)
    assert wire.connection.deadline == TIMEOUTS.between_chunks + 0.25
    wire.deliver(LAST_CHUNK)
    assert await more == b""


async def test_a_body_is_asked_for_only_as_fast_as_the_upstream_reads() -> None:
    wire = Wire()
    asked = 0

    async def body() -> bytes:
        nonlocal asked
        asked += 1
        if asked == 2:
            wire.connection.pause_writing()
        return b"x" if asked < 4 else b""

    call = wire.ask(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", body)
    await turns(5)
    assert asked == 2
    assert wire.connection.deadline == TIMEOUTS.first_byte + 0.25, "an upstream that does not read is silent"
    wire.connection.resume_writing()
    await turns(5)
    assert asked == 4
    assert wire.connection.deadline == TIMEOUTS.first_byte + 0.25, "the request is sent, the answer is due"
    assert wire.written.endswith(frame(b"x") * 3 + LAST_CHUNK)
    wire.deliver(OK)
    assert (await call).ended()
    assert wire.said == ["release"]


async def test_waiting_for_the_callers_body_has_no_deadline_of_the_upstreams() -> None:
    wire = Wire()
    asked = 0

    async def body() -> bytes:
        nonlocal asked
        asked += 1
        if asked == 1:
            wire.connection.pause_writing()
            return b"x"
        await asyncio.Event().wait()
        raise AssertionError

    call = wire.ask(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", body)
    assert wire.connection.deadline == float("inf")
    await turns(2)
    wire.connection.resume_writing()
    await turns(2)
    assert asked == 2
    assert wire.connection.deadline == float("inf")
    wire.connection.abort()
    call.cancel()
    await turns(2)


# Ends.


async def test_hanging_up_is_told_to_the_transport_within_the_same_turn() -> None:
    wire = Wire()
    call = wire.ask()
    wire.deliver(CHUNKED + frame(b"ab"))
    answer = await call
    answer.cancel()
    assert wire.said == ["abort", "gone"]


async def test_what_came_before_a_failure_is_handed_out_before_it() -> None:
    wire = Wire()
    call = wire.ask()
    wire.deliver(CHUNKED + frame(b"ab"), b"nonsense")
    answer = await call
    assert wire.said == ["abort", "gone"]
    assert not answer.ended()
    assert await answer.chunk() == b"ab"
    for _ in range(2):
        with pytest.raises(UpstreamError) as caught:
            await answer.chunk()
        assert caught.value.reason == "upstream_malformed"


async def test_the_end_of_the_stream_ends_only_a_body_that_nothing_else_ends() -> None:
    for head, whole in ((b"HTTP/1.1 200 OK\r\n\r\n", True), (CHUNKED, False)):
        wire = Wire()
        call = wire.ask()
        wire.deliver(head)
        answer = await call
        waiting = asyncio.ensure_future(answer.chunk())
        await turns(1)
        wire.connection.eof_received()
        if whole:
            assert await waiting == b""
        else:
            with pytest.raises(UpstreamError, match="in the middle of its answer"):
                await waiting
        assert wire.said == ["abort", "gone"]
        wire.connection.connection_lost(None)
        assert wire.said == ["abort", "gone"]


async def test_an_answer_that_comes_as_its_call_is_given_up_closes_the_connection() -> None:
    wire = Wire()
    call = wire.ask()
    call.cancel()
    wire.deliver(OK)
    assert wire.said == ["abort", "gone"]
