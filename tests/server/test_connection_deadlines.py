"""What waits has a deadline: heads, idle connections, slow bodies, callers that do not read. Time is the edge's own, tick by tick."""

import asyncio

import pytest

from durward.calls.ports import Exchange
from tests.server.line import GET, POST, Line, Waiting, echo, settle, statuses


async def test_connection_without_a_byte_is_closed_silently() -> None:
    line = Line(echo)
    await line.let_pass(9)
    assert not line.transport.ended()
    await line.let_pass(0.5)
    assert (line.transport.ended(), line.written) == (True, b"")
    assert line.refused == []


async def test_head_has_ten_seconds_however_it_drips() -> None:
    line = Line(echo)
    for byte in (GET % 1)[:18]:
        await line.deliver(bytes([byte]))
        await line.let_pass(0.5)
    assert line.written == b""
    await line.let_pass(0.5)
    assert statuses(line) == [408]
    assert line.refused == [("request_timeout", "192.0.2.1")]


async def test_first_head_has_ten_seconds_from_the_connection() -> None:
    line = Line(echo)
    await line.let_pass(5)
    await line.deliver(b"G")
    await line.let_pass(4.5)
    assert statuses(line) == [408]


async def test_next_head_has_ten_seconds_from_its_first_byte() -> None:
    line = Line(echo)
    await line.deliver(GET % 1)
    await line.let_pass(70)
    await line.deliver(b"G")
    await line.let_pass(9)
    await line.deliver(b"E")
    assert statuses(line) == [200]
    await line.let_pass(0.5)
    assert statuses(line) == [200, 408]


async def test_idle_connection_is_closed_after_a_while() -> None:
    line = Line(echo)
    await line.deliver(GET % 1)
    await line.let_pass(74.5)
    assert not line.transport.ended()
    await line.let_pass(0.5)
    assert line.transport.ended()
    assert statuses(line) == [200]


async def test_call_in_progress_has_no_deadline_of_the_edge() -> None:
    app = Waiting()
    line = Line(app)
    await line.deliver(GET % 1)
    await line.let_pass(1000)
    await app.let_go()
    assert statuses(line) == [200]


async def test_slow_body_is_answered_408() -> None:
    line = Line(echo)
    await line.deliver(POST % 20_000)
    for _ in range(21):
        await line.deliver(b"x" * 500)
        await line.let_pass(1)
    assert statuses(line) == [408]
    assert line.transport.ended()


async def test_pause_of_the_whole_process_cuts_nobody() -> None:
    line = Line(echo)
    await line.deliver(b"G")
    line.clock.passed += 3600
    line.edge.tick()
    await line.deliver((GET % 1)[1:])
    assert statuses(line) == [200]


async def test_caller_that_takes_too_little_is_cut_and_its_call_cancelled() -> None:
    async def app(exchange: Exchange) -> None:
        exchange.begin(200, b"", None)
        try:
            while True:
                exchange.write(b"x" * 10_000)
                await exchange.drained()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    cancelled: list[bool] = []
    line = Line(app)
    line.transport.stuck = True
    await line.deliver(GET % 1)
    enough = int(9.5 * 1024)
    for _ in range(3):
        await line.let_pass(9)
        line.transport.take(enough)
        await line.let_pass(0.5)
    await line.let_pass(9)
    assert cancelled == []
    line.transport.take(enough - 1)
    await line.let_pass(0.5)
    assert (line.transport.aborted(), line.transport.socket.resets) == (True, True)
    assert cancelled == [True]


async def test_caller_that_has_caught_up_has_no_deadline() -> None:
    async def app(exchange: Exchange) -> None:
        exchange.begin(200, b"", None)
        exchange.write(b"x" * 100_000)
        await exchange.drained()
        await asyncio.Event().wait()

    line = Line(app)
    line.transport.stuck = True
    await line.deliver(GET % 1)
    line.transport.take(len(line.written))
    await line.let_pass(200)
    assert not line.transport.is_closing()
    assert not line.transport.ended()
    await line.hang_up()


async def test_next_request_waits_until_the_answer_before_is_read() -> None:
    async def app(exchange: Exchange) -> None:
        begun.append(exchange.head.target)
        exchange.send(200, b"", b"x" * 100_000)

    begun: list[bytes] = []
    line = Line(app)
    line.transport.stuck = True
    await line.deliver(GET % 1 + GET % 2)
    await line.deliver(GET % 3)
    assert begun == [b"/1"]
    line.transport.take(90_000)
    await settle()
    assert begun == [b"/1", b"/2"]
    line.transport.take(100_000)
    await settle()
    assert begun == [b"/1", b"/2", b"/3"]


@pytest.mark.parametrize("close", [True, False])
async def test_last_answer_may_be_read_slowly(close: bool) -> None:
    async def app(exchange: Exchange) -> None:
        exchange.send(200, b"", b"x" * 50_000)

    line = Line(app)
    line.transport.stuck = True
    await line.deliver(GET % 1 if not close else (GET % 1)[:-2] + b"Connection: close\r\n\r\n")
    for _ in range(3):
        await line.let_pass(9)
        line.transport.take(12_000)
    assert not line.transport.aborted()
    await line.let_pass(120)
    assert line.transport.aborted()
