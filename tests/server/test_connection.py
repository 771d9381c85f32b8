"""One caller's connection: requests in turn, hang-ups, back-pressure, deadlines, and how it ends."""

import asyncio
import re

from hypothesis import given
from hypothesis import strategies as st

from durward.calls.ports import Exchange
from durward.server.body import WAITING_BYTES
from durward.server.bounds import Bounds
from durward.server.connection import AHEAD_BYTES, AHEAD_HEADS
from tests.server.caller import BOUNDS
from tests.server.line import GET, POST, READ_BYTES, Line, Waiting, echo, settle, statuses

CLOSED = b"\r\nConnection: close\r\n"


# In turn.


async def test_requests_are_served_one_at_a_time_in_order() -> None:
    app = Waiting()
    line = Line(app)
    await line.deliver(GET % 1 + GET % 2 + (GET % 3)[:20])
    await line.deliver((GET % 3)[20:])
    assert app.begun == [b"/1"]
    await app.let_go()
    assert app.begun == [b"/1", b"/2"]
    await app.let_go()
    await app.let_go()
    assert app.begun == [b"/1", b"/2", b"/3"]
    assert re.findall(rb"\r\n\r\n(/\d)", line.written) == app.begun


async def test_caller_that_runs_too_far_ahead_is_not_read() -> None:
    app = Waiting()
    line = Line(app)
    for number in range(AHEAD_HEADS):
        assert line.transport.is_reading()
        await line.deliver(GET % number)
    assert line.transport.is_reading()
    await line.deliver(GET % AHEAD_HEADS)
    assert not line.transport.is_reading()
    for _ in range(AHEAD_HEADS + 1):
        await app.let_go()
    assert len(statuses(line)) == AHEAD_HEADS + 1
    assert line.transport.is_reading()


async def test_what_a_caller_sends_ahead_is_bounded_in_bytes() -> None:
    line = Line(Waiting())
    await line.deliver(GET % 0)
    await line.deliver(b"GET /" + b"a" * (AHEAD_BYTES - 5))
    assert line.transport.is_reading()
    await line.deliver(b"a")
    assert not line.transport.is_reading()


async def test_head_that_was_begun_ahead_is_read_from_its_start() -> None:
    app = Waiting()
    line = Line(app)
    await line.deliver(GET % 1 + (GET % 2)[:-2])
    await app.let_go()
    await line.deliver(b"\r\n")
    assert app.begun == [b"/1", b"/2"]


CHUNKED = (
    b"POST /c HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nA: b\r\n\r\n"
)
BAD = b"GET / HTTP/1.1\r\nHost: gate\r\nA : b\r\n\r\n"


@given(
    st.lists(st.sampled_from([GET % 1, GET % 2, POST % 5 + b"GET /", POST % 0, CHUNKED, BAD]), max_size=6),
    st.lists(st.integers(1, 90), min_size=1, max_size=5),
)
def test_any_arrival_is_served_alike(messages: list[bytes], sizes: list[int]) -> None:
    async def served(pieces: list[bytes]) -> tuple[bytes, bool]:
        line = Line(echo)
        for piece in pieces:
            await line.deliver(piece)
        assert line.edge.body_bytes == 0
        return line.written, line.transport.ended()

    raw = b"".join(messages)
    pieces: list[bytes] = []
    at = 0
    while at < len(raw):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(raw[at : at + size])
        at += size
    whole = asyncio.run(served([raw]))
    assert asyncio.run(served(pieces)) == whole
    answered = messages.index(BAD) + 1 if BAD in messages else len(messages)
    assert whole[0].count(b"\r\nContent-Length:") == answered


# Hanging up.


async def test_caller_that_hangs_up_cancels_its_call_at_once() -> None:
    app = Waiting()
    line = Line(app)
    await line.deliver(GET % 1 + GET % 2)
    await line.hang_up()
    assert (app.begun, app.cancelled, line.refused) == ([b"/1"], [b"/1"], [])
    assert (line.edge.calls, line.edge.connections) == (0, 0)


async def test_lost_connection_cancels_too() -> None:
    app = Waiting()
    line = Line(app)
    await line.deliver(GET % 1)
    line.transport.abort()
    await settle()
    assert app.cancelled == [b"/1"]


async def test_call_that_has_not_run_yet_is_cancelled_without_a_trace() -> None:
    app = Waiting()
    line = Line(app)
    line.connection.data_received((POST % 5000 + b"x" * 2000)[:2000])
    assert (line.edge.calls, line.edge.body_bytes) == (1, 2000 - len(POST % 5000))
    await line.hang_up()
    assert app.begun == []
    assert (line.edge.calls, line.edge.body_bytes, line.edge.connections) == (0, 0, 0)


