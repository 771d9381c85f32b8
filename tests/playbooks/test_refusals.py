"""Golden pairs of refusals: what each wire's caller is told, byte for byte, for every reason it can meet.

`tests/golden/refusals/<wire>/<reason>.json` holds what was asked and all that the caller got, rendered by the real gateway with ids that
count. After a change that is meant, write them anew and read the difference: DURWARD_GOLDEN=write pytest tests/playbooks/test_refusals.py
"""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from durward.calls.errors import UpstreamError
from durward.config.settings import Credential, Model, ModelTarget, Provider, Rule, Selector
from tests.playbooks.world import EVENTS, JSON, OTHER_KEY, Caller, Reply, World, settings

GOLDEN = Path(__file__).parent.parent / "golden" / "refusals"
WRITE = os.environ.get("DURWARD_GOLDEN") == "write"
TURN = [{"role": "user", "parts": [{"text": "hello"}]}]
SAID = [{"role": "user", "content": "hello"}]


class Wire(NamedTuple):
    """How one wire is asked: plainly, with a stream, and what a stream's first and last pieces are."""

    line: str
    ask: Any
    stream_line: str
    stream: Any
    first: bytes
    last: bytes
    media: bytes = EVENTS


def event(value: dict[str, Any]) -> bytes:
    name = b"event: %b\n" % value["type"].encode() if "type" in value else b""
    return name + b"data: " + json.dumps(value).encode() + b"\n\n"


CANDIDATE = {"candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "index": 0}]}
FINISHED = {"candidates": [{"finishReason": "STOP", "index": 0}]}
CHAT = {"model": "gpt-4o", "messages": SAID}
RESPONSE = {"model": "gpt-4o", "input": "hello"}
CLAUDE = {"model": "claude-sonnet-4-5", "max_tokens": 8, "messages": SAID}
FLASH = "POST /v1beta/models/gemini-2.5-flash"
WIRES = {
    "openai_chat": Wire(
        *("POST /v1/chat/completions", CHAT, "POST /v1/chat/completions", {**CHAT, "stream": True}),
        event({"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}),
        b"data: [DONE]\n\n",
    ),
    "openai_responses": Wire(
        *("POST /v1/responses", RESPONSE, "POST /v1/responses", {**RESPONSE, "stream": True}),
        event({"type": "response.output_text.delta", "delta": "Hi"}),
        event(
            {"type": "response.completed", "response": {"id": "resp_1234567", "status": "completed", "model": "gpt-4o"}}
        ),
    ),
    "openai_embeddings": Wire(
        *("POST /v1/embeddings", {"model": "text-embedding-3-small", "input": "hello"}, "", None, b"", b""),
    ),
    "anthropic": Wire(
        *("POST /v1/messages", CLAUDE, "POST /v1/messages", {**CLAUDE, "stream": True}),
        event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
        event({"type": "message_stop"}),
    ),
    "gemini": Wire(
        *(f"{FLASH}:generateContent", {"contents": TURN}, f"{FLASH}:streamGenerateContent?alt=sse", {"contents": TURN}),
        *(event(CANDIDATE), event(FINISHED)),
    ),
    "gemini_array": Wire(
        *("", None, f"{FLASH}:streamGenerateContent", {"contents": TURN}),
        b"[" + json.dumps(CANDIDATE).encode(),
        b",\r\n" + json.dumps(FINISHED).encode() + b"]",
        JSON,
    ),
    "http": Wire("POST /api/crm/orders", {"order": 1}, "", None, b"", b""),
}
PLAIN = {name: wire for name, wire in WIRES.items() if wire.line}
STREAMED = {name: wire for name, wire in WIRES.items() if wire.stream_line}
PROVIDERS = settings().providers
LOCKED = tuple(
    Provider(
        each.name, each.protocol, each.base_url, Credential(header="Authorization", template="Bearer ${env:MISSING}")
    )
    for each in PROVIDERS
)
OTHERS = {"openai": "anthropic", "anthropic": "gemini", "gemini": "openai"}


def family(name: str) -> str:
    return name.partition("_")[0]


class Case(NamedTuple):
    """One refusal: the world in which it happens, and what differs from the plain call."""

    world: Callable[[str], World]
    body: Callable[[Any], object] = lambda ask: ask
    replies: tuple[UpstreamError, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    key: str | None = ""
    of_model_calls: bool = True
    """Only what reads a body, or names a model, can meet it."""


def made(**changes: Any) -> Callable[[str], World]:
    return lambda _: World(settings(**changes))


def misrouted(name: str) -> World:
    """Every model speaks another wire."""
    targets = (ModelTarget(OTHERS[family(name)], "other"),)
    return World(settings(models=(Model("*", targets),)))


def without_credentials(name: str) -> World:
    if name == "http":
        return World(environment={"OTHER": "x"})
    return World(settings(providers=LOCKED))


def full(_: str) -> World:
    world = World()
    world.book.full = True
    return world


def ejected(_: str) -> World:
    """Every upstream has failed again and again, and those who had nowhere else to go have tried for this second."""
    world = World()
    snapshot = world.gateway._snapshot
    for way in (*snapshot.providers.values(), *snapshot.apis.values()):
        for _number in range(5):
            way.standing.note("", "failed", world.clock.now)
        while way.standing.admit(world.clock.now):
            pass
    return world


def members(**more: Any) -> Callable[[Any], object]:
    return lambda ask: {**ask, **more}


def naming_an_object(ask: dict[str, Any]) -> object:
    """The same call, naming a file that nobody has made through the gate."""
    if "input" in ask:
        part = {"type": "input_file", "file_id": "file-stranger1"}
        return {**ask, "input": [{"role": "user", "content": [part]}]}
    if "contents" in ask:
        return {**ask, "cachedContent": "cachedContents/stranger1"}
    if "max_tokens" in ask:
        return {**ask, "container": "container_stranger1"}
    return {**ask, "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-stranger1"}}]}]}


