"""Recorded provider traffic through a real gate: every byte of an answer as the upstream wrote it, usage as the provider told it."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import Any, NamedTuple

import pytest
from msgspec.structs import asdict

from durward.calls.tokens import Tokens
from durward.protocols.objects import named_objects
from durward.storage.state import Owner, open_offline
from tests.clients.gate import Gate, Record, cost_of, counts, gate, tokens
from tests.clients.replaying import CASE, TURN, VENDOR, Case, Replay, cases
from tests.clients.upstream import Upstream, serving
from tests.conftest import recorded_traffic
from tests.protocols.reported import (
    anthropic_tokens,
    chat_tokens,
    chunks_of,
    gemini_tokens,
    responses_tokens,
    without_usage,
)
from tests.server.running import KEY

TURNS = 4


class Way(NamedTuple):
    """How the cases of a provider are asked for: the recorded path begins with `strips`, the gate's with `door`."""

    door: str = ""
    strips: str = ""


WAYS = {
    "openai": Way(),
    "anthropic": Way(),
    "gemini": Way(),
    "groq": Way("/p/groq", "/openai"),
    "mistral": Way("/p/mistral"),
    "deepseek": Way("/p/deepseek"),
    "openrouter": Way("/p/openrouter", "/api"),
    "cohere": Way("/p/cohere"),
    "bedrock": Way("/api/bedrock"),
}
FILES = {
    "openai": ["openai-chat", "openai-chat-sse", "openai-responses", "openai-responses-sse", "openai-embeddings"],
    "anthropic": ["anthropic-messages", "anthropic-messages-sse", "anthropic-count-tokens"],
    "gemini": ["gemini-generate", "gemini-stream-sse", "gemini-count", "gemini-embed"],
    "groq": ["compatible-groq", "compatible-groq-sse"],
    "mistral": ["compatible-mistral"],
    "deepseek": ["compatible-deepseek", "compatible-deepseek-sse"],
    "openrouter": ["compatible-openrouter", "compatible-openrouter-sse"],
    "cohere": ["compatible-cohere"],
    "bedrock": ["bedrock", "bedrock-sse"],
}
MODEL_FILES = [
    (provider, name) for provider, names in FILES.items() if provider not in ("cohere", "bedrock") for name in names
]
OPAQUE_FILES = [(provider, name) for provider in ("cohere", "bedrock") for name in FILES[provider]]


class World(NamedTuple):
    """The gate, the upstream that plays back, and all it can play."""

    gate: Gate
    upstream: Upstream
    cases: dict[str, list[Case]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("replay")
    recorded = {name: cases(recorded_traffic(), name) for names in FILES.values() for name in names}
    replay = Replay()
    for known in recorded.values():
        replay.know(known)
    with serving(replay.answer) as upstream:
        give_objects(folder, recorded)
        with gate(folder, configuration(upstream.url)) as running:
            yield World(running, upstream, recorded)


def configuration(url: str) -> dict[str, Any]:
    bases = {"openai": "/v1", "groq": "/openai/v1", "mistral": "/v1", "openrouter": "/api/v1"}
    providers = {
        name: {
            "protocol": name if name in ("anthropic", "gemini") else "openai",
            "base_url": url + bases.get(name, ""),
            "default": name in ("openai", "anthropic", "gemini"),
        }
        for name in WAYS
        if name != "bedrock"
    }
    providers["as_is"] = {"protocol": "openai", "base_url": f"{url}/v1", "stream_usage": "as_is"}
    return {"providers": providers, "apis": {"bedrock": {"base_url": url}}}


def give_objects(folder: Path, recorded: dict[str, list[Case]]) -> None:
    """Files and containers that recorded requests name were made by the same agent, before this gate began."""
    (folder / ".durward").mkdir()
    with open_offline(folder / ".durward" / "state.db") as state:
        for provider, names in FILES.items():
            for case in (case for name in names for case in recorded[name]):
                named = named_objects(json.dumps(case.request).encode())
                state.own(provider, named, Owner("acme", "support"), time())


class Answer(NamedTuple):
    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def call(self) -> str:
        return dict(self.fields)["Durward-Call"]


class Caller:
    """One connection of a caller to the gate, kept open."""

    def __init__(self, gate: Gate) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=30)

    def ask(self, path: str, case: Case, turn: int, body: bytes) -> Answer:
        fields = {"Durward-Key": KEY, "Content-Type": "application/json", CASE: case.name, TURN: str(turn)}
        self._connection.request("POST", path, body, fields)
        answer = self._connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def caller(world: World) -> Iterator[Caller]:
    caller = Caller(world.gate)
    yield caller
    caller.close()