async def test_hanging_up_after_the_answer_cancels_nothing() -> None:
    async def app(exchange: Exchange) -> None:
        exchange.send(200, b"", b"")
        await afterwards.wait()
        done.append(True)

    afterwards, done = asyncio.Event(), list[bool]()
    line = Line(app)
    await line.deliver(GET % 1)
    await line.hang_up()
    afterwards.set()
    await settle()
    assert done == [True]
    assert line.edge.calls == 0


# Bodies.


async def test_body_that_nobody_reads_is_not_taken_in() -> None:
    app = Waiting()
    line = Line(app)
    await line.deliver(POST % 10**6 + b"x" * WAITING_BYTES)
    assert line.transport.is_reading()
    await line.deliver(b"x")
    assert not line.transport.is_reading()
    assert line.edge.body_bytes == WAITING_BYTES + 1


async def test_body_that_is_read_in_pieces_is_taken_in_as_it_is_read() -> None:
    async def app(exchange: Exchange) -> None:
        while piece := await exchange.chunk():
            sizes.append(len(piece))
            await read_more.acquire()
        exchange.send(200, b"", b"")

    sizes: list[int] = []
    read_more = asyncio.Semaphore(0)
    line = Line(app)
    await line.deliver(POST % 100_100 + b"x" * 100)
    await line.deliver(b"x" * READ_BYTES)
    await line.deliver(b"x")
    assert (sizes, line.transport.is_reading()) == ([100], False)
    read_more.release()
    await settle()
    assert (sizes, line.transport.is_reading()) == ([100, READ_BYTES + 1], False)
    read_more.release()
    await settle()
    assert line.transport.is_reading()
    read_more.release()
    await line.deliver(b"x" * (100_000 - READ_BYTES - 1))
    assert statuses(line) == [200]


async def test_whole_body_is_taken_in_up_to_its_limit() -> None:
    line = Line(echo)
    await line.deliver(POST % 900_000)
    await line.deliver(b"x" * 900_000)
    assert statuses(line) == [200]
    assert line.edge.body_bytes == 0


async def test_malformed_body_is_refused_before_the_app_is_asked() -> None:
    app = Waiting()
    line = Line(app)
    await line.deliver(b"POST / HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\n" + GET % 1)
    assert (app.begun, statuses(line), line.refused) == ([], [400], [("malformed_http", "192.0.2.1")])
    assert line.edge.body_bytes == 0


async def test_malformed_body_ends_the_connection_behind_the_answer() -> None:
    line = Line(echo)
    await line.deliver(b"POST / HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n")
    await line.deliver(b"5 \r\n" + GET % 1)
    assert statuses(line) == [400]
    assert CLOSED in line.written
    await line.deliver(GET % 2)
    assert statuses(line) == [400]


async def test_connection_is_not_read_behind_a_malformed_body_until_the_call_has_ended() -> None:
    app = Waiting()
    line = Line(app)
    await line.deliver(b"POST / HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n")
    await line.deliver(b"5 \r\n")
    assert not line.transport.is_reading()
    await app.let_go()
    assert (line.transport.is_reading(), line.transport.ended()) == (True, True)


async def test_too_many_body_bytes_in_all_are_refused() -> None:
    app = Waiting()
    first = Line(app, Bounds(body_memory=100))
    second = Line(app, edge=first.edge)
    await first.deliver(POST % 90 + b"x" * 90)
    await second.deliver(POST % 90 + b"x" * 90)
    assert statuses(second) == [503]
    assert first.refused == [("overloaded", "192.0.2.1")]
    await app.let_go()
    assert statuses(first) == [200]
    assert first.edge.body_bytes == 0


# The end of a connection.


async def test_refusal_is_followed_by_nothing() -> None:
    line = Line(echo)
    await line.deliver(b"GET / HTTP/1.1\r\n\r\n" + GET % 1)
    await line.deliver(GET % 2)
    assert statuses(line) == [400]
    assert CLOSED in line.written
    assert line.refused == [("malformed_http", "192.0.2.1")]
    assert (line.transport.ended(), line.transport.is_closing()) == (True, False)


async def test_what_comes_behind_the_last_answer_is_read_for_a_while() -> None:
    line = Line(echo, Bounds(linger_seconds=5))
    await line.deliver(POST % 2_000_000)
    assert statuses(line) == [413]
    await line.deliver(b"x" * 500_000)
    await line.let_pass(4)
    assert not line.transport.is_closing()
    await line.let_pass(1)
    assert line.transport.aborted()
    assert line.edge.connections == 0


async def test_what_comes_behind_the_last_answer_is_bounded() -> None:
    line = Line(echo, Bounds(linger_bytes=1000))
    await line.deliver(POST % 2_000_000)
    await line.deliver(b"x" * 1001)
    assert line.transport.aborted()


async def test_body_whose_call_was_answered_is_discarded_also_when_reading_was_paused() -> None:
    app = Waiting()
    line = Line(app)
    await line.deliver(POST % 10**6 + b"x" * READ_BYTES)
    await line.deliver(b"x")
    assert not line.transport.is_reading()
    await app.let_go()
    assert line.transport.ended()
    await line.deliver(b"x" * 100_000)
    assert line.edge.body_bytes == 0