def unreached(reason: str, message: str) -> tuple[UpstreamError, ...]:
    return (UpstreamError(message, reason=reason),)


NO_RULE: dict[str, Any] = {"policies": ()}
SPELLED = (Rule("only what is written", "deny", Selector(resources=("model/*", "api/*"))),)
KNOWN: dict[str, Any] = {
    "models": tuple(
        Model(name, (ModelTarget(provider),))
        for provider, names in {
            "openai": ("gpt-4o-mini", "text-embedding-3-large"),
            "anthropic": ("claude-sonnet-4",),
            "gemini": ("gemini-2.5-pro",),
        }.items()
        for name in names
    )
}
CASES = {
    "key_missing": Case(made(), key=None, of_model_calls=False),
    "key_unknown": Case(made(), key="dw_" + "x" * 43, of_model_calls=False),
    "conflicting_keys": Case(made(), fields=(("x_api_key", OTHER_KEY),), of_model_calls=False),
    "denied": Case(made(policies=SPELLED), of_model_calls=False),
    "denied_by_default": Case(made(**NO_RULE), of_model_calls=False),
    "model_unknown": Case(made(**KNOWN)),
    "wrong_wire": Case(misrouted),
    "malformed_json": Case(made(), body=lambda ask: json.dumps(ask).encode()[:-1] + b' "'),
    "wrong_media": Case(made(), fields=(("Content_Type", "text/plain"),)),
    "wrong_encoding": Case(made(), fields=(("Content_Encoding", "br"),)),
    "too_large": Case(made(), body=lambda ask: b" " * (32 * 2**20 + 1), of_model_calls=False),
    "no_object": Case(made(), body=lambda ask: json.dumps([ask]).encode()),
    "bad_request": Case(made(), body=members(model=7)),
    "ambiguous_member": Case(made(), body=members(Model="x")),
    "object_unknown": Case(made(), body=naming_an_object),
    "credential_missing": Case(without_credentials, of_model_calls=False),
    "journal_unavailable": Case(full, of_model_calls=False),
    "upstream_ejected": Case(ejected, of_model_calls=False),
    "upstream_unreachable": Case(
        made(), replies=unreached("upstream_unreachable", "The upstream refused the connection."), of_model_calls=False
    ),
    "upstream_silent": Case(
        made(), replies=unreached("upstream_silent", "No answer came in 300 s."), of_model_calls=False
    ),
    "upstream_malformed": Case(
        made(),
        replies=unreached("upstream_malformed", "The upstream's answer is not valid HTTP/1.1."),
        of_model_calls=False,
    ),
}
ENDS = {
    "stream_cut": UpstreamError("The upstream closed the connection.", reason="upstream_cut"),
    "stream_silent": UpstreamError("The upstream was silent for 120 s.", reason="upstream_silent"),
    "stream_malformed": UpstreamError("The upstream broke its chunks.", reason="upstream_malformed"),
    "stream_journal_failure": None,
    "stream_ended_too_early": b"",
}


