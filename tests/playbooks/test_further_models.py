"""A body can offer the provider further models to answer with; each is judged as if it had been asked for, and priced as it answered."""

import json
from typing import Any

import pytest

from durward.config.settings import Model, ModelTarget, PriceOverride, Rule, Selector
from tests.playbooks.world import EVENTS, Reply, World, settings

CHAT = "POST /v1/chat/completions"
ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [], "max_tokens": 5, "models": ["gpt-4o", "gpt-4.1", "o3"]}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5}
PRICES = (PriceOverride("model/gpt-4.1*", input="1", output="1"), PriceOverride("model/gpt-4o*", input="2", output="2"))
ADVISED = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 8,
    "messages": [],
    "tools": [{"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-4-8"}],
}


def answer(model: str) -> bytes:
    return json.dumps({"model": model, "choices": [], "usage": USAGE}).encode()


@pytest.mark.parametrize("pattern", ["model/o3", "model/openai/o3", "*o3"])
async def test_a_denied_model_cannot_be_reached_behind_an_allowed_one(pattern: str) -> None:
    rules = (Rule("all", "allow", Selector()), Rule("no o3", "deny", Selector(resources=(pattern,))))
    world = World(settings(policies=rules))
    caller = await world.plays(CHAT, ASK)
    error = json.loads(caller.received)["error"]
    assert (caller.status, error["code"], world.network.sent) == (403, "denied", [])
    assert "no o3" in error["message"]
    assert "model/o3" in error["message"]
    assert (world.book.openings[0].resource, world.book.openings[0].rule) == ("model/gpt-4o", "no o3")


async def test_a_model_that_no_rule_allows_cannot_either() -> None:
    world = World(settings(policies=(Rule("gpt", "allow", Selector(resources=("model/gpt-*",))),)))
    assert (await world.plays(CHAT, ASK)).status == 403
    assert (await world.plays(CHAT, {**ASK, "models": ["gpt-4.1"]}, Reply(200, answer("gpt-4o")))).status == 200
    assert (await world.plays(CHAT, ASK)).status == 403


async def test_a_model_that_is_not_configured_cannot_either() -> None:
    world = World(settings(models=(Model("gpt-*", (ModelTarget("openai"),)),)))
    caller = await world.plays(CHAT, ASK)
    assert (caller.status, json.loads(caller.received)["error"]["code"]) == (404, "model_unknown")


async def test_an_advisor_is_asked_for_too() -> None:
    world = World(settings(policies=(Rule("sonnet", "allow", Selector(resources=("model/claude-sonnet-*",))),)))
    caller = await world.plays("POST /v1/messages", ADVISED)
    assert (caller.status, world.network.sent) == (403, [])
    assert "model/claude-opus-4-8" in json.loads(caller.received)["error"]["message"]


async def test_under_a_providers_own_address_the_names_are_its_own() -> None:
    rules = (Rule("all", "allow", Selector()), Rule("no o3", "deny", Selector(resources=("model/openai/o3",))))
    world = World(settings(policies=rules))
    assert (await world.plays("POST /p/openai/chat/completions", ASK)).status == 403


async def test_observe_records_the_denial_of_a_further_model() -> None:
    rules = (Rule("all", "allow", Selector()), Rule("no o3", "deny", Selector(resources=("model/o3",))))
    world = World(settings(policies=rules, mode="observe"))
    assert (await world.plays(CHAT, ASK, Reply(200, answer("gpt-4o")))).status == 200
    assert (world.book.openings[0].decision, world.book.openings[0].rule) == ("deny", "no o3")


@pytest.mark.parametrize(
    "answered,cost",
    [
        ("gpt-4o", 15 * 2000),
        ("gpt-4o-2024-08-06", 15 * 2000),
        ("gpt-4.1", 15 * 1000),
        ("gpt-4.1-2025-04-14", 15 * 1000),
        ("gpt-4.1-mini", None),
        ("gpt-4o-mini", None),
        ("something-else", None),
        ("", None),
    ],
)
async def test_the_price_is_that_of_the_model_that_answered(answered: str, cost: int | None) -> None:
    world = World(settings(prices=PRICES))
    await world.plays(CHAT, ASK, Reply(200, answer(answered)))
    assert (world.book.closings[0].cost_nano, world.book.closings[0].price_partial) == (cost, cost is None)
    # Which it will be is not known before, so there is no worst case.
    assert world.book.openings[0].reserved_nano is None


async def test_a_stream_is_priced_by_the_model_that_answered_too() -> None:
    world = World(settings(prices=PRICES))
    chunk = {"model": "gpt-4.1", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    pieces = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in (chunk, {"choices": [], "usage": USAGE})]
    reply = Reply(200, *pieces, b"data: [DONE]\n\n", media=EVENTS, length=False)
    await world.plays(CHAT, {**ASK, "stream": True}, reply)
    assert world.book.closings[0].cost_nano == 15 * 1000


async def test_a_plain_call_right_before_changes_nothing() -> None:
    """The course of a plain call is kept; one with further models must not be taken for it, nor it for one."""
    rules = (Rule("all", "allow", Selector()), Rule("no o3", "deny", Selector(resources=("model/o3",))))
    world = World(settings(policies=rules))
    plain = {**ASK, "models": ["gpt-4o"]}
    assert (await world.plays(CHAT, plain, Reply(200, answer("gpt-4o")))).status == 200
    assert (await world.plays(CHAT, ASK)).status == 403
    assert (await world.plays(CHAT, plain, Reply(200, answer("gpt-4o")))).status == 200


async def test_names_without_end_are_refused() -> None:
    world = World()
    for models in ([f"m{number}" for number in range(18)], ["m" * 257]):
        caller = await world.plays(CHAT, {**ASK, "models": models})
        assert (caller.status, json.loads(caller.received)["error"]["code"]) == (400, "bad_request")