def address(provider: str, path: str) -> str:
    way = WAYS[provider]
    return way.door + path.removeprefix(way.strips)


def assert_passed(world: World, case: Case, answer: Answer, expected: bytes) -> None:
    """Status, headers and bytes are the upstream's; the request went up where it was recorded."""
    assert answer.status == case.status, case.name
    assert answer.body == expected, case.name
    fields = [(name.lower(), value) for name, value in answer.fields]
    for name, value in [*case.fields, *VENDOR, ("x-request-id", f"req-{case.name}")]:
        assert fields.count((name.lower(), value)) == 1, (case.name, name)
    asked = world.upstream.asked[-1]
    assert (asked.method, asked.target) == ("POST", case.path)
    assert KEY not in str(asked)


def reported(case: Case) -> tuple[dict[str, Any], Tokens] | None:
    """The usage that an answer reports and the tokens in it, None where it reports none."""
    path = case.path.partition("?")[0]
    answers = chunks_of(case.text) if case.streamed else [case.body or {}]
    readings: dict[str, tuple[str, Callable[[dict[str, Any]], Tokens]]] = {
        "/chat/completions": ("usage", chat_tokens),
        "/responses": ("usage", responses_tokens),
        "/embeddings": ("usage", lambda usage: Tokens(usage["prompt_tokens"])),
        "/messages": ("usage", anthropic_tokens),
    }
    member, read = next(
        (each for end, each in readings.items() if path.endswith(end)), ("usageMetadata", gemini_tokens)
    )
    usage: dict[str, Any] = {}
    for each in answers:
        # Anthropic tells the input first, in the message, and all of it again at the end; Responses as part of the response.
        inner = each.get("response") or each.get("message") or each
        told = (inner if isinstance(inner, dict) else {}).get(member) or each.get(member)
        told = told or (each.get("x_groq") or {}).get("usage")
        usage = usage | told if told and path.endswith("/messages") else told or usage
    return (usage, read(usage)) if usage else None


def assert_recorded(record: Record, case: Case, provider: str) -> bool:
    """The record tells how the call ended and what the provider counted; whether it counted anything."""
    broken = case.streamed and '"error"' in case.text and reported(case) is None
    outcome = "failed" if broken or case.status >= 400 else "ok"
    assert (record["outcome"], record["status"], record["provider"]) == (outcome, case.status, provider), case.name
    assert record["request_id"] == f"req-{case.name}"
    told = reported(case) if case.status == 200 else None
    if outcome == "failed" or told is None:
        return False
    usage, counted = told
    assert tokens(record) == counts(**asdict(counted)), case.name
    assert not record.get("estimated", False), case.name
    if not case.streamed:
        assert record["usage"] == usage, case.name
    # What a price in the file does not name, as a search, leaves the cost unknown; it is never left out of a sum.
    if "cost_nano" in record:
        assert record["cost_nano"] == cost_of(counts(**asdict(counted))), case.name
    else:
        assert record["price_partial"], case.name
    return True


