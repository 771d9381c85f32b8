"""How answers end: what the caller still gets, and what it never gets, when something breaks on the way."""

import asyncio
import json

import pytest

from durward.calls.errors import GateError, UpstreamError
from durward.storage.state import Owner
from tests.playbooks.world import EVENTS, Reply, Shelf, World

CHAT = "POST /v1/chat/completions"
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}], "stream": True}
HELLO = b'data: {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": null}]}\n\n'
STOP = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
CUT = UpstreamError("The upstream closed the connection.", reason="upstream_cut")


@pytest.mark.parametrize("reason", ["upstream_cut", "upstream_silent", "upstream_malformed"])
async def test_how_the_upstream_ends_behind_the_terminal_event_is_no_news_to_the_caller(reason: str) -> None:
    world = World()
    caller = await world.plays(
        CHAT, ASK, Reply(200, HELLO, STOP, DONE, UpstreamError("x", reason=reason), media=EVENTS)
    )
    assert caller.received == HELLO + STOP + DONE
    assert caller.complete
    assert not caller.aborted
    assert world.book.closings[0].outcome == "ok"


@pytest.mark.parametrize("line", ["GET /v1/files/file-1/content", "GET /api/crm/export"])
async def test_no_byte_of_ours_stands_in_a_cut_body(line: str) -> None:
    """An error in a body of known length could complete it, and pass for its end."""
    world = World()
    world.shelf.owners[("openai", "file", "file-1")] = Owner("acme", "carol")
    reply = Reply(200, b"half of", CUT, media=b"application/octet-stream")
    reply.length = 1000
    caller = await world.plays(line, b"", reply)
    assert caller.received == b"half of"
    assert (caller.length, caller.aborted, caller.complete) == (1000, True, False)
    assert (world.book.closings[0].outcome, world.book.closings[0].reason) == ("cut", "upstream_cut")


async def test_a_model_answer_too_large_to_be_read_is_cut_without_a_word_too() -> None:
    world = World()
    large = b" " * (16 * 2**20 + 1)
    reply = Reply(200, large, CUT, length=False)
    reply.whole = too_large  # type: ignore[method-assign]
    caller = await world.plays(CHAT, {**ASK, "stream": False}, reply)
    assert caller.received == large
    assert caller.aborted


async def too_large(limit: int) -> bytes | None:
    return None


GEMINI = "POST /v1beta/models/gemini-2.5-flash:streamGenerateContent"
PROMPT = {"contents": [{"parts": [{"text": "hello"}]}]}
ELEMENT = b'{"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "index": 0}]}'


async def test_an_error_inside_a_gemini_array_is_an_element_that_leaves_the_array_open() -> None:
    world = World()
    caller = await world.plays(GEMINI, PROMPT, Reply(200, b"[" + ELEMENT, CUT, length=False))
    shown = json.loads(caller.received + b"]")
    assert shown[0] == json.loads(ELEMENT)
    assert shown[1]["error"]["details"][0]["reason"] == "upstream_cut"
    assert caller.aborted


async def test_an_error_inside_a_gemini_event_stream_is_an_event() -> None:
    world = World()
    event = b"data: " + ELEMENT + b"\r\n\r\n"
    caller = await world.plays(GEMINI + "?alt=sse", PROMPT, Reply(200, event, CUT, media=EVENTS, length=False))
    assert caller.received.startswith(event)
    assert json.loads(caller.received[len(event) :].removeprefix(b"data: "))["error"]["status"]


async def test_a_journal_that_fills_up_keeps_the_end_of_a_gemini_answer_back() -> None:
    world = World()
    last = b'{"candidates": [{"content": {"parts": [{"text": "!"}]}, "finishReason": "STOP", "index": 0}]}'
    waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    world.network.replies = [Reply(200, b"[" + ELEMENT, waiting, length=False)]
    caller = world.caller(GEMINI, PROMPT)
    call = asyncio.create_task(world.gateway.handle(caller))
    await caller.shown.wait()
    world.book.full = True
    waiting.set_result(b",\r\n" + last + b"]")
    await call
    shown = json.loads(caller.received + b"]")
    assert [set(each) for each in shown] == [{"candidates"}, {"error"}]
    assert caller.aborted


@pytest.mark.parametrize("tail", [b'data: {"cho', b"data: ", b"d"])
async def test_half_an_event_does_not_swallow_the_error_behind_it(tail: bytes) -> None:
    world = World()
    caller = await world.plays(CHAT, ASK, Reply(200, HELLO + tail, media=EVENTS, length=False))
    told = caller.received.removeprefix(HELLO)
    assert json.loads(told.removeprefix(b"data: "))["error"]["code"] == "upstream_cut"


async def test_half_an_element_does_not_break_the_array_before_the_error() -> None:
    world = World()
    caller = await world.plays(GEMINI, PROMPT, Reply(200, b"[" + ELEMENT + b', {"cand', length=False))
    assert [set(each) for each in json.loads(caller.received + b"]")] == [{"candidates"}, {"error"}]


class FullShelf(Shelf):
    """Owners that can no longer be written."""

    async def own(self, provider: str, objects: object, owner: Owner, now: float) -> None:
        raise GateError("The state cannot be written.", reason="state_unavailable")


RESPONSES = "POST /v1/responses"
CREATED = b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1","model":"gpt-4o"}}\n\n'
COMPLETED = (
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_1","model":"gpt-4o",'
    b'"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}}\n\n'
)


@pytest.mark.parametrize("pieces", [(CREATED, COMPLETED), (CREATED + COMPLETED,)])
async def test_an_object_that_cannot_be_claimed_is_not_shown(pieces: tuple[bytes, ...]) -> None:
    world = World(shelf=FullShelf())
    caller = await world.plays(
        RESPONSES, {"model": "gpt-4o", "input": "hi", "stream": True}, Reply(200, *pieces, media=EVENTS, length=False)
    )
    assert b"resp_1" not in caller.received
    assert b"state_unavailable" in caller.received
    assert caller.aborted
    assert (world.book.closings[0].outcome, world.book.closings[0].reason) == ("cut", "state_unavailable")


async def test_head_tells_the_length_that_the_upstream_tells() -> None:
    world = World()
    caller = await world.plays("HEAD /api/crm/export", b"", Reply(200).announcing(4711))
    assert (caller.status, caller.length, caller.received, caller.complete) == (200, 4711, b"", True)


async def test_head_on_a_provider_route_tells_it_too() -> None:
    world = World()
    caller = await world.plays("HEAD /v1/engines", b"", Reply(200).announcing(12))
    assert (caller.status, caller.length, caller.received) == (200, 12, b"")


async def test_an_answer_without_a_body_is_settled_before_it_ends() -> None:
    world = World()
    await world.plays("DELETE /api/crm/orders/1", b"", Reply(204))
    assert world.events[-3:] == ["== settle ok 204", "<< 204 …", "<< end"]
