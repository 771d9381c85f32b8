"""Model calls as sequences: who is told what, and in which order."""

import asyncio
import json
from typing import Any

import pytest

from durward.calls.errors import UpstreamError
from durward.config.settings import Model, ModelTarget, PriceOverride, Provider, Rule, Selector
from tests.playbooks.world import EVENTS, Reply, World, settings

CHAT = "POST /v1/chat/completions"
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
USAGE = {"prompt_tokens": 8, "completion_tokens": 10, "total_tokens": 18}
ANSWER = json.dumps(
    {"id": "c1", "model": "gpt-4o-mini", "choices": [{"message": {"content": "Hi"}}], "usage": USAGE}
).encode()


def chunk(**members: Any) -> bytes:
    return (
        b"data: %b\n\n"
        % json.dumps({"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o-mini", **members}).encode()
    )


HELLO = chunk(choices=[{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}])
STOP = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
COUNT = chunk(choices=[], usage=USAGE)
DONE = b"data: [DONE]\n\n"


async def test_a_plain_call_is_settled_before_it_is_answered() -> None:
    world = World()
    caller = await world.plays(CHAT, ASK, Reply(200, ANSWER))
    assert world.events == [
        ">> POST /v1/chat/completions",
        "== intent carol model/gpt-4o-mini",
        "<< POST /v1/chat/completions to api.openai.com",
        ">> 200",
        "== settle ok 200",
        "<< 200",
    ]
    assert caller.received == ANSWER
    closing = world.book.closings[0]
    assert closing.tokens is not None
    assert (closing.tokens.input, closing.tokens.output, closing.request_id) == (8, 10, "req-1")
    assert closing.cost_nano is not None
    assert closing.cost_nano > 0
    assert world.book.openings[0].reserved_nano is None  # no max_tokens, so no worst case


async def test_what_passes_on_and_what_does_not() -> None:
    world = World()
    await world.plays(
        f"{CHAT}?debug=1",
        ASK,
        Reply(200, ANSWER),
        Cookie="session=1",
        X_Forwarded_For="10.0.0.1",
        Durward_Tags="a=b",
        OpenAI_Beta="x",
        Accept_Encoding="gzip, br",
    )
    head, body = world.network.sent[0]
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /v1/chat/completions?debug=1 http/1.1"
    assert b"host: api.openai.com" in lines
    assert b"accept-encoding: identity" in lines
    assert b"openai-beta: x" in lines
    assert b"content-length: %d" % len(body) in lines
    for gone in (b"cookie", b"x-forwarded-for", b"durward-tags", b"authorization", b"gzip"):
        assert not any(line.startswith(gone) or b"gzip" in line for line in lines), gone
    assert b"dw_" not in head
    assert world.book.openings[0].query == "debug"
    assert world.book.openings[0].tags == {"a": "b"}


async def test_a_stream_is_settled_before_its_terminal_event() -> None:
    world = World()
    reply = Reply(200, HELLO, STOP + COUNT, DONE, media=EVENTS, length=False)
    caller = await world.plays(CHAT, {**ASK, "stream": True}, reply)
    assert world.events[3:] == [
        ">> 200",
        "<< 200 …",
        f"<< {len(HELLO)} bytes",
        f"<< {len(STOP)} bytes",
        "== settle ok 200",
        f"<< {len(DONE)} bytes",
        "<< end",
    ]
    assert caller.received == HELLO + STOP + DONE  # the usage chunk was the gate's own wish
    assert json.loads(world.network.sent[0][1])["stream_options"] == {"include_usage": True}
    assert world.book.closings[0].tokens is not None
    assert world.book.closings[0].tokens.output == 10


async def test_a_caller_that_asked_for_usage_gets_it() -> None:
    world = World()
    reply = Reply(200, HELLO, STOP, COUNT, DONE, media=EVENTS, length=False)
    asked = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    caller = await world.plays(CHAT, asked, reply)
    assert caller.received == HELLO + STOP + COUNT + DONE