async def test_app_that_fails_is_answered_for() -> None:
    async def app(exchange: Exchange) -> None:
        raise ValueError("kaput")

    line = Line(app)
    line.bugs = []
    await line.deliver(GET % 1 + GET % 2)
    assert statuses(line) == [500, 500]
    assert b"kaput" not in line.written
    assert [str(bug) for bug in line.bugs] == ["kaput", "kaput"]
    assert line.refused == [("internal", "192.0.2.1")] * 2


async def test_app_that_leaves_its_answer_open_is_cut() -> None:
    async def app(exchange: Exchange) -> None:
        exchange.begin(200, b"", None)
        exchange.write(b"half")

    line = Line(app)
    await line.deliver(GET % 1 + GET % 2)
    assert statuses(line) == [200]
    assert line.written.endswith(b"4\r\nhalf\r\n")
    assert line.transport.ended()
    assert line.refused == [("internal", "192.0.2.1")]


async def test_too_many_connections() -> None:
    first = Line(echo, Bounds(connections=1))
    second, third = (Line(echo, edge=first.edge) for _ in range(2))
    assert statuses(second) == [503]
    assert [line.transport.ended() for line in (first, second, third)] == [False, True, True]
    assert [line.transport.aborted() for line in (first, second, third)] == [False, False, True]
    await first.deliver(GET % 1)
    assert statuses(first) == [200]


async def test_what_is_sent_ahead_counts_as_held_and_is_let_go() -> None:
    app = Waiting()
    line = Line(app)
    await line.deliver(GET % 1 + b"x" * 5_000)
    assert line.edge.body_bytes == 5_000
    await line.hang_up()
    assert line.edge.body_bytes == 0


async def test_who_sends_too_much_ahead_for_all_that_is_held_is_cut_off() -> None:
    line = Line(Waiting(), BOUNDS._replace(body_memory=4_000))
    await line.deliver(GET % 1 + b"x" * 5_000)
    assert line.transport.aborted()


# Under overload.


async def test_a_connection_whose_call_was_turned_away_rests_and_then_goes_on() -> None:
    app = Waiting()
    busy = Line(app, BOUNDS._replace(calls=1))
    line = Line(app, edge=busy.edge)
    line.clock = busy.clock
    await busy.deliver(GET % 1)
    await line.deliver(GET % 2 + GET % 3)
    assert statuses(line) == [503]
    assert b"Retry-After: 1\r\n" in line.written
    assert CLOSED not in line.written
    assert not line.transport.is_reading()
    await app.let_go()
    await line.let_pass(0.5)
    assert (app.begun, line.transport.is_reading()) == ([b"/1"], False)
    await line.let_pass(0.5)
    assert (app.begun, line.transport.is_reading()) == ([b"/1", b"/3"], True)
    await app.let_go()
    assert statuses(line) == [503, 200]
    await line.deliver(GET % 4)
    assert app.begun == [b"/1", b"/3", b"/4"]


async def test_a_body_that_has_not_come_whole_is_not_waited_for_to_turn_a_call_away() -> None:
    app = Waiting()
    busy = Line(app, BOUNDS._replace(calls=1))
    line = Line(app, edge=busy.edge)
    await busy.deliver(GET % 1)
    await line.deliver(POST % 100 + b"x" * 10)
    assert statuses(line) == [503]
    assert CLOSED in line.written
    await app.let_go()


async def test_a_connection_that_rests_ends_with_the_edge() -> None:
    app = Waiting()
    busy = Line(app, BOUNDS._replace(calls=1, farewell_seconds=0.5))
    line = Line(app, edge=busy.edge)
    line.clock = busy.clock
    await busy.deliver(GET % 1)
    await line.deliver(GET % 2)
    draining = asyncio.create_task(line.edge.drain(5))
    await settle()
    await line.let_pass(1.5)
    assert line.transport.ended() or line.transport.is_closing()
    await app.let_go()
    await line.let_pass(10)
    await draining


async def test_a_rest_that_ended_early_begins_no_second_call_beside_the_first() -> None:
    app = Waiting()
    busy = Line(app, BOUNDS._replace(calls=1))
    line = Line(app, edge=busy.edge)
    line.clock = busy.clock
    await busy.deliver(GET % 1)
    line.transport.stuck = True
    line.connection.pause_writing()
    await line.deliver(b"")
    line.connection.resume_writing()
    await line.deliver(GET % 2 + GET % 3 + GET % 4)
    await app.let_go()
    line.connection.resume_writing()
    await settle()
    assert app.begun == [b"/1", b"/3"]
    await line.let_pass(3)
    assert app.begun == [b"/1", b"/3"]
    await app.let_go()
    assert app.begun == [b"/1", b"/3", b"/4"]
    await app.let_go()
