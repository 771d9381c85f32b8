"""Ends that are not the answer's: callers that hang up, connections that are not made, the pool that closes."""

import asyncio
from collections.abc import Callable
from typing import cast
from unittest.mock import Mock

import pytest

from durward.calls.errors import UpstreamError
from durward.calls.origin import Origin
from durward.upstreams.connection import Connection
from durward.upstreams.pool import Bounds, PooledUpstreams
from tests.upstreams.scripted import GET, LIMIT, OK, TIMEOUTS, Rig, SetClock, deliver, ok, reason, turns


async def test_giving_up_an_answer_closes_the_connection_at_once() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        answer = await call
        assert await answer.chunk() == b"ab"
        answer.cancel()
        answer.cancel()
        assert repr(rig.pool) == "0 active, 0 idle"
        await peer.gone()
        with pytest.raises(UpstreamError, match="given up"):
            await answer.chunk()


async def test_giving_up_an_answer_that_had_ended_leaves_the_connection_to_others() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        peer.send(OK)
        answer = await call
        answer.cancel()
        assert repr(rig.pool) == "0 active, 1 idle"
        assert await answer.whole(LIMIT) == b"ok"


async def test_a_cancelled_call_closes_its_connection() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        call.cancel()
        await peer.gone()
        assert repr(rig.pool) == "0 active, 0 idle"


async def test_a_call_cancelled_as_its_answer_came_harms_nobody_who_took_the_connection() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        deliver(rig.only_connection(), OK)  # and its call has not run since
        assert repr(rig.pool) == "0 active, 1 idle"
        call.cancel()
        other = rig.ask()
        await peer.request()
        assert call.cancelled()
        await ok(other, peer)
        assert len(rig.accepted) == 1


async def test_a_call_cancelled_while_connecting_leaves_nothing_open() -> None:
    async with Rig() as rig:
        call = rig.ask()
        await turns(1)
        assert repr(rig.pool) == "0 active, 0 idle, 1 connecting"
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await turns(3)
        assert repr(rig.pool) == "0 active, 0 idle"
        for peer in rig.accepted:
            await peer.gone()


class Dialing:
    """Connections that are made when a test says so, to an upstream that is not there."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.made: list[Connection] = []
        self.given_up = 0
        self.then: Callable[[], object] = lambda: None

    async def __call__(self, origin: Origin, factory: Callable[[], Connection]) -> Connection:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        connection = factory()
        connection.connection_made(cast(asyncio.Transport, Mock()))
        self.made.append(connection)
        self.then()
        return connection


ORIGIN = Origin("http", "api.test", 80)


async def test_a_connection_that_is_not_made_in_time_is_unreachable() -> None:
    clock, dialing = SetClock(), Dialing()
    pool = PooledUpstreams(clock, dial=dialing)
    call = asyncio.ensure_future(pool.send(ORIGIN, GET, b"", TIMEOUTS))
    await turns(1)
    clock.now += TIMEOUTS.connect
    pool.tick()
    assert repr(pool) == "0 active, 0 idle, 1 connecting", "a deadline is never early"
    clock.now += 1
    pool.tick()
    assert await reason(call) == "upstream_unreachable"
    await turns(1)
    assert repr(pool) == "0 active, 0 idle"
    assert dialing.given_up == 1
    pool.close()


async def test_a_connection_that_is_made_in_the_turn_in_which_its_time_is_up_is_closed() -> None:
    clock, dialing = SetClock(), Dialing()
    pool = PooledUpstreams(clock, dial=dialing)
    call = asyncio.ensure_future(pool.send(ORIGIN, GET, b"", TIMEOUTS))
    await turns(2)
    dialing.go.set()
    clock.now += TIMEOUTS.connect + 1
    pool.tick()
    assert await reason(call) == "upstream_unreachable"
    await turns(2)
    assert [connection.closed for connection in dialing.made] == [True]
    assert repr(pool) == "0 active, 0 idle"
    pool.close()


async def test_a_connection_that_is_made_in_the_turn_in_which_its_call_is_cancelled_is_closed() -> None:
    loop, dialing = asyncio.get_running_loop(), Dialing()
    pool = PooledUpstreams(SetClock(), dial=dialing)
    call = asyncio.ensure_future(pool.send(ORIGIN, GET, b"", TIMEOUTS))
    await turns(2)
    # One turn after the connection was made and given, and before its call runs on.
    dialing.then = lambda: loop.call_soon(lambda: loop.call_soon(call.cancel))
    dialing.go.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    await turns(2)
    assert [connection.closed for connection in dialing.made] == [True]
    assert repr(pool) == "0 active, 0 idle"
    pool.close()


async def test_a_connection_that_was_closed_before_it_was_used_is_not_counted() -> None:
    dialing = Dialing()
    dialing.then = lambda: dialing.made[0].connection_lost(None)
    dialing.go.set()
    pool = PooledUpstreams(SetClock(), dial=dialing)
    assert await reason(asyncio.ensure_future(pool.send(ORIGIN, GET, b"", TIMEOUTS))) == "upstream_cut"
    assert repr(pool) == "0 active, 0 idle"
    pool.close()


async def test_a_refused_connection_is_unreachable_and_frees_its_place() -> None:
    async with Rig(Bounds(connections=1)) as rig:
        rig.close()
        for _ in range(3):
            assert await reason(rig.ask()) == "upstream_unreachable"
        assert repr(rig.pool) == "0 active, 0 idle"


async def test_closing_ends_what_is_in_progress_and_refuses_what_comes() -> None:
    async with Rig(Bounds(connections=2)) as rig:
        idle, one = await rig.asked()
        await ok(idle, one)
        call = rig.ask()
        await one.request()
        other, two = await rig.asked()
        waiting = rig.ask()
        await turns(2)
        assert repr(rig.pool) == "2 active, 0 idle, 1 waiting"
        rig.pool.close()
        assert [await reason(each) for each in (call, other, waiting)] == ["upstream_cut"] * 3
        await one.gone()
        await two.gone()
        assert await reason(rig.ask()) == "stopping"
        assert repr(rig.pool) == "0 active, 0 idle"


async def test_what_is_no_longer_used_is_forgotten_and_the_tick_stops() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        await ok(call, peer)
        assert rig.pool._timer is not None
        rig.pass_time(5)
        assert rig.pool._pools == {}
        rig.pool._on_timer()
        assert rig.pool._timer is None
