"""Answers as they stand on the connection, for every way to give one."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from durward.calls.errors import CallerError, GateError
from durward.calls.ports import Exchange
from durward.server.exchange import LARGE_BYTES
from tests.server.line import DATE, Line, settle

LINES = b"X-A: a\r\n"
GET = b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n"
OLD_GET = b"GET / HTTP/1.0\r\nHost: gate\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: gate\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: gate\r\nContent-Length: 4\r\n\r\n"

Answer = Callable[[Exchange], None]


def answering(answer: Answer) -> Callable[[Exchange], Awaitable[None]]:
    async def app(exchange: Exchange) -> None:
        answer(exchange)

    return app


async def answered(request: bytes, answer: Answer) -> Line:
    line = Line(answering(answer))
    await line.deliver(request)
    return line


def whole(exchange: Exchange) -> None:
    exchange.send(200, LINES, b"body")


def streamed(exchange: Exchange) -> None:
    exchange.begin(200, LINES, None)
    exchange.write(b"one")
    exchange.write(b"")
    exchange.write(b"a" * 26)
    exchange.end()


def counted(exchange: Exchange) -> None:
    exchange.begin(200, LINES, 6)
    exchange.write(b"one")
    exchange.write(b"two")
    exchange.end()


def status_only(status: int) -> Answer:
    return lambda exchange: exchange.send(status, LINES, b"ignored")


OK = b"HTTP/1.1 200 OK\r\nX-A: a\r\n" + DATE
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n1a\r\n" + b"a" * 26 + b"\r\n0\r\n\r\n"
CLOSE = b"Connection: close\r\n"


@pytest.mark.parametrize(
    "request_,answer,expected",
    [
        (GET, whole, OK + b"Content-Length: 4\r\n\r\nbody"),
        (HEAD, whole, OK + b"Content-Length: 4\r\n\r\n"),
        (GET, streamed, OK + CHUNKS),
        (HEAD, streamed, OK + b"\r\n"),
        (GET, counted, OK + b"Content-Length: 6\r\n\r\nonetwo"),
        (HEAD, counted, OK + b"Content-Length: 6\r\n\r\n"),
        (GET, status_only(204), b"HTTP/1.1 204 No Content\r\nX-A: a\r\n" + DATE + b"\r\n"),
        (GET, status_only(304), b"HTTP/1.1 304 Not Modified\r\nX-A: a\r\n" + DATE + b"\r\n"),
        (GET, lambda e: e.send(529, b"", b""), b"HTTP/1.1 529 \r\n" + DATE + b"Content-Length: 0\r\n\r\n"),
        (GET, lambda e: e.send(200, b"date: x\r\n", b""), b"HTTP/1.1 200 OK\r\ndate: x\r\nContent-Length: 0\r\n\r\n"),
    ],
)
async def test_answer_leaves_the_connection_open(request_: bytes, answer: Answer, expected: bytes) -> None:
    line = await answered(request_, answer)
    assert line.written == expected
    await line.deliver(GET)
    assert line.written.count(b"HTTP/1.1 ") == 2
    assert not line.transport.ended()


@pytest.mark.parametrize(
    "request_,answer,expected",
    [
        (OLD_GET, whole, OK + CLOSE + b"Content-Length: 4\r\n\r\nbody"),
        (OLD_GET, counted, OK + CLOSE + b"Content-Length: 6\r\n\r\nonetwo"),
        (OLD_GET, streamed, OK + CLOSE + b"\r\none" + b"a" * 26),
        (
            GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
            whole,
            OK + CLOSE + b"Content-Length: 4\r\n\r\nbody",
        ),
        (POST, whole, OK + CLOSE + b"Content-Length: 4\r\n\r\nbody"),
        (POST + b"1", streamed, OK + CLOSE + CHUNKS),
    ],
)
async def test_answer_ends_the_connection(request_: bytes, answer: Answer, expected: bytes) -> None:
    line = await answered(request_, answer)
    assert line.written == expected
    assert line.transport.ended()
    assert not line.transport.is_closing(), "what the caller still sends is read until it closes too"


async def test_body_that_nobody_read_but_that_has_come_does_not_end_the_connection() -> None:
    line = await answered(POST + b"1234" + GET, whole)
    assert line.written == 2 * (OK + b"Content-Length: 4\r\n\r\nbody")


@pytest.mark.parametrize("send", [True, False])
async def test_large_bodies_are_framed_like_small_ones(send: bool) -> None:
    body = b"x" * (LARGE_BYTES + 1)

    def answer(exchange: Exchange) -> None:
        if send:
            exchange.send(200, b"", body)
        else:
            exchange.begin(200, b"", None)
            exchange.write(body)
            exchange.end()

    line = await answered(GET, answer)
    framed = body if send else b"8001\r\n" + body + b"\r\n0\r\n\r\n"
    assert line.written.partition(b"\r\n\r\n")[2] == framed


async def test_cut_stream_has_no_last_chunk() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.begin(200, b"", None)
        exchange.write(b"one")
        exchange.abort()
        exchange.write(b"two")
        exchange.end()

    line = await answered(GET, answer)
    assert line.written.endswith(b"\r\n\r\n3\r\none\r\n")
    assert line.transport.ended()


async def test_nothing_is_answered_after_an_abort() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.abort()
        with pytest.raises(GateError):
            exchange.send(200, b"", b"")

    line = await answered(GET, answer)
    assert line.written == b""
    assert line.transport.ended()


async def test_answer_longer_than_its_head_says_is_cut() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.begin(200, b"", 3)
        exchange.write(b"one")
        with pytest.raises(GateError):
            exchange.write(b"two")

    line = await answered(GET, answer)
    assert line.written.endswith(b"\r\n\r\none")
    assert line.transport.ended()


async def test_answer_shorter_than_its_head_says_is_cut() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.begin(200, b"", 4)
        exchange.write(b"one")
        with pytest.raises(GateError):
            exchange.end()

    line = await answered(GET, answer)
    assert line.written.endswith(b"\r\n\r\none")
    assert line.transport.ended()


@pytest.mark.parametrize("status", [100, 101, 199, 600])
async def test_only_final_statuses_are_answers(status: int) -> None:
    def answer(exchange: Exchange) -> None:
        with pytest.raises(GateError):
            exchange.send(status, b"", b"")
        assert not exchange.started
        exchange.send(502, b"", b"")

    assert (await answered(GET, answer)).written.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


async def test_one_request_has_one_answer() -> None:
    def answer(exchange: Exchange) -> None:
        started = [exchange.started]
        exchange.send(200, b"", b"")
        assert [*started, exchange.started] == [False, True]
        with pytest.raises(GateError):
            exchange.send(200, b"", b"")
        with pytest.raises(GateError):
            exchange.begin(200, b"", None)

    assert (await answered(GET, answer)).written.count(b"HTTP/1.1") == 1


async def test_caller_that_waits_is_invited_when_the_body_is_first_read() -> None:
    async def app(exchange: Exchange) -> None:
        await asked.wait()
        first = await exchange.chunk()
        exchange.send(200, b"", first + await exchange.chunk())

    asked = asyncio.Event()
    line = Line(app)
    await line.deliver(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert line.written == b""
    asked.set()
    await settle()
    assert line.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    await line.deliver(b"12")
    await line.deliver(b"34")
    assert line.written.count(b"100 Continue") == 1
    assert line.written.endswith(b"\r\n\r\n1234")


async def test_caller_that_did_not_wait_is_not_invited() -> None:
    async def app(exchange: Exchange) -> None:
        exchange.send(200, b"", await exchange.body(10))

    line = Line(app)
    await line.deliver(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") + b"1")
    await line.deliver(b"234")
    assert line.written.endswith(b"\r\n\r\n1234")
    assert b"Continue" not in line.written


async def test_body_too_large_by_its_length_is_not_invited() -> None:
    async def app(exchange: Exchange) -> None:
        with pytest.raises(CallerError) as caught:
            await exchange.body(3)
        exchange.send(caught.value.status, b"", b"")

    line = Line(app)
    await line.deliver(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert line.written.startswith(b"HTTP/1.1 413 ")
    assert line.transport.ended()


async def test_request_without_body_reads_empty() -> None:
    async def app(exchange: Exchange) -> None:
        exchange.send(200, b"", await exchange.body(0) + await exchange.chunk() + exchange.peer.encode())

    line = Line(app)
    await line.deliver(GET)
    assert line.written.endswith(b"\r\n\r\n192.0.2.1")


async def test_slow_reader_holds_the_stream_back() -> None:
    async def app(exchange: Exchange) -> None:
        exchange.begin(200, b"", None)
        for _ in range(4):
            exchange.write(b"x" * 20_000)
            heard.append(exchange.congested)
            await exchange.drained()
        exchange.end()

    heard: list[bool] = []
    line = Line(app)
    line.transport.stuck = True
    await line.deliver(GET)
    assert heard == [False, False, False, True]
    assert not line.written.endswith(b"\r\n0\r\n\r\n")
    line.transport.take(70_000)
    await settle()
    assert line.written.endswith(b"\r\n0\r\n\r\n")


async def test_writing_to_a_caller_that_has_gone_goes_nowhere() -> None:
    async def app(exchange: Exchange) -> None:
        exchange.begin(200, b"", None)
        try:
            await asyncio.Event().wait()
        finally:
            exchange.write(b"more")
            exchange.end()
            exchange.abort()

    line = Line(app)
    await line.deliver(GET)
    before = line.written
    await line.hang_up()
    assert line.written == before
    assert line.edge.calls == 0


async def test_answer_to_a_caller_that_has_gone_goes_nowhere() -> None:
    async def app(exchange: Exchange) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            exchange.send(503, b"", b"")

    line = Line(app)
    await line.deliver(GET)
    await line.hang_up()
    assert line.written == b""


async def test_waiting_for_a_caller_that_has_gone_ends() -> None:
    """Also for a task that is not the call's own and is not cancelled with it: an upload that is passed on."""

    async def app(exchange: Exchange) -> None:
        uploads.append(asyncio.create_task(exchange.chunk()))
        await asyncio.Event().wait()

    uploads: list[asyncio.Task[bytes]] = []
    line = Line(app)
    await line.deliver(POST)
    await line.hang_up()
    with pytest.raises(CallerError) as caught:
        await uploads[0]
    assert caught.value.reason == "caller_gone"
