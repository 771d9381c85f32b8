"""Which of its targets answers a call, and what may be tried again."""

import json

import msgspec
import pytest

from durward.calls.errors import UpstreamError
from durward.config.settings import Credential, Model, ModelTarget, Provider
from durward.snapshot import Snapshot
from tests.playbooks.test_model_calls import ANSWER, ASK, CHAT
from tests.playbooks.world import KEY, Caller, Reply, World, settings

QUICK = Model("quick", (ModelTarget("openai", "gpt-4o"), ModelTarget("spare", "gpt-4o-mini")))
TWO = settings(
    providers=(
        Provider("openai", "openai", "https://api.openai.com/v1"),
        Provider("spare", "openai", "https://spare.example.com/v1", price_as="openai"),
    ),
    models=(QUICK,),
)


@pytest.mark.parametrize(
    "failure",
    [Reply(500, b"{}"), Reply(429, b"{}"), Reply(529, b"{}"), UpstreamError("x", reason="upstream_unreachable")],
)
async def test_the_next_target_is_tried_before_the_first_byte(failure: Reply | UpstreamError) -> None:
    world = World(TWO)
    caller = await world.plays(CHAT, {**ASK, "model": "quick"}, failure, Reply(200, ANSWER))
    assert caller.status == 200
    sent = [json.loads(body)["model"] for _, body in world.network.sent]
    assert sent == ["gpt-4o", "gpt-4o-mini"]
    attempts = world.book.closings[0].attempts
    assert [(each.provider, each.model) for each in attempts] == [("openai", "gpt-4o"), ("spare", "gpt-4o-mini")]
    assert (world.book.closings[0].provider, world.book.closings[0].upstream_model) == ("spare", "gpt-4o-mini")
    assert [event for event in world.events if event.startswith("==")] == [
        "== intent carol model/quick",
        "== settle ok 200",
    ]


@pytest.mark.parametrize("reason", ["upstream_silent", "upstream_cut", "upstream_malformed"])
async def test_what_may_have_been_acted_on_is_not_tried_again(reason: str) -> None:
    world = World(TWO)
    caller = await world.plays(CHAT, {**ASK, "model": "quick"}, UpstreamError("x", reason=reason))
    assert caller.status in (502, 504)
    assert len(world.network.sent) == 1
    assert world.book.closings[0].estimated  # it may have cost something


async def test_the_last_targets_failure_passes_unchanged() -> None:
    world = World(TWO)
    caller = await world.plays(
        CHAT, {**ASK, "model": "quick"}, Reply(500, b"{}"), Reply(429, b'{"error":{"message":"slow"}}')
    )
    assert (caller.status, caller.received) == (429, b'{"error":{"message":"slow"}}')
    assert (world.book.closings[0].outcome, world.book.closings[0].reason) == ("failed", "upstream_error")
    assert world.book.closings[0].cost_nano == 0


def busy(**fields: bytes) -> Reply:
    reply = Reply(429, b"{}")
    reply.fields |= {name.replace("_", "-").encode(): value for name, value in fields.items()}
    reply.forward += b"".join(b"%b: %b\r\n" % (name.replace("_", "-").encode(), v) for name, v in fields.items())
    return reply


def hosts(world: World) -> list[str]:
    """Where the calls went, in order."""
    return [event.rpartition(" to ")[2].partition(".")[0] for event in world.events if " to " in event]


async def quick(world: World, *replies: Reply | UpstreamError) -> Caller:
    return await world.plays(CHAT, {**ASK, "model": "quick"}, *replies)


async def test_a_target_that_asked_to_wait_is_tried_later_for_so_long() -> None:
    world = World(TWO)
    await quick(world, busy(retry_after=b"20"), Reply(200, ANSWER))
    world.clock.now += 19
    await quick(world, Reply(200, ANSWER))
    world.clock.now += 1
    await quick(world, Reply(200, ANSWER))
    assert hosts(world) == ["api", "spare", "spare", "api"]


@pytest.mark.parametrize(
    "fields,seconds",
    [({}, 5), ({"retry_after_ms": b"1500"}, 1.5), ({"retry_after": b"86400"}, 300)],
)
async def test_how_long_a_target_waits(fields: dict[str, bytes], seconds: float) -> None:
    world = World(TWO)
    await quick(world, busy(**fields), Reply(200, ANSWER))
    world.clock.now += seconds - 0.25
    await quick(world, Reply(200, ANSWER))
    world.clock.now += 0.25
    await quick(world, Reply(200, ANSWER))
    assert hosts(world) == ["api", "spare", "spare", "api"]


async def test_a_sole_target_is_asked_though_it_waits_and_its_refusal_passes_unchanged() -> None:
    world = World()
    for _ in range(30):
        caller = await world.plays(CHAT, ASK, busy(retry_after=b"20"))
        assert caller.status == 429
        assert b"retry-after: 20\r\n" in caller.lines
        assert b"x-should-retry" not in caller.lines