@pytest.mark.parametrize("provider, name", MODEL_FILES, ids=[name for _, name in MODEL_FILES])
def test_a_model_call_passes_unchanged_and_is_counted_as_the_provider_counts(
    cassettes: Path | None, world: World, caller: Caller, provider: str, name: str
) -> None:
    made: dict[str, Case] = {}
    for case in world.cases[name]:
        for turn in range(TURNS):
            answer = caller.ask(address(provider, case.path), case, turn, case.sent())
            asks = (case.request.get("stream_options") or {}).get("include_usage")
            hides = case.streamed and case.path.endswith("/chat/completions") and not asks
            assert_passed(world, case, answer, without_usage(case.answer()) if hides else case.answer())
            made[answer.call()] = case
    records = world.gate.records()
    counted = [assert_recorded(records[call], case, provider) for call, case in made.items()]
    assert any(counted) is ("count" not in name)


@pytest.mark.parametrize("asks", [True, False], ids=["caller asks", "caller does not"])
@pytest.mark.parametrize(
    "provider, name",
    [("openai", "openai-chat-sse"), ("groq", "compatible-groq-sse"), ("openrouter", "compatible-openrouter-sse")],
)
def test_a_chat_stream_shows_usage_to_who_asked_and_records_it_for_all(
    cassettes: Path | None, world: World, caller: Caller, provider: str, name: str, asks: bool
) -> None:
    made: dict[str, Case] = {}
    hidden = 0
    for case in world.cases[name]:
        request = {key: value for key, value in case.request.items() if key != "stream_options"}
        request |= {"stream_options": {"include_usage": True}} if asks else {}
        expected = case.answer() if asks else without_usage(case.answer())
        hidden += expected != case.answer()
        for turn in range(TURNS):
            answer = caller.ask(address(provider, case.path), case, turn, json.dumps(request).encode())
            assert_passed(world, case, answer, expected)
            assert json.loads(world.upstream.asked[-1].body)["stream_options"] == {"include_usage": True}
            made[answer.call()] = case
    # The others write it into a chunk with choices, which every caller gets.
    assert bool(hidden) is (provider == "openai" and not asks)
    records = world.gate.records()
    counted = [assert_recorded(records[call], case, provider) for call, case in made.items()]
    assert any(counted)


def test_as_is_adds_nothing_to_a_chat_stream(cassettes: Path | None, world: World, caller: Caller) -> None:
    for case in world.cases["openai-chat-sse"]:
        request = {key: value for key, value in case.request.items() if key != "stream_options"}
        answer = caller.ask("/p/as_is/v1/chat/completions", case, 1, json.dumps(request).encode())
        assert_passed(world, case, answer, case.answer())
        assert json.loads(world.upstream.asked[-1].body) == request


def assert_never_sent(world: World, answer: Answer, case: Case) -> None:
    """A path with an encoded slash could be read in two ways: what policy saw might not be what the upstream sees."""
    assert (answer.status, json.loads(answer.body)["reason"]) == (400, "bad_path")
    assert case.path not in {asked.target for asked in world.upstream.asked}


@pytest.mark.parametrize("provider, name", OPAQUE_FILES, ids=[name for _, name in OPAQUE_FILES])
def test_other_traffic_passes_unread(
    cassettes: Path | None, world: World, caller: Caller, provider: str, name: str
) -> None:
    made: dict[str, Case] = {}
    for case in world.cases[name]:
        for turn in range(TURNS):
            answer = caller.ask(address(provider, case.path), case, turn, case.sent())
            if "%2F" in case.path:
                assert_never_sent(world, answer, case)
                continue
            assert_passed(world, case, answer, case.answer())
            assert world.upstream.asked[-1].body == case.sent()
            made[answer.call()] = case
    records = world.gate.records()
    for call, case in made.items():
        record = records[call]
        assert record["resource"].split("/")[:3] == [
            {"cohere": "provider", "bedrock": "api"}[provider],
            provider,
            "POST",
        ]
        assert (record["outcome"], record["status"]) == ("ok" if case.status < 400 else "failed", case.status)
        assert (record.get("tokens"), record["bytes_out"]) == (None, len(case.answer()))
