"""Model calls of every wire and mode: sent on, brought back, settled before their end, counted in the provider's own numbers."""

import json
from typing import Any, NamedTuple

import pytest

from durward.calls.tokens import Tokens
from durward.config.settings import Model, ModelTarget, PriceOverride, Provider
from tests.playbooks.world import EVENTS, Reply, World, settings
from tests.protocols.codings import SQUEEZERS

SAID = [{"role": "user", "content": "hello"}]
TURN = [{"role": "user", "parts": [{"text": "hello"}]}]


def told(value: Any) -> bytes:
    return json.dumps(value).encode()


def sse(*events: Any, end: bytes = b"\n\n") -> tuple[bytes, ...]:
    """Events as a provider writes them: named by their `type` where they have one."""
    return tuple(
        (b"event: %b\n" % event["type"].encode() if "type" in event else b"") + b"data: " + told(event) + end
        for event in events
    )


class Mode(NamedTuple):
    """One way to call a model: what is asked, what the provider answers, and what must come of it."""

    line: str
    ask: dict[str, Any]
    answer: tuple[bytes, ...]
    host: str
    protocol: str
    action: str
    model: str
    tokens: Tokens | None
    media: bytes = b"application/json"
    plain: bool = True
    """A whole answer; else a stream."""
    held: int = 1
    """How many of a stream's pieces wait for the call to be settled."""


