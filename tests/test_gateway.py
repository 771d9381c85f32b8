"""What the sentence owes every call, whatever the call is. The sequences themselves are in tests/playbooks."""

import asyncio
import random
from typing import Any

import pytest

from durward.calls.errors import REASONS, UpstreamError
from durward.config.settings import Rule, Selector
from tests.playbooks.world import EVENTS, KEY, OTHER_KEY, Reply, World, settings

LINES: list[tuple[str, Any]] = [
    ("POST /v1/chat/completions", {"model": "gpt-4o", "messages": [], "stream": True}),
    ("POST /v1/chat/completions", {"model": "o3", "messages": []}),
    ("POST /v1/messages", {"model": "claude", "max_tokens": 1, "messages": []}),
    ("POST /v1beta/models/g:streamGenerateContent", {"contents": []}),
    ("GET /v1/models/gpt-4o", b""),
    ("GET /v1/files/file-123456", b""),
    ("POST /v1/files", b"x"),
    ("PUT /api/crm/x", b"x"),
    ("GET /nowhere", b""),
    ("POST /v1/responses", b"{"),
]
DENY = Rule("no o3", "deny", Selector(resources=("model/o3",)))
CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n'


def reply(dice: random.Random) -> Reply | UpstreamError:
    if dice.random() < 0.3:
        return UpstreamError("x", reason=dice.choice(["upstream_unreachable", "upstream_silent", "upstream_malformed"]))
    pieces: list[bytes | Exception] = [CHUNK] * dice.randrange(3)
    if dice.random() < 0.5:
        pieces.append(b"data: [DONE]\n\n")
    elif dice.random() < 0.5:
        pieces.append(UpstreamError("x", reason="upstream_cut"))
    media = dice.choice([EVENTS, b"application/json", b"text/plain"])
    return Reply(dice.choice([200, 200, 200, 404, 429, 500]), *pieces, media=media, length=dice.random() < 0.5)


@pytest.mark.parametrize("seed", range(300))
async def test_whatever_happens_each_call_has_one_record_and_one_answer(seed: int) -> None:
    dice = random.Random(seed)
    world = World(settings(policies=(Rule("all", "allow", Selector()), DENY)))
    line, body = dice.choice(LINES)
    key = dice.choice([KEY, KEY, KEY, OTHER_KEY, "dw_" + "x" * 43])
    world.network.replies = [reply(dice)]
    fields = {} if isinstance(body, dict) or not body else {"Content_Type": "application/octet-stream"}
    caller = world.caller(line, body, key=key, **fields)
    call = asyncio.create_task(world.gateway.handle(caller))
    if dice.random() < 0.3:
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        call.cancel()
    hung_up = False
    try:
        await call
    except asyncio.CancelledError:
        hung_up = True
    assert caller.started or hung_up
    assert hung_up or (caller.complete != caller.aborted)
    known = key != "dw_" + "x" * 43 and line != "GET /nowhere"
    assert len(world.book.closings) <= 1
    if not hung_up:
        assert len(world.book.closings) == int(known)
    for opening, closing in zip(world.book.openings, world.book.closings, strict=True):
        assert opening.id == closing.id
        assert closing.reason in ("", *REASONS)
        assert closing.outcome in ("ok", "refused", "failed", "cut")
        assert (closing.outcome == "ok") is (closing.reason == "")
    # Nothing goes up before its intent is written, and nothing that is denied goes up at all.
    sent = [number for number, event in enumerate(world.events) if " to " in event]
    intents = [number for number, event in enumerate(world.events) if event.startswith("== intent")]
    assert not sent or (intents and intents[0] < sent[0])
    if "o3" in str(body):
        assert world.network.sent == []


async def test_two_calls_on_one_head_are_two_calls() -> None:
    """A connection hands what was noted of a head on to the next equal one."""
    world = World()
    first = world.caller("POST /v1/chat/completions", {"model": "gpt-4o", "messages": []}, Durward_Tags="a=b")
    second = world.caller("POST /v1/chat/completions", {"model": "o3", "messages": [], "metadata": {"c": "d"}})
    world.network.replies = [Reply(200, b"{}"), Reply(200, b"{}")]
    await world.gateway.handle(first)
    second.head.memo = first.head.memo
    second.head.fields = first.head.fields
    await world.gateway.handle(second)
    one, two = world.book.openings
    assert one.id != two.id
    assert one.trace != two.trace
    assert (one.model, two.model) == ("gpt-4o", "o3")
    assert (one.tags, two.tags) == ({"a": "b"}, {"a": "b", "c": "d"})


async def test_a_rotated_key_is_unknown_on_the_connection_it_was_known_on() -> None:
    world = World()
    ask = {"model": "gpt-4o", "messages": []}
    first = await world.plays("POST /v1/chat/completions", ask, Reply(200, b"{}"))
    world.gateway._keys._agents.clear()
    second = world.caller("POST /v1/chat/completions", ask)
    second.head.memo = first.head.memo
    await world.gateway.handle(second)
    assert second.status == 401


async def test_a_memo_of_another_snapshot_is_not_believed() -> None:
    world = World(settings(policies=()))
    other = World()
    ask = {"model": "gpt-4o", "messages": []}
    allowed = await other.plays("POST /v1/chat/completions", ask, Reply(200, b"{}"))
    caller = world.caller("POST /v1/chat/completions", ask)
    caller.head.memo = allowed.head.memo
    await world.gateway.handle(caller)
    assert caller.status == 403
