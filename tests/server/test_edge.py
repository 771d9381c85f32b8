"""The edge on a real listening socket: answers, hang-ups, and draining without losing anybody."""

import asyncio
import select
import socket
from collections.abc import Callable

import pytest

from durward.calls.ports import Exchange
from durward.server.body import WAITING_BYTES
from durward.server.bounds import Bounds
from durward.server.edge import date_line
from tests.server.caller import NOON, House, house
from tests.server.line import GET, POST, Waiting, echo

CLOSED = b"\r\nConnection: close\r\n"


async def until(condition: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await condition.wait()


async def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(100_000):
        if holds():
            return
        await asyncio.sleep(0)
    pytest.fail("this was to come true")


async def drained(opened: House, seconds: float) -> "asyncio.Task[None]":
    draining = asyncio.create_task(opened.edge.drain(seconds))
    await asyncio.sleep(0)
    return draining


async def test_large_bodies_come_and_go_whole() -> None:
    async def app(exchange: Exchange) -> None:
        body = await exchange.body(10**7)
        exchange.begin(200, b"", None)
        for at in range(0, len(body), 50_000):
            exchange.write(body[at : at + 50_000])
            await exchange.drained()
        exchange.end()

    body = bytes(range(256)) * 8000
    async with house(app) as opened:
        caller = await opened.call()
        saying = asyncio.create_task(caller.say(POST % len(body) + body))
        await caller.hear(b"\r\n\r\n")
        heard = await caller.hear(b"\r\n0\r\n\r\n")
        await saying
        assert len(heard) > len(body)
        assert opened.edge.body_bytes == 0


async def test_caller_that_closes_is_noticed_at_once() -> None:
    async def app(exchange: Exchange) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    begun, cancelled = asyncio.Event(), asyncio.Event()
    async with house(app) as opened:
        caller = await opened.call()
        await caller.say(GET % 1)
        await until(begun)
        caller.hang_up()
        await until(cancelled)
        assert opened.edge.calls == 0


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="this system does not tell of a close behind unread bytes")
async def test_caller_that_closes_is_noticed_also_when_it_is_not_read() -> None:
    app = Waiting()
    async with house(app) as opened:
        leaving, staying = await opened.call(), await opened.call()
        for caller in (leaving, staying):
            await caller.say(POST % 10**6 + b"x" * 150_000)
        await eventually(lambda: opened.edge.body_bytes > 2 * WAITING_BYTES)
        opened.let_pass(100)
        assert opened.edge.calls == 2
        leaving.hang_up()

        def one_is_left() -> bool:
            opened.let_pass(0.5)  # the tick that looks may come before the last read
            return opened.edge.calls == 1

        await eventually(one_is_left)
        assert app.cancelled == [b"/"]


async def test_stream_that_only_the_close_would_end_is_cut_by_a_reset() -> None:
    async def app(exchange: Exchange) -> None:
        exchange.begin(200, b"", None)
        exchange.write(b"half")
        await cut.wait()
        exchange.abort()

    cut = asyncio.Event()
    async with house(app) as opened:
        caller = await opened.call()
        await caller.say(b"GET / HTTP/1.0\r\nHost: gate\r\n\r\n")
        await caller.hear(b"half")
        cut.set()
        with pytest.raises(ConnectionResetError):
            await caller.hear_all()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_half_an_answer_does_not_look_whole_to_a_caller_that_says_no_more_but_reads(version: bytes) -> None:
    async def app(exchange: Exchange) -> None:
        exchange.begin(200, b"", None)
        exchange.write(b"half")
        await asyncio.Event().wait()

    async with house(app) as opened:
        caller = await opened.call()
        await caller.say(b"GET / HTTP/%b\r\nHost: gate\r\n\r\n" % version)
        await caller.hear(b"half")
        caller.fall_silent()
        if version == b"1.0":
            with pytest.raises(ConnectionResetError):
                await caller.hear_all()
        else:
            assert await caller.hear_all() == b"\r\n"  # no last chunk


async def test_answer_reaches_a_caller_that_is_still_sending() -> None:
    async with house(echo) as opened:
        caller = await opened.call()
        await caller.say(POST % 9_000_000)
        await caller.say(b"x" * 9_000_000)
        heard = await caller.hear_all()
        assert heard.startswith(b"HTTP/1.1 413 ")
        assert CLOSED in heard