CHUNK = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
CHAT_USAGE = {"prompt_tokens": 9, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}
CHAT_TOKENS = Tokens(input=5, cached_input=4, output=7)
RESPONSE_USAGE = {
    "input_tokens": 9,
    "output_tokens": 7,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 16,
}
RESPONSE = {
    "id": "resp_1234567",
    "object": "response",
    "status": "completed",
    "model": "gpt-4o",
    "output": [],
    "usage": RESPONSE_USAGE,
}
RESPONSE_TOKENS = Tokens(input=5, cached_input=4, output=5, reasoning=2)
CLAUDE_USAGE = {"input_tokens": 5, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3, "output_tokens": 7}
CLAUDE_TOKENS = Tokens(input=5, cached_input=4, cache_write=3, output=7)
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hi"}],
}
GEMINI_USAGE = {
    "promptTokenCount": 9,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 2,
    "cachedContentTokenCount": 4,
    "totalTokenCount": 16,
}
GEMINI_TOKENS = Tokens(input=5, cached_input=4, output=5, reasoning=2)
CANDIDATE = {"candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "index": 0}]}
LAST = {
    "candidates": [{"content": {"parts": [{"text": "!"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": GEMINI_USAGE,
}
FLASH = "/v1beta/models/gemini-2.5-flash"

MODES = {
    "openai chat": Mode(
        "POST /v1/chat/completions",
        {"model": "gpt-4o", "messages": SAID},
        (told({"model": "gpt-4o", "choices": [{"message": {"content": "Hi"}}], "usage": CHAT_USAGE}),),
        *("api.openai.com", "openai_chat", "generate", "gpt-4o", CHAT_TOKENS),
    ),
    "openai chat, streamed": Mode(
        "POST /v1/chat/completions",
        {"model": "gpt-4o", "messages": SAID, "stream": True, "stream_options": {"include_usage": True}},
        (*sse(CHUNK, STOP, {"choices": [], "usage": CHAT_USAGE}), b"data: [DONE]\n\n"),
        *("api.openai.com", "openai_chat", "generate", "gpt-4o", CHAT_TOKENS, EVENTS, False),
    ),
    "openai responses": Mode(
        "POST /v1/responses",
        {"model": "gpt-4o", "input": "hello"},
        (told(RESPONSE),),
        *("api.openai.com", "openai_responses", "generate", "gpt-4o", RESPONSE_TOKENS),
    ),
    "openai responses, streamed": Mode(
        "POST /v1/responses",
        {"model": "gpt-4o", "input": "hello", "stream": True},
        sse(
            {"type": "response.created", "response": {"id": "resp_1234567", "model": "gpt-4o"}},
            {"type": "response.output_text.delta", "delta": "Hi"},
            {"type": "response.completed", "response": RESPONSE},
        ),
        *("api.openai.com", "openai_responses", "generate", "gpt-4o", RESPONSE_TOKENS, EVENTS, False),
    ),
    "openai embeddings": Mode(
        "POST /v1/embeddings",
        {"model": "text-embedding-3-small", "input": ["hello"]},
        (told({"data": [{"embedding": [0.5], "index": 0}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}),),
        *("api.openai.com", "openai_embeddings", "embed", "text-embedding-3-small", Tokens(input=3)),
    ),
    "anthropic messages": Mode(
        "POST /v1/messages",
        {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": SAID},
        (told({**MESSAGE, "usage": CLAUDE_USAGE}),),
        *("api.anthropic.com", "anthropic", "generate", "claude-sonnet-4-5", CLAUDE_TOKENS),
    ),
    "anthropic messages, streamed": Mode(
        "POST /v1/messages?beta=true",
        {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": SAID, "stream": True},
        sse(
            {"type": "message_start", "message": {**MESSAGE, "usage": {**CLAUDE_USAGE, "output_tokens": 1}}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
            {"type": "message_stop"},
        ),
        *("api.anthropic.com", "anthropic", "generate", "claude-sonnet-4-5", CLAUDE_TOKENS, EVENTS, False),
    ),
    "anthropic count_tokens": Mode(
        "POST /v1/messages/count_tokens",
        {"model": "claude-sonnet-4-5", "messages": SAID},
        (told({"input_tokens": 9}),),
        *("api.anthropic.com", "anthropic_count", "count", "claude-sonnet-4-5", None),
    ),
    "gemini generate": Mode(
        f"POST {FLASH}:generateContent",
        {"contents": TURN},
        (told({**LAST, "modelVersion": "gemini-2.5-flash"}),),
        *("generativelanguage.googleapis.com", "gemini", "generate", "gemini-2.5-flash", GEMINI_TOKENS),
    ),
    "gemini streamed as events": Mode(
        f"POST {FLASH}:streamGenerateContent?alt=sse",
        {"contents": TURN},
        sse(CANDIDATE, LAST, end=b"\r\n\r\n"),
        *("generativelanguage.googleapis.com", "gemini", "generate", "gemini-2.5-flash", GEMINI_TOKENS, EVENTS, False),
    ),
    "gemini streamed as an array": Mode(
        f"POST {FLASH}:streamGenerateContent",
        {"contents": TURN},
        (b"[" + told(CANDIDATE), b",\r\n" + told(LAST), b"\r\n]"),
        *("generativelanguage.googleapis.com", "gemini", "generate", "gemini-2.5-flash", GEMINI_TOKENS),
        *(b"application/json", False, 2),
    ),
    "gemini on /v1": Mode(
        "POST /v1/models/gemini-2.5-flash:generateContent",
        {"contents": TURN},
        (told(LAST),),
        *("generativelanguage.googleapis.com", "gemini", "generate", "gemini-2.5-flash", GEMINI_TOKENS),
    ),
    "gemini count": Mode(
        f"POST {FLASH}:countTokens",
        {"contents": TURN},
        (told({"totalTokens": 9}),),
        *("generativelanguage.googleapis.com", "gemini_count", "count", "gemini-2.5-flash", None),
    ),
    "gemini embed": Mode(
        "POST /v1beta/models/gemini-embedding-001:embedContent",
        {"content": {"parts": [{"text": "hello"}]}},
        (told({"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 3}}),),
        *("generativelanguage.googleapis.com", "gemini_embed", "embed", "gemini-embedding-001", Tokens(input=3)),
    ),
    "gemini embed in a batch": Mode(
        "POST /v1beta/models/gemini-embedding-001:batchEmbedContents",
        {"requests": [{"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "hello"}]}}]},
        (told({"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 3}}),),
        *("generativelanguage.googleapis.com", "gemini_embed", "embed", "gemini-embedding-001", Tokens(input=3)),
    ),
}
every_mode = pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))


@every_mode
async def test_bytes_pass_unchanged_and_the_call_is_settled_before_its_end(mode: Mode) -> None:
    world = World()
    caller = await world.plays(mode.line, mode.ask, Reply(200, *mode.answer, media=mode.media, length=mode.plain))
    assert caller.received == b"".join(mode.answer)
    assert caller.complete
    resource = f"model/{mode.model}"
    assert world.events[:4] == [
        f">> {mode.line}",
        f"== intent carol {resource}",
        f"<< {mode.line} to {mode.host}",
        ">> 200",
    ]
    if mode.plain:
        assert world.events[4:] == ["== settle ok 200", "<< 200"]
    else:
        pieces = [f"<< {len(piece)} bytes" for piece in mode.answer]
        kept = len(mode.answer) - mode.held
        rest = [f"<< {sum(map(len, mode.answer[kept:]))} bytes"]
        assert world.events[4:] == ["<< 200 …", *pieces[:kept], "== settle ok 200", *rest, "<< end"]
    opening, closing = world.book.openings[0], world.book.closings[0]
    assert (opening.protocol, opening.action, opening.effect) == (mode.protocol, mode.action, "read")
    assert (opening.resource, opening.model) == (resource, mode.model)
    assert (closing.tokens, closing.estimated, closing.upstream_model) == (mode.tokens, False, mode.model)
    assert closing.bytes_out == len(caller.received)
    assert closing.bytes_in == len(world.network.sent[0][1])
    if mode.action == "count":
        assert (closing.cost_nano, closing.usage) == (0, None)
    else:
        assert closing.usage is not None


@every_mode
async def test_what_goes_up_says_what_the_caller_said(mode: Mode) -> None:
    world = World()
    await world.plays(mode.line, mode.ask, Reply(200, *mode.answer, media=mode.media, length=mode.plain))
    head, body = world.network.sent[0]
    assert json.loads(body) == mode.ask
    assert b"Accept-Encoding: identity\r\n" in head
    assert head.count(b"Content-Length") == 1


@every_mode
async def test_an_alias_goes_up_under_the_name_it_stands_for(mode: Mode) -> None:
    world = World(
        settings(
            models=(
                Model(
                    "alias",
                    (
                        ModelTarget(
                            {"api.openai.com": "openai", "api.anthropic.com": "anthropic"}.get(mode.host, "gemini"),
                            mode.model,
                        ),
                    ),
                ),
            )
        )
    )
    line = mode.line.replace(mode.model, "alias")
    ask = json.loads(
        json.dumps(mode.ask).replace(f'"{mode.model}"', '"alias"').replace(f"models/{mode.model}", "models/alias")
    )
    caller = await world.plays(line, ask, Reply(200, *mode.answer, media=mode.media, length=mode.plain))
    assert caller.status == 200
    head, body = world.network.sent[0]
    assert head.split(b" HTTP")[0] == mode.line.encode()
    assert json.loads(body) == mode.ask
    assert world.book.openings[0].resource == "model/alias"
    assert world.book.closings[0].upstream_model == mode.model


@every_mode
async def test_a_provider_can_be_named_in_the_address(mode: Mode) -> None:
    world = World()
    provider = {"api.openai.com": "openai", "api.anthropic.com": "anthropic"}.get(mode.host, "gemini")
    line = mode.line.replace("POST /", f"POST /p/{provider}/")
    caller = await world.plays(line, mode.ask, Reply(200, *mode.answer, media=mode.media, length=mode.plain))
    assert caller.status == 200
    assert world.book.openings[0].resource == f"model/{provider}/{mode.model}"
    assert world.network.sent[0][0].split(b" HTTP")[0] == mode.line.encode()


@every_mode
async def test_the_operators_price_holds_in_every_wire(mode: Mode) -> None:
    price = PriceOverride("model/*", input="1", output="4", cached_input="0.5", cache_write="2", reasoning="4")
    world = World(settings(prices=(price,)))
    await world.plays(mode.line, mode.ask, Reply(200, *mode.answer, media=mode.media, length=mode.plain))
    used = mode.tokens or Tokens()
    wanted = (
        used.input * 1000 + used.cached_input * 500 + used.cache_write * 2000 + (used.output + used.reasoning) * 4000
    )
    assert (world.book.closings[0].cost_nano, world.book.closings[0].price_partial) == (wanted, False)


@every_mode
async def test_an_upstreams_own_error_passes_unchanged_and_costs_nothing(mode: Mode) -> None:
    world = World()
    caller = await world.plays(mode.line, mode.ask, Reply(400, b'{"their": "own words"}'))
    assert (caller.status, caller.received) == (400, b'{"their": "own words"}')
    closing = world.book.closings[0]
    assert (closing.outcome, closing.reason, closing.status, closing.cost_nano) == ("failed", "upstream_error", 400, 0)


@pytest.mark.parametrize("coding", list(SQUEEZERS))
@every_mode
async def test_a_compressed_request_goes_on_as_it_was_read(mode: Mode, coding: str) -> None:
    world = World()
    reply = Reply(200, *mode.answer, media=mode.media, length=mode.plain)
    caller = await world.plays(mode.line, SQUEEZERS[coding](told(mode.ask)), reply, Content_Encoding=coding)
    assert caller.status == 200
    head, body = world.network.sent[0]
    assert json.loads(body) == mode.ask
    assert b"content-encoding" not in head.lower()


STREAMS = {name: mode for name, mode in MODES.items() if not mode.plain}


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("mode", STREAMS.values(), ids=list(STREAMS))
async def test_however_a_stream_is_cut_into_reads_the_caller_and_the_record_get_the_same(mode: Mode, size: int) -> None:
    whole = b"".join(mode.answer)
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    world = World()
    caller = await world.plays(mode.line, mode.ask, Reply(200, *pieces, media=mode.media, length=False))
    assert caller.received == whole
    assert world.book.closings[0].tokens == mode.tokens
    settled = world.events.index("== settle ok 200")
    assert any(event.endswith(" bytes") for event in world.events[settled:])


@pytest.mark.parametrize("mode", STREAMS.values(), ids=list(STREAMS))
async def test_a_plain_answer_to_a_streamed_request_is_read_all_the_same(mode: Mode) -> None:
    world = World()
    caller = await world.plays(mode.line, mode.ask, Reply(503, b'{"error": {"message": "overloaded"}}'))
    assert (caller.status, world.book.closings[0].outcome) == (503, "failed")


async def test_a_streamed_answer_that_nobody_asked_for_is_followed_all_the_same() -> None:
    mode = MODES["openai responses, streamed"]
    world = World()
    reply = Reply(200, *mode.answer, media=EVENTS + b"; charset=utf-8", length=False)
    caller = await world.plays(mode.line, {"model": "gpt-4o", "input": "hello"}, reply)
    assert caller.received == b"".join(mode.answer)
    assert world.book.closings[0].tokens == RESPONSE_TOKENS


async def test_accept_decides_nothing() -> None:
    mode = MODES["openai chat"]
    world = World()
    await world.plays(mode.line, mode.ask, Reply(200, *mode.answer), Accept="text/event-stream")
    assert b"stream" not in world.network.sent[0][1]
    assert world.events[-1] == "<< 200"


async def test_a_response_whose_model_a_stored_prompt_chooses() -> None:
    """Prompts are stored at the provider by other ways than the gate, so its objects must be shared."""
    world = World(settings(providers=(Provider("openai", "openai", "https://api.openai.com/v1", shared=True),)))
    ask = {"input": "hello", "prompt": {"id": "pmpt_1234567"}}
    caller = await world.plays("POST /v1/responses", ask, Reply(200, told(RESPONSE)))
    assert caller.status == 200
    assert json.loads(world.network.sent[0][1]) == ask
    closing = world.book.closings[0]
    assert (closing.tokens, closing.cost_nano, closing.price_partial) == (RESPONSE_TOKENS, None, True)


async def test_a_name_that_is_no_name_is_refused_before_it_is_kept() -> None:
    world = World()
    caller = await world.plays("POST /v1/chat/completions", {"model": "m" * 257, "messages": []})
    error = json.loads(caller.received)["error"]
    assert (caller.status, error["code"], error["param"]) == (400, "bad_request", "model")
    assert world.book.openings[0].model == ""


async def test_an_unknown_price_is_unknown_and_not_zero() -> None:
    world = World()
    mode = MODES["openai chat"]
    await world.plays(mode.line, {**mode.ask, "model": "nobody-knows-it"}, Reply(200, *mode.answer))
    assert (world.book.closings[0].cost_nano, world.book.closings[0].price_partial) == (None, True)