def check(wire: str, reason: str, told: dict[str, Any]) -> None:
    """Compare with the golden file, or write it."""
    path = GOLDEN / wire / f"{reason}.json"
    text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    if WRITE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.exists(), f"{path} is missing: see the docstring of this file"
    assert json.loads(text) == json.loads(path.read_text("utf-8"))


def answer(line: str, body: object, caller: Caller) -> dict[str, Any]:
    """What was asked, and what came of it."""
    if isinstance(body, bytes):
        body = body.decode() if len(body) < 1_000 else f"{len(body)} bytes"
    told: dict[str, Any] = {
        "asked": line,
        "body": body,
        "status": caller.status,
        "lines": caller.lines.decode().splitlines(),
    }
    try:
        told["answer"] = json.loads(caller.received)
    except ValueError:
        told["answer"] = caller.received.decode().splitlines(keepends=True)
    return told | {"cut": caller.aborted}


def refusals() -> Iterator[tuple[str, str]]:
    for wire in PLAIN:
        for reason, case in CASES.items():
            # An API's body is not read, and an embedding names no object.
            if (wire == "http" and case.of_model_calls) or (wire == "openai_embeddings" and reason == "object_unknown"):
                continue
            yield wire, reason


@pytest.mark.parametrize("wire,reason", list(refusals()))
async def test_a_refusal_is_told_in_the_callers_wire(wire: str, reason: str) -> None:
    case = CASES[reason]
    world = case.world(wire)
    line, body = PLAIN[wire].line, case.body(PLAIN[wire].ask)
    fields: dict[str, Any] = dict(case.fields)
    if case.key != "":
        fields["key"] = case.key
    caller = await world.plays(line, body, *case.replies, **fields)
    assert len(world.network.sent) == len(case.replies)
    assert caller.complete
    assert b"dw_" not in caller.received + caller.lines
    check(wire, reason, answer(line, body, caller))


@pytest.mark.parametrize("ending", list(ENDS))
@pytest.mark.parametrize("wire", list(STREAMED))
async def test_an_error_inside_a_stream_is_told_in_the_callers_wire(wire: str, ending: str) -> None:
    spoken = STREAMED[wire]
    world = World()
    waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    world.network.replies = [Reply(200, spoken.first, waiting, media=spoken.media, length=False)]
    caller = world.caller(spoken.stream_line, spoken.stream)
    call = asyncio.create_task(world.gateway.handle(caller))
    await caller.shown.wait()
    end = ENDS[ending]
    if end is None:
        world.book.full = True
        waiting.set_result(spoken.last)
    elif isinstance(end, bytes):
        waiting.set_result(end)
    else:
        waiting.set_exception(end)
    await call
    assert caller.aborted
    assert not caller.complete
    assert spoken.last not in caller.received
    check(wire, ending, answer(spoken.stream_line, spoken.stream, caller))


def test_no_golden_file_is_left_over() -> None:
    wanted = {f"{wire}/{reason}.json" for wire, reason in refusals()}
    wanted |= {f"{wire}/{ending}.json" for wire in STREAMED for ending in ENDS}
    assert {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.json")} == wanted
