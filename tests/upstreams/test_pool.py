"""The pool over real sockets: what is reused, for how long, and the one retry. `repr` of the pool tells what it holds."""

import asyncio

import pytest

from durward.calls.errors import GateError
from tests.upstreams.scripted import GET, OK, TIMEOUTS, Rig, ok, post, reason, turns


async def test_a_connection_is_used_again() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        assert repr(rig.pool) == "1 active, 0 idle"
        await ok(call, peer)
        assert repr(rig.pool) == "0 active, 1 idle"
        call = rig.ask()
        assert await peer.request() == GET
        assert repr(rig.pool) == "1 active, 0 idle"
        await ok(call, peer)
        assert len(rig.accepted) == 1
        assert (rig.pool.counts.opened, rig.pool.counts.reused) == (1, 1)


async def test_calls_at_once_use_connections_of_their_own_and_the_last_used_is_taken_first() -> None:
    async with Rig() as rig:
        first, one = await rig.asked()
        second, two = await rig.asked()
        assert repr(rig.pool) == "2 active, 0 idle"
        await ok(second, two)
        await ok(first, one)
        assert repr(rig.pool) == "0 active, 2 idle"
        third = rig.ask()
        await one.request()
        await ok(third, one)


async def test_a_call_that_had_to_wait_for_its_connection_goes_only_if_it_still_may() -> None:
    def may_not() -> None:
        raise GateError("The intent was not kept.", reason="journal_unavailable")

    async with Rig() as rig:
        with pytest.raises(GateError, match="not kept"):
            await rig.pool.send(rig.origin, post(b"lost"), b"lost", TIMEOUTS, may_not)
        assert repr(rig.pool) == "0 active, 1 idle"
        call = rig.ask()
        (peer,) = rig.accepted
        assert await peer.request() == GET, "nothing of the first went up"
        await ok(call, peer)
        assert len(rig.accepted) == 1


async def test_a_request_reaches_the_upstream_byte_for_byte() -> None:
    async with Rig() as rig:
        for body in (b"", b"small", b"x" * 300_000):
            call = rig.ask(post(body), body)
            peer = rig.accepted[0] if rig.accepted else await rig.peer()
            assert await peer.request(post(body) + body) == post(body) + body
            await ok(call, peer)
        assert len(rig.accepted) == 1


async def test_interim_answers_are_passed_over() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        await ok(call, peer)
        assert repr(rig.pool) == "0 active, 1 idle"


@pytest.mark.parametrize("unasked", [b"x", OK, b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
async def test_any_byte_on_an_idle_connection_closes_it(unasked: bytes) -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        await ok(call, peer)
        peer.send(unasked)
        await peer.gone()
        assert repr(rig.pool) == "0 active, 0 idle"
        call, peer = await rig.asked()
        await ok(call, peer)


async def test_an_idle_connection_that_the_upstream_closes_is_dropped() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        await ok(call, peer)
        peer.close()
        await peer.gone()
        await turns(3)
        assert repr(rig.pool) == "0 active, 0 idle"


@pytest.mark.parametrize(
    "line,kept,closed",
    [
        (b"", 3.9, 4.1),
        (b"Keep-Alive: timeout=3\r\n", 1.9, 2.1),
        (b"Keep-Alive: timeout=30\r\n", 28.9, 29.1),
        (b"Keep-Alive: timeout=600\r\n", 59.9, 60.1),
    ],
)
async def test_idle_connections_are_kept_as_long_as_the_server_keeps_them(
    line: bytes, kept: float, closed: float
) -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        peer.send(b"HTTP/1.1 204 No Content\r\n" + line + b"\r\n")
        assert (await call).ended()
        rig.pass_time(kept)
        assert repr(rig.pool) == "0 active, 1 idle"
        rig.pass_time(closed - kept)
        assert repr(rig.pool) == "0 active, 0 idle"
        await peer.gone()


@pytest.mark.parametrize("seconds", [0, 1])
async def test_a_server_that_keeps_nothing_idle_is_taken_at_its_word(seconds: int) -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        peer.send(b"HTTP/1.1 204 No Content\r\nKeep-Alive: timeout=%d\r\n\r\n" % seconds)
        assert (await call).ended()
        assert repr(rig.pool) == "0 active, 0 idle"


# The one retry.


async def test_a_reused_connection_that_closes_unanswered_is_retried_once_on_a_fresh_one() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        await ok(call, peer)
        call = rig.ask(post(b"body"), b"body")
        await peer.request(b"body")
        peer.close()
        second = await rig.peer()
        assert await second.request(b"body") == post(b"body") + b"body"
        await ok(call, second)
        assert rig.pool.counts.retried == 1


async def test_a_call_that_may_go_no_more_is_not_retried() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        await ok(call, peer)

        def refuse() -> None:
            raise GateError("Its intent was not kept.", reason="journal_unavailable")

        again = asyncio.create_task(rig.pool.send(rig.origin, GET, b"", TIMEOUTS, refuse))
        await peer.request()
        peer.close()
        assert await reason(again) == "journal_unavailable"


async def test_a_reused_connection_that_is_reset_unanswered_is_retried_too() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        await ok(call, peer)
        call = rig.ask()
        await peer.request()
        peer.reset()
        second = await rig.peer()
        await second.request()
        await ok(call, second)


async def test_a_retry_is_not_retried() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        await ok(call, peer)
        call = rig.ask()
        await peer.request()
        peer.close()
        second = await rig.peer()
        await second.request()
        second.close()
        assert await reason(call) == "upstream_cut"
        assert len(rig.accepted) == 2


async def test_a_fresh_connection_that_closes_unanswered_is_not_retried() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        peer.close()
        assert await reason(call) == "upstream_cut"
        assert len(rig.accepted) == 1


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_nothing_is_retried_once_a_byte_of_an_answer_has_come(begun: bytes) -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        await ok(call, peer)
        call = rig.ask()
        await peer.request()
        peer.send(begun)
        peer.close()
        assert await reason(call) == "upstream_cut"
        assert len(rig.accepted) == 1


async def test_silence_on_a_reused_connection_is_not_retried() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        await ok(call, peer)
        call = rig.ask()
        await peer.request()
        rig.pass_time(TIMEOUTS.first_byte + 1)
        assert await reason(call) == "upstream_silent"
        assert len(rig.accepted) == 1


async def test_a_body_that_cannot_be_sent_again_is_not_retried() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        await ok(call, peer)
        pieces = iter([b"bo", b"dy", b""])

        async def body() -> bytes:
            return next(pieces)

        call = rig.ask(post(b"body"), body)
        await peer.request(b"body")
        peer.close()
        assert await reason(call) == "upstream_cut"
        assert len(rig.accepted) == 1


async def test_a_stale_connection_is_replaced_only_within_the_budget_of_its_upstream() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        await ok(call, peer)
        budget = rig.pool._budgets.of(rig.origin)
        while budget.take(rig.clock.now):
            pass
        call = rig.ask()
        await peer.request()
        peer.close()
        assert await reason(call) == "upstream_cut"
        assert len(rig.accepted) == 1
        rig.clock.now += 10
        call, peer = await rig.asked()
        await ok(call, peer)