async def test_usage_as_is_asks_for_nothing() -> None:
    plain = Provider("openai", "openai", "https://api.openai.com/v1", stream_usage="as_is")
    world = World(settings(providers=(plain,)))
    reply = Reply(200, HELLO, STOP, COUNT, DONE, media=EVENTS, length=False)
    caller = await world.plays(CHAT, {**ASK, "stream": True}, reply)
    assert caller.received == HELLO + STOP + COUNT + DONE
    assert "stream_options" not in json.loads(world.network.sent[0][1])


async def test_a_denied_call_reaches_no_upstream() -> None:
    world = World(settings(policies=(Rule("no mini", "deny", Selector(resources=("model/*mini",))),)))
    world.gateway.on_refused = lambda reason, peer: world.events.append("counted beside the record")
    caller = await world.plays(CHAT, ASK)
    assert world.events == [">> POST /v1/chat/completions", "== refused 403 denied", "<< 403"]
    error = json.loads(caller.received)["error"]
    assert error["code"] == "denied"
    assert "no mini" in error["message"]
    assert b"x-should-retry: false" in caller.lines.lower()
    assert world.book.openings[0].rule == "no mini"


async def test_observe_records_the_denial_and_lets_it_pass() -> None:
    world = World(settings(policies=(), mode="observe"))
    caller = await world.plays(CHAT, ASK, Reply(200, ANSWER))
    assert caller.status == 200
    assert world.book.openings[0].decision == "deny"


@pytest.mark.parametrize("key", [None, "dw_" + "x" * 43])
async def test_a_stranger_leaves_no_record(key: str | None) -> None:
    world = World()
    counted: list[tuple[str, str]] = []
    world.gateway.on_refused = lambda reason, peer: counted.append((reason, peer))
    caller = await world.plays(CHAT, ASK, key=key)  # type: ignore[arg-type]
    assert caller.status == 401
    assert counted == [("key_unknown" if key else "key_missing", "192.0.2.1")]
    assert world.book.openings == []


async def test_a_full_journal_refuses_before_anything_is_sent() -> None:
    world = World()
    world.book.full = True
    caller = await world.plays(CHAT, ASK)
    assert (caller.status, world.network.sent) == (503, [])
    assert json.loads(caller.received)["error"]["code"] == "journal_unavailable"


async def test_a_journal_that_fills_up_keeps_the_terminal_event_back() -> None:
    world = World()
    waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    world.network.replies = [Reply(200, HELLO, waiting, DONE, media=EVENTS, length=False)]
    caller = world.caller(CHAT, {**ASK, "stream": True})
    call = asyncio.create_task(world.gateway.handle(caller))
    await caller.shown.wait()
    world.book.full = True
    waiting.set_result(STOP)
    await call
    assert DONE not in caller.received
    assert b"journal_unavailable" in caller.received
    assert caller.aborted


async def test_an_error_inside_a_stream_is_a_failed_call_that_passes_unchanged() -> None:
    world = World()
    broken = b'data: {"error": {"type": "server_error", "message": "The server had an error"}}\n\n'
    caller = await world.plays(CHAT, {**ASK, "stream": True}, Reply(200, HELLO, broken, media=EVENTS, length=False))
    assert caller.received == HELLO + broken
    assert (world.book.closings[0].outcome, world.book.closings[0].reason) == ("failed", "stream_error")


@pytest.mark.parametrize(
    "ending,reason",
    [
        ([UpstreamError("x", reason="upstream_cut")], "upstream_cut"),
        ([UpstreamError("x", reason="upstream_silent")], "upstream_silent"),
        ([UpstreamError("x", reason="upstream_malformed")], "upstream_malformed"),
        ([], "upstream_cut"),
    ],
)
async def test_a_cut_stream_ends_with_the_wires_own_error_and_no_terminal_event(
    ending: list[Exception], reason: str
) -> None:
    world = World()
    caller = await world.plays(CHAT, {**ASK, "stream": True}, Reply(200, HELLO, *ending, media=EVENTS, length=False))
    assert caller.received.startswith(HELLO)
    assert json.loads(caller.received[len(HELLO) :].removeprefix(b"data: "))["error"]["code"] == reason
    assert b"[DONE]" not in caller.received
    assert caller.aborted
    closing = world.book.closings[0]
    assert (closing.outcome, closing.reason, closing.estimated) == ("cut", reason, True)
    assert closing.tokens is not None
    assert closing.tokens.output == 2  # "Hello" / 4


