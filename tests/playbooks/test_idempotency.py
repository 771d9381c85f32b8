"""Calls with an `Idempotency-Key`, over every wire and mode: carried once, answered again, refused where that would be wrong."""

import asyncio
import random
from contextlib import suppress

import pytest

from durward.calls.errors import GateError, UpstreamError
from durward.calls.once import KeptAnswer, Once
from durward.config.settings import Rule, Selector
from tests.playbooks.kept import Kept
from tests.playbooks.test_every_mode import ALL, every_mode, reply
from tests.playbooks.test_wires import Mode
from tests.playbooks.world import EVENTS, OTHER_KEY, Caller, Reply, World, settings

WRITE = "POST /api/crm/refunds"


def keeping(**changes: object) -> World:
    world = World(settings(**changes))
    world.gateway.replays.answers = Kept()
    world.gateway.replays.max_answer = 2**20
    return world


def rest(caller: Caller) -> bytes:
    """Header lines without the call's id."""
    return b"".join(
        line
        for line in caller.lines.splitlines(keepends=True)
        if not line.startswith((b"Durward-Call", b"Idempotent-"))
    )


@every_mode
async def test_the_same_call_gets_the_same_answer_and_nothing_goes_up(mode: Mode) -> None:
    world = keeping()
    first = await world.plays(mode.line, mode.ask, reply(mode), Idempotency_Key="k1")
    again = await world.plays(mode.line, mode.ask, Idempotency_Key='"k1"')
    assert len(world.network.sent) == 1
    assert b"idempotency-key: k1" in world.network.sent[0][0].lower()
    assert (again.status, again.received, rest(again)) == (first.status, first.received, rest(first))
    assert first.received == b"".join(mode.answer)
    assert b"Idempotent-Replayed: true\r\n" in again.lines
    assert b"Idempotent-Replayed" not in first.lines
    assert again.complete
    assert [closing.outcome for closing in world.book.closings] == ["ok", "ok"]
    replayed = world.book.closings[1]
    assert (replayed.cost_nano, replayed.attempts, replayed.bytes_out) == (0, [], len(first.received))
    assert replayed.id.encode() in again.lines


@every_mode
async def test_another_request_under_the_same_key_is_refused(mode: Mode) -> None:
    world = keeping()
    await world.plays(mode.line, mode.ask, reply(mode), Idempotency_Key="k")
    other = await world.plays(mode.line, {**mode.ask, "other": 1}, Idempotency_Key="k")
    assert (other.status, world.book.closings[-1].reason) == (422, "idempotency_mismatch")
    assert len(world.network.sent) == 1


