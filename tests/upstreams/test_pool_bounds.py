"""The pool at its bounds: who waits, who is refused, and that nothing given is lost when its taker is gone."""

from durward.upstreams.pool import Bounds
from tests.upstreams.scripted import OK, TIMEOUTS, Rig, deliver, ok, reason, turns


async def test_only_so_many_connections_idle() -> None:
    async with Rig(Bounds(idle=1)) as rig:
        first, one = await rig.asked()
        second, two = await rig.asked()
        await ok(first, one)
        await ok(second, two)
        assert repr(rig.pool) == "0 active, 1 idle"
        await one.gone()
        assert not two.closed


async def test_beyond_the_bound_calls_wait_for_a_connection() -> None:
    async with Rig(Bounds(connections=1)) as rig:
        first, peer = await rig.asked()
        second = rig.ask()
        await turns(2)
        assert repr(rig.pool) == "1 active, 0 idle, 1 waiting"
        await ok(first, peer)
        assert repr(rig.pool) == "1 active, 0 idle"
        await peer.request()
        await ok(second, peer)
        assert len(rig.accepted) == 1


async def test_a_call_that_waits_opens_a_connection_when_one_is_closed() -> None:
    async with Rig(Bounds(connections=1)) as rig:
        first, peer = await rig.asked()
        second = rig.ask()
        await turns(2)
        peer.close()
        assert await reason(first) == "upstream_cut"
        other = await rig.peer()
        await other.request()
        await ok(second, other)


async def test_the_queue_is_bounded_in_length_and_in_time() -> None:
    async with Rig(Bounds(connections=1, waiting=1)) as rig:
        first, peer = await rig.asked()
        second = rig.ask()
        await turns(2)
        assert await reason(rig.ask()) == "overloaded"
        rig.pass_time(TIMEOUTS.connect + 1)
        assert await reason(second) == "overloaded"
        assert repr(rig.pool) == "1 active, 0 idle"
        assert rig.pool.counts.refused == 2
        await ok(first, peer)


async def test_a_call_that_waits_gets_leave_when_a_connection_cannot_be_made() -> None:
    async with Rig(Bounds(connections=1)) as rig:
        rig.close()
        first, second = rig.ask(), rig.ask()
        assert [await reason(first), await reason(second)] == ["upstream_unreachable"] * 2


async def test_a_retry_that_had_to_wait_is_not_retried_again() -> None:
    async with Rig(Bounds(connections=1)) as rig:
        call, peer = await rig.asked()
        await ok(call, peer)
        first, second = rig.ask(), rig.ask()
        await peer.request()
        peer.close()
        other = await rig.peer()
        await other.request()
        assert repr(rig.pool) == "1 active, 0 idle, 1 waiting", "the first now waits behind the second"
        await ok(second, other)
        await other.request()
        other.close()
        assert await reason(first) == "upstream_cut"
        assert len(rig.accepted) == 2


async def test_a_call_that_is_given_up_in_the_queue_leaves_no_trace() -> None:
    async with Rig(Bounds(connections=1)) as rig:
        first, peer = await rig.asked()
        second = rig.ask()
        third = rig.ask()
        await turns(2)
        second.cancel()
        await turns(2)
        assert repr(rig.pool) == "1 active, 0 idle, 1 waiting"
        await ok(first, peer)
        await peer.request()
        await ok(third, peer)


async def test_a_connection_given_to_a_call_that_ends_in_the_same_turn_goes_to_the_next() -> None:
    async with Rig(Bounds(connections=1)) as rig:
        _, peer = await rig.asked()
        second, third = rig.ask(), rig.ask()
        await turns(2)
        deliver(rig.only_connection(), OK)  # and nothing has run since
        second.cancel()
        await peer.request()
        assert repr(rig.pool) == "1 active, 0 idle"
        await ok(third, peer)
        assert len(rig.accepted) == 1


async def test_leave_to_connect_given_to_a_call_that_ends_in_the_same_turn_goes_to_the_next() -> None:
    async with Rig(Bounds(connections=1)) as rig:
        first, peer = await rig.asked()
        second, third = rig.ask(), rig.ask()
        await turns(2)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        answer = await first
        answer.cancel()
        assert repr(rig.pool) == "0 active, 0 idle, 1 connecting, 1 waiting"
        second.cancel()
        other = await rig.peer()
        await other.request()
        await ok(third, other)
        assert len(rig.accepted) == 2