async def test_a_caller_that_hangs_up_cancels_the_upstream_and_is_settled() -> None:
    world = World()
    never: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    reply = Reply(200, HELLO, never, DONE, media=EVENTS, length=False)
    world.network.replies = [reply]
    caller = world.caller(CHAT, {**ASK, "stream": True})
    call = asyncio.create_task(world.gateway.handle(caller))
    await caller.shown.wait()
    caller.gone = True
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert reply.cancelled
    closing = world.book.closings[0]
    assert (closing.outcome, closing.reason, closing.estimated) == ("cut", "caller_gone", True)


async def test_silence_gets_an_empty_line_between_events_and_only_there() -> None:
    world = World()
    first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    world.network.replies = [Reply(200, HELLO, first, STOP + DONE, media=EVENTS, length=False)]
    caller = world.caller(CHAT, {**ASK, "stream": True})
    call = asyncio.create_task(world.gateway.handle(caller))
    await caller.shown.wait()
    world.gateway.pulse.beat()
    world.clock.now += 14.9
    world.gateway.pulse.beat()
    assert caller.received == HELLO
    world.clock.now += 0.1
    world.gateway.pulse.beat()
    world.gateway.pulse.beat()
    assert caller.received == HELLO + b"\n"
    first.set_result(HELLO)
    await call
    assert caller.received.endswith(DONE)
    world.clock.now += 60
    world.gateway.pulse.beat()
    assert caller.received.endswith(DONE)


MODELS = settings(
    models=(
        Model("gpt-4o-mini", (ModelTarget("openai"),)),
        Model("claude-*", (ModelTarget("anthropic"),)),
        Model("quick", (ModelTarget("openai", "gpt-4o-mini"),)),
    )
)


async def test_a_model_of_another_wire_names_the_path_that_speaks_it() -> None:
    world = World(MODELS)
    caller = await world.plays(CHAT, {**ASK, "model": "claude-sonnet-4-5"})
    error = json.loads(caller.received)["error"]
    assert (caller.status, error["code"], error["param"]) == (400, "wrong_wire", "model")
    assert "/v1/messages" in error["message"]


async def test_an_unknown_model_is_answered_with_the_nearest_this_agent_may_use() -> None:
    hidden = Rule("no quick", "deny", Selector(resources=("model/quick",)))
    world = World(settings(models=MODELS.models, policies=(Rule("all", "allow", Selector()), hidden)))
    caller = await world.plays(CHAT, {**ASK, "model": "gpt-4o-mni"})
    error = json.loads(caller.received)["error"]
    assert (caller.status, error["code"]) == (404, "model_unknown")
    assert "gpt-4o-mini" in error["message"]
    caller = await world.plays(CHAT, {**ASK, "model": "quik"})
    assert "quick" not in json.loads(caller.received)["error"]["message"].replace("quik", "")


async def test_prices_of_the_operator_hold_and_a_worst_case_is_reserved() -> None:
    written = settings(prices=(PriceOverride("model/gpt-*", input="1", output="2"),))
    world = World(written)
    await world.plays(CHAT, {**ASK, "max_tokens": 100}, Reply(200, ANSWER))
    assert world.book.closings[0].cost_nano == 8 * 1000 + 10 * 2000
    reserved = world.book.openings[0].reserved_nano
    assert reserved is not None
    assert reserved >= 100 * 2000 + len("hello") * 1000


async def test_an_answer_without_usage_is_estimated() -> None:
    world = World()
    await world.plays(CHAT, ASK, Reply(200, b'{"choices": [{"message": {"content": "12345678"}}]}'))
    closing = world.book.closings[0]
    assert closing.tokens is not None
    assert (closing.estimated, closing.tokens.output) == (True, 2)


async def test_a_bug_is_a_500_and_a_record_and_is_seen() -> None:
    world = World()
    with pytest.raises(IndexError):
        await world.plays(CHAT, ASK)  # no reply: the network itself fails
    assert world.book.closings[0].reason == "internal"
    assert world.events[-1] == "<< 500"