async def test_draining_ends_each_connection_with_its_answer() -> None:
    app = Waiting()
    async with house(app) as opened:
        caller = await opened.call()
        await caller.say(GET % 1)
        await until(app.asked)
        draining = await drained(opened, 60)
        with pytest.raises(ConnectionRefusedError):
            await opened.call()
        assert not draining.done()
        await app.let_go()
        heard = await caller.hear_all()
        assert heard.endswith(b"\r\n\r\n/1")
        assert CLOSED in heard
        caller.hang_up()
        await draining
        assert (opened.edge.calls, opened.edge.connections) == (0, 0)


async def test_draining_still_answers_a_request_that_was_on_its_way() -> None:
    async with house(echo, Bounds(farewell_seconds=2)) as opened:
        quick, idle = await opened.call(), await opened.call()
        for caller in (quick, idle):
            await caller.say(GET % 1)
            await caller.hear(b"\r\n\r\n/1")
        draining = await drained(opened, 60)
        opened.let_pass(1.5)
        await quick.say(GET % 2)
        assert CLOSED in await quick.hear_all()
        opened.let_pass(0.5)
        assert await idle.hear_all() == b""
        for caller in (quick, idle):
            caller.hang_up()
        await draining


async def test_draining_with_a_successor_leaves_idle_connections_to_their_next_answer() -> None:
    async with house(echo, Bounds(farewell_seconds=2, idle_seconds=30)) as opened:
        quick, idle = await opened.call(), await opened.call()
        for caller in (quick, idle):
            await caller.say(GET % 1)
            await caller.hear(b"\r\n\r\n/1")
        draining = asyncio.create_task(opened.edge.drain(60, patient=True))
        await asyncio.sleep(0)
        for _ in range(29):
            opened.let_pass(1)
        await quick.say(GET % 2)
        assert CLOSED in await quick.hear_all()
        opened.let_pass(1)
        assert await idle.hear_all() == b""
        for caller in (quick, idle):
            caller.hang_up()
        await draining


async def test_draining_gives_a_stream_in_progress_its_end() -> None:
    async def app(exchange: Exchange) -> None:
        exchange.begin(200, b"", None)
        exchange.write(b"one")
        await go_on.wait()
        exchange.write(b"two")
        exchange.end()

    go_on = asyncio.Event()
    async with house(app, Bounds(farewell_seconds=2)) as opened:
        caller = await opened.call()
        await caller.say(GET % 1)
        await caller.hear(b"one\r\n")
        draining = await drained(opened, 60)
        go_on.set()
        assert await caller.hear(b"0\r\n\r\n") == b"3\r\ntwo\r\n0\r\n\r\n"
        opened.let_pass(2)
        assert await caller.hear_all() == b""
        caller.hang_up()
        await draining


async def test_calls_that_outlast_the_draining_are_told_so() -> None:
    app = Waiting()
    async with house(app) as opened:
        caller = await opened.call()
        await caller.say(GET % 1)
        await until(app.asked)
        await opened.edge.drain(0)
        assert (await caller.hear_all()).startswith(b"HTTP/1.1 503 ")
        assert (app.cancelled, opened.refused) == ([b"/1"], ["stopping"])
        assert opened.edge.calls == 0


async def test_two_listeners_share_one_edge() -> None:
    async with house(echo) as opened:
        with socket.create_server(("127.0.0.1", 0)) as second:
            address = second.getsockname()
            await opened.edge.listen(second.dup())
        first = await opened.call()
        opened.address = address
        other = await opened.call()
        for caller in (first, other):
            await caller.say(GET % 1)
            await caller.hear(b"\r\n\r\n/1")
        assert opened.edge.connections == 2


@pytest.mark.parametrize(
    "seconds,expected",
    [
        (NOON, b"Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"),
        (0.9, b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
        (951782399, b"Date: Mon, 28 Feb 2000 23:59:59 GMT\r\n"),
        (951782400, b"Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n"),
    ],
)
def test_date_line(seconds: float, expected: bytes) -> None:
    assert date_line(seconds) == expected