async def test_a_target_that_keeps_failing_is_left_out_until_a_probe_is_answered() -> None:
    world = World(TWO)
    for _ in range(5):
        await quick(world, Reply(503, b"{}"), Reply(200, ANSWER))
    world.events.clear()
    world.clock.now += 29
    await quick(world, Reply(200, ANSWER))
    assert hosts(world) == ["spare"]
    assert [each.provider for each in world.book.closings[-1].attempts] == ["spare"]
    world.clock.now += 1
    await quick(world, Reply(503, b"{}"), Reply(200, ANSWER))
    world.clock.now += 59
    await quick(world, Reply(200, ANSWER))
    world.clock.now += 1
    await quick(world, Reply(200, ANSWER))
    await quick(world, Reply(200, ANSWER))
    assert hosts(world) == ["spare", "api", "spare", "spare", "api", "api"]


async def test_a_sole_target_that_keeps_failing_is_tried_ten_times_a_second_and_the_rest_fails_fast() -> None:
    world = World()
    statuses = [(await world.plays(CHAT, ASK, Reply(503, b"{}"))).status for _ in range(40)]
    assert len(world.network.sent) == 5 + 10
    assert statuses == [503] * 40
    last = world.book.closings[-1]
    assert (last.outcome, last.reason, last.attempts, last.cost_nano) == ("failed", "upstream_ejected", [], 0)
    caller = await world.plays(CHAT, ASK)
    assert json.loads(caller.received)["error"]["code"] == "upstream_ejected"
    assert b"Retry-After: 1\r\n" in caller.lines
    world.clock.now += 1
    assert (await world.plays(CHAT, ASK, Reply(200, ANSWER))).status == 200
    for _ in range(20):
        assert (await world.plays(CHAT, ASK, Reply(200, ANSWER))).status == 200


async def test_a_request_that_brings_the_upstream_down_again_and_again_shuts_out_nobody() -> None:
    world = World(TWO)
    for _ in range(15):
        await quick(world, Reply(500, b"{}"), Reply(200, ANSWER))
    world.events.clear()
    await quick(world, Reply(200, ANSWER))
    assert hosts(world) == ["api"]


async def test_what_is_known_of_an_upstream_outlives_a_reload() -> None:
    world = World(TWO)
    for _ in range(5):
        await quick(world, Reply(503, b"{}"), Reply(200, ANSWER))
    old = world.gateway._snapshot
    world.gateway.take_over(Snapshot(TWO, {"CRM_TOKEN": "x"}, world.shelf, world.clock, old.health))
    world.events.clear()
    await quick(world, Reply(200, ANSWER))
    assert hosts(world) == ["spare"]
    moved = (msgspec.structs.replace(TWO.providers[0], base_url="https://new.example.com/v1"), TWO.providers[1])
    elsewhere = msgspec.structs.replace(TWO, providers=moved)
    world.gateway.take_over(Snapshot(elsewhere, {"CRM_TOKEN": "x"}, world.shelf, world.clock, old.health))
    await quick(world, Reply(200, ANSWER))
    assert hosts(world) == ["spare", "new"]


async def test_a_retry_storm_is_bounded() -> None:
    """Everything answers 503 for a minute: no upstream gets more than 1.2 times the calls and ten a second."""
    world, calls = World(TWO), 0
    for _ in range(60):
        for _ in range(100):
            calls += 1
            caller = await quick(world, Reply(503, b"{}"), Reply(503, b"{}"))
            assert caller.status == 503
        world.clock.now += 1
    sent = hosts(world)
    for host in ("api", "spare"):
        assert sent.count(host) <= 1.2 * calls + 600
    # The callers of both were served a failure by the one that could be tried.
    assert len(sent) <= 1.2 * calls + 600


async def test_beyond_the_budget_a_call_ends_with_the_failure_that_it_had_and_its_record_says_so() -> None:
    world = World(TWO)
    spare = world.gateway._snapshot.providers["spare"].standing
    while spare.retries.take(world.clock.now):
        pass
    caller = await quick(world, Reply(500, b'{"error":"mine"}'))
    assert (caller.status, caller.received) == (500, b'{"error":"mine"}')
    assert hosts(world) == ["api"]
    closing = world.book.closings[-1]
    assert (closing.outcome, closing.reason, closing.provider) == ("failed", "upstream_error", "openai")
    assert [(each.provider, each.status, each.reason) for each in closing.attempts] == [
        ("openai", 500, ""),
        ("spare", 0, "retries_spent"),
    ]
    caller = await quick(world, UpstreamError("x", reason="upstream_unreachable"))
    assert caller.status == 502
    assert world.book.closings[-1].reason == "upstream_unreachable"
    world.clock.now += 10
    assert (await quick(world, Reply(500, b"{}"), Reply(200, ANSWER))).status == 200


async def test_callers_own_credentials_have_limits_of_their_own() -> None:
    own = msgspec.structs.replace(TWO.providers[0], credential=Credential(caller=True))
    world = World(msgspec.structs.replace(TWO, providers=(own, TWO.providers[1])))
    for _ in range(2):
        await world.plays(
            CHAT,
            {**ASK, "model": "quick"},
            *(busy(retry_after=b"20"), Reply(200, ANSWER)),
            Authorization="Bearer mine",
            Durward_Key=KEY,
        )
    assert hosts(world) == ["api", "spare", "api", "spare"]
