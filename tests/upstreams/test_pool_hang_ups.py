"""Ends that are not the answer's: callers that hang up, connections that are not made, the pool that closes."""

import asyncio

import pytest

from durward.calls.errors import UpstreamError
from durward.upstreams.connection import Connection
from durward.upstreams.pool import Bounds, PooledUpstreams
from tests.upstreams.scripted import LIMIT, OK, TIMEOUTS, Rig, deliver, ok, reason, turns


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


async def test_a_connection_that_is_not_made_in_time_is_unreachable() -> None:
    async def never(*_: object) -> Connection:
        await asyncio.Event().wait()
        raise AssertionError

    async with Rig() as rig:
        rig.pool = PooledUpstreams(rig.clock, dial=never)
        call = rig.ask()
        await turns(1)
        rig.pass_time(TIMEOUTS.connect)
        assert repr(rig.pool) == "0 active, 0 idle, 1 connecting", "a deadline is never early"
        rig.pass_time(1)
        assert await reason(call) == "upstream_unreachable"
        await turns(1)
        assert repr(rig.pool) == "0 active, 0 idle"


async def test_a_refused_connection_is_unreachable_and_frees_its_place() -> None:
    async with Rig(Bounds(connections=1)) as rig:
        rig._server.close()
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