@every_mode
async def test_a_call_in_progress_is_not_carried_twice(mode: Mode) -> None:
    world = keeping()
    waits: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    held = Reply(200, waits, *mode.answer[1:], media=mode.media, length=mode.plain)
    first = asyncio.create_task(world.plays(mode.line, mode.ask, held, Idempotency_Key="k"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(world.network.sent) == 1
    second = await world.plays(mode.line, mode.ask, Idempotency_Key="k")
    assert (second.status, world.book.closings[-1].reason) == (409, "idempotency_in_progress")
    assert b"Retry-After: 1\r\n" in second.lines
    waits.set_result(mode.answer[0])
    assert (await first).complete
    third = await world.plays(mode.line, mode.ask, Idempotency_Key="k")
    assert third.received == b"".join(mode.answer)


@pytest.mark.parametrize(
    "mode", [mode for mode in ALL.values() if mode.model and not mode.plain], ids=lambda mode: mode.protocol
)
async def test_the_end_of_a_stream_does_not_wait_for_the_upstreams_connection(mode: Mode) -> None:
    world = keeping()
    open_end: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    world.network.replies = [Reply(200, *mode.answer, open_end, media=mode.media, length=False)]
    caller = world.caller(mode.line, mode.ask, Idempotency_Key="k")
    call = asyncio.create_task(world.gateway.handle(caller))
    for _ in range(100):
        await asyncio.sleep(0)
    ends = bool(caller.received) and caller.received == b"".join(mode.answer)
    if not ends:  # a wire whose stream has no terminal event of its own ends with the connection
        assert not any(word in mode.answer[-1] for word in (b"[DONE]", b"message_stop", b"response.completed"))
    caller.gone = True
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    again = await world.plays(mode.line, mode.ask, reply(mode), Idempotency_Key="k")
    assert len(world.network.sent) == (1 if ends else 2)
    assert again.received == b"".join(mode.answer)


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_what_tells_of_our_credential_is_not_kept(status: int) -> None:
    world = keeping()
    for _ in range(2):
        await world.plays(WRITE, {"a": 1}, Reply(status, b"{}"), Idempotency_Key="k")
    assert len(world.network.sent) == 2


@every_mode
async def test_policy_is_asked_before_any_replay(mode: Mode) -> None:
    world = keeping()
    await world.plays(mode.line, mode.ask, reply(mode), Idempotency_Key="k")
    denying = World(settings(policies=(Rule("no", "deny", Selector()),)))
    denying.gateway.replays.answers = world.gateway.replays.answers
    caller = await denying.plays(mode.line, mode.ask, Idempotency_Key="k")
    assert caller.status == 403


@every_mode
async def test_another_agent_has_other_keys(mode: Mode) -> None:
    world = keeping()
    await world.plays(mode.line, mode.ask, reply(mode), Idempotency_Key="k")
    world.network.replies = [reply(mode)]
    other = world.caller(mode.line, mode.ask, key=OTHER_KEY, Idempotency_Key="k")
    await world.gateway.handle(other)
    assert len(world.network.sent) == 2


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_the_key_means_nothing_where_a_call_only_reads(method: str) -> None:
    world = keeping()
    for _ in range(2):
        await world.plays(f"{method} /api/crm/x", b"", Reply(200, b"one"), Idempotency_Key="k")
    assert len(world.network.sent) == 2


async def test_a_call_without_the_key_never_touches_the_store() -> None:
    world = keeping()
    await world.plays(WRITE, {"a": 1}, Reply(200, b"{}"))
    kept = world.gateway.replays.answers
    assert isinstance(kept, Kept)
    assert kept.asked == 0


@pytest.mark.parametrize("key", ["x" * 256, '""', '"a', '"a"b"', '"\\a"', "é"])
async def test_a_key_that_is_none_is_refused(key: str) -> None:
    world = keeping()
    caller = await world.plays(WRITE, {"a": 1}, Idempotency_Key=key)
    assert (caller.status, world.book.closings[-1].reason) == (400, "idempotency_key_invalid")
    assert world.network.sent == []


@pytest.mark.parametrize(
    "status, sent", [(404, 1), (400, 1), (302, 1), *((s, 2) for s in (408, 409, 425, 429, 500, 503))]
)
async def test_which_answers_are_kept(status: int, sent: int) -> None:
    world = keeping()
    for _ in range(2):
        caller = await world.plays(WRITE, {"a": 1}, Reply(status, b"why"), Idempotency_Key="k")
        assert (caller.status, caller.received) == (status, b"why")
    assert len(world.network.sent) == sent


async def test_a_call_that_reached_nobody_may_be_made_again() -> None:
    world = keeping()
    nobody = UpstreamError("Nobody there.", reason="upstream_unreachable")
    assert (await world.plays(WRITE, {"a": 1}, nobody, Idempotency_Key="k")).status == 502
    assert (await world.plays(WRITE, {"a": 1}, Reply(200, b"ok"), Idempotency_Key="k")).received == b"ok"


@pytest.mark.parametrize("reason", ["upstream_cut", "upstream_silent", "upstream_malformed"])
async def test_a_write_whose_end_nobody_saw_is_never_repeated_in_silence(reason: str) -> None:
    world = keeping()
    await world.plays(WRITE, {"a": 1}, UpstreamError("Gone.", reason=reason), Idempotency_Key="k")
    again = await world.plays(WRITE, {"a": 1}, Idempotency_Key="k")
    assert (again.status, world.book.closings[-1].reason) == (409, "idempotency_unknown")
    assert b"x-should-retry: false\r\n" in again.lines
    assert len(world.network.sent) == 1


async def test_a_model_call_that_was_cut_may_be_made_again() -> None:
    world = keeping()
    mode = (
        ALL["openai_chat, streamed"] if "openai_chat, streamed" in ALL else next(m for m in ALL.values() if not m.plain)
    )
    cut = Reply(200, mode.answer[0], UpstreamError("Gone.", reason="upstream_cut"), media=EVENTS)
    first = await world.plays(mode.line, mode.ask, cut, Idempotency_Key="k")
    assert b"upstream_cut" in first.received
    again = await world.plays(mode.line, mode.ask, reply(mode), Idempotency_Key="k")
    assert again.received == b"".join(mode.answer)


async def test_of_an_answer_that_is_too_large_only_its_end_is_kept() -> None:
    world = keeping()
    world.gateway.replays.max_answer = 10
    first = await world.plays(WRITE, {"a": 1}, Reply(200, b"0123456", b"789ab"), Idempotency_Key="k")
    assert first.received == b"0123456789ab"
    again = await world.plays(WRITE, {"a": 1}, Idempotency_Key="k")
    assert (again.status, world.book.closings[-1].reason) == (409, "idempotency_not_kept")


async def test_the_end_of_an_answer_waits_until_it_is_kept() -> None:
    world = keeping()
    kept = Kept()
    told = asyncio.Event()

    class Slow(Kept):
        async def keep(self, *args: object) -> None:
            await told.wait()
            await kept.keep(*args)  # type: ignore[arg-type]

    world.gateway.replays.answers = Slow()
    mode = next(mode for mode in ALL.values() if not mode.plain)
    world.network.replies = [reply(mode)]
    caller = world.caller(mode.line, mode.ask, Idempotency_Key="k")
    call = asyncio.create_task(world.gateway.handle(caller))
    await caller.shown.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.book.closings[0].outcome == "ok"
    assert caller.received == b"".join(mode.answer[: -mode.held])
    told.set()
    await call
    assert caller.received == b"".join(mode.answer)


async def test_a_multipart_body_is_the_same_under_another_boundary() -> None:
    world = keeping()
    body = b'--%b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--%b--\r\n'
    for boundary in (b"abc123", b"xyz789"):
        caller = await world.plays(
            WRITE,
            body.replace(b"%b", boundary),
            Reply(200, b"ok"),
            Idempotency_Key="k",
            Content_Type=f"multipart/form-data; boundary={boundary.decode()}",
        )
        assert caller.received == b"ok"
    assert len(world.network.sent) == 1
    assert world.network.sent[0][1] == body.replace(b"%b", b"abc123")


@pytest.mark.parametrize("seed", range(40))
async def test_of_any_duplicates_one_takes_effect_and_all_answers_are_alike(seed: int) -> None:
    """Concurrent duplicates, callers that hang up at any moment: never two upstream effects of a write."""
    dice = random.Random(seed)
    world = keeping()
    effects: list[bytes] = []
    send = world.network.send

    async def slowly(*args: object, **named: object) -> Reply:
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        effects.append(b"x")
        world.network.replies = [
            Reply(201, b"refund ", b"%d" % len(effects), media=b"text/plain", length=dice.random() < 0.5)
        ]
        return await send(*args, **named)  # type: ignore[arg-type]

    world.network.send = slowly  # type: ignore[method-assign]
    callers = [world.caller(WRITE, {"a": 1}, Idempotency_Key="k") for _ in range(8)]
    tasks = []
    for caller in callers:
        tasks.append(asyncio.create_task(world.gateway.handle(caller)))
        for _ in range(dice.randrange(6)):
            await asyncio.sleep(0)
        if dice.random() < 0.3:
            caller.gone = True
            tasks[-1].cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert len(effects) <= 1
    answered = {(c.status, c.received) for c in callers if c.complete and c.status == 201 and not c.gone}
    assert len(answered) <= 1
    assert {c.status for c in callers if c.complete} <= {201, 409}


class Broken(Kept):
    """Fails at its beginnings, or at its ends."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self._at = at

    async def begin(self, once: Once) -> KeptAnswer | None:
        if self._at == "begin":
            raise GateError("No room.", reason="idempotency_unavailable")
        return await super().begin(once)

    async def keep(self, once: Once, answer: KeptAnswer | None) -> None:
        raise GateError("No room.", reason="idempotency_unavailable")


@every_mode
async def test_a_store_that_cannot_be_used_refuses_these_calls_alone(mode: Mode) -> None:
    world = keeping()
    world.gateway.replays.answers = Broken("begin")
    caller = await world.plays(mode.line, mode.ask, Idempotency_Key="k")
    assert (caller.status, world.book.closings[-1].reason) == (503, "idempotency_unavailable")
    assert b"Retry-After: 5\r\n" in caller.lines
    assert world.network.sent == []
    assert (await world.plays(mode.line, mode.ask, reply(mode))).status == 200


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same() -> None:
    """It has taken effect, and nobody is served by a caller that does not know."""
    world = keeping()
    world.gateway.replays.answers = Broken("keep")
    caller = await world.plays(WRITE, {"a": 1}, Reply(200, b"done"), Idempotency_Key="k")
    assert (caller.status, caller.received, caller.complete) == (200, b"done", True)
    again = await world.plays(WRITE, {"a": 1}, Idempotency_Key="k")
    assert (again.status, world.book.closings[-1].reason) == (409, "idempotency_in_progress")


@every_mode
async def test_a_caller_that_hangs_up_leaves_a_read_free_and_a_write_unknown(mode: Mode) -> None:
    world = keeping()
    waits: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    world.network.replies = [Reply(200, waits, *mode.answer[1:], media=mode.media, length=mode.plain)]
    caller = world.caller(mode.line, mode.ask, Idempotency_Key="k")
    call = asyncio.create_task(world.gateway.handle(caller))
    for _ in range(20):
        await asyncio.sleep(0)
    caller.gone = True
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call
    again = await world.plays(mode.line, mode.ask, reply(mode), Idempotency_Key="k")
    reads = world.book.openings[0].effect == "read"
    assert again.status == (200 if reads else 409)
    assert world.book.closings[-1].reason == ("" if reads else "idempotency_unknown")
    assert len(world.network.sent) == (2 if reads else 1)
