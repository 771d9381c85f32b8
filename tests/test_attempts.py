"""Which of its targets answers a call, and what may be tried again."""

import json

import pytest

from durward.calls.errors import UpstreamError
from durward.config.settings import Model, ModelTarget, Provider
from tests.playbooks.test_model_calls import ANSWER, ASK, CHAT
from tests.playbooks.world import Reply, World, settings

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
