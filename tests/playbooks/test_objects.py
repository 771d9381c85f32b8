"""Stored objects: whoever made one through the gate has it, and to everybody else it does not exist."""

import gzip
import json
from collections.abc import Iterable
from typing import Any

import pytest

from durward.config.settings import Agent, Model, ModelTarget, Provider, Rule, Selector
from durward.storage.state import Owner
from tests.playbooks.world import EVENTS, KEY, OTHER_KEY, Reply, Shelf, World, digest, settings

FILE = {"id": "file-abc123", "object": "file", "filename": "a.jsonl"}
CAROLS = Owner("acme", "carol")


def told(value: Any) -> bytes:
    return json.dumps(value).encode()


async def refused(world: World, line: str, body: object = b"", key: str = KEY, **fields: str) -> dict[str, Any]:
    """What the gate says to a call that reaches no upstream."""
    before = len(world.network.sent)
    caller = await world.plays(line, body, key=key, **fields)
    assert len(world.network.sent) == before
    assert caller.status == 404, caller.received
    answer: dict[str, Any] = json.loads(caller.received)
    return answer


class NotingShelf(Shelf):
    """Owners that tell when they are written."""

    events: list[str]

    async def own(self, provider: str, objects: Iterable[tuple[str, str]], owner: Owner, now: float) -> None:
        self.events.append("== own")
        await super().own(provider, objects, owner, now)


async def test_what_an_agent_creates_is_its_own() -> None:
    world = World()
    caller = await world.plays(
        "POST /v1/files", b"--x", Reply(200, told(FILE)), Content_Type="multipart/form-data; boundary=x"
    )
    assert caller.received == told(FILE)
    assert world.book.openings[0].resource == "provider/openai/POST/files"
    for line in ("GET /v1/files/file-abc123", "GET /v1/files/file-abc123/content", "DELETE /v1/files/file-abc123"):
        assert (await world.plays(line, b"", Reply(200, b"{}"))).status == 200, line
        error = (await refused(world, line, key=OTHER_KEY))["error"]
        assert (error["code"], "file-abc123" in error["message"]) == ("object_unknown", True)
    # The same in every spelling of the address.
    for line in ("GET /openai/v1/files/file-abc123", "GET /p/openai/files/file-abc123", "GET /v1/files/file%2Dabc123"):
        assert (await world.plays(line, b"", Reply(200, b"{}"))).status == 200, line
        await refused(world, line, key=OTHER_KEY)


async def test_the_owner_is_written_before_the_answer_is_shown() -> None:
    shelf = NotingShelf()
    world = World(shelf=shelf)
    shelf.events = world.events
    await world.plays("POST /v1/batches", {"endpoint": "/v1/responses"}, Reply(200, told({"id": "batch_1234567"})))
    assert world.events[-3:] == ["== own", "== settle ok 200", "<< 200"]


async def test_an_answer_that_says_nothing_of_objects_owns_nothing() -> None:
    world = World()
    await world.plays("POST /v1/files", b"x", Reply(500, told(FILE)), Content_Type="text/plain")
    await world.plays("POST /v1/files", b"x", Reply(200, b"not json", media=b"text/plain"), Content_Type="text/plain")
    assert world.shelf.owners == {}


async def test_the_upstream_is_asked_for_bytes_that_can_be_read() -> None:
    """SDKs accept gzip; an object in a compressed answer would belong to nobody."""
    world = World()
    await world.plays(
        "POST /v1/files", b"x", Reply(200, told(FILE)), Content_Type="text/plain", Accept_Encoding="gzip, br"
    )
    head = world.network.sent[0][0].lower()
    assert b"accept-encoding: identity\r\n" in head
    assert b"gzip" not in head
    assert world.shelf.owners == {("openai", "file", "file-abc123"): CAROLS}


@pytest.mark.parametrize(
    "line",
    [
        "GET /v1/files",
        "GET /v1/files/",
        "GET /v1/batches?limit=5",
        "GET /v1/chat/completions",
        "GET /p/openai/vector_stores",
        "GET /anthropic/v1/files",
        "GET /v1beta/cachedContents",
        "HEAD /v1/files",
    ],
)
async def test_lists_would_join_the_objects_of_all_agents(line: str) -> None:
    world = World()
    caller = await world.plays(line)
    assert (caller.status, world.network.sent) == (403, [])
    assert (world.book.closings[0].outcome, world.book.closings[0].reason) == ("refused", "denied")
    if not line.startswith("HEAD"):
        assert b"shared: true" in caller.received


async def test_a_shared_provider_has_no_owners() -> None:
    shared = Provider("openai", "openai", "https://api.openai.com/v1", shared=True)
    world = World(settings(providers=(shared,)))
    assert (await world.plays("GET /v1/files", b"", Reply(200, b"{}"))).status == 200
    assert (await world.plays("GET /v1/files/file-abc123", b"", Reply(200, b"{}"), key=OTHER_KEY)).status == 200
    await world.plays("POST /v1/files", b"x", Reply(200, told(FILE)), Content_Type="text/plain")
    assert world.shelf.owners == {}


BODIES: list[tuple[str, dict[str, Any]]] = [
    ("POST /v1/responses", {"model": "gpt-4o", "input": "x", "previous_response_id": "resp_secret1"}),
    ("POST /v1/responses", {"model": "gpt-4o", "input": "x", "conversation": "conv_secret1"}),
    ("POST /v1/responses", {"model": "gpt-4o", "input": "x", "conversation": {"id": "conv_secret1"}}),
    (
        "POST /v1/responses",
        {
            "model": "gpt-4o",
            "input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-secret1"}]}],
        },
    ),
    (
        "POST /v1/responses",
        {"model": "gpt-4o", "input": "x", "tools": [{"type": "file_search", "vector_store_ids": ["vs_secret1"]}]},
    ),
    (
        "POST /v1/chat/completions",
        {
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-secret1"}}]}],
        },
    ),
    (
        "POST /v1/messages",
        {
            "model": "claude-sonnet-4-5",
            "max_tokens": 1,
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "document", "source": {"type": "file", "file_id": "file_secret1"}}],
                }
            ],
        },
    ),
    (
        "POST /v1/messages",
        {"model": "claude-sonnet-4-5", "max_tokens": 1, "messages": [], "container": "container_secret1"},
    ),
    (
        "POST /v1beta/models/gemini-2.5-flash:generateContent",
        {"contents": [], "cachedContent": "cachedContents/secret1"},
    ),
    (
        "POST /v1beta/models/gemini-2.5-flash:generateContent",
        {
            "contents": [
                {"parts": [{"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/secret1"}}]}
            ]
        },
    ),
    ("POST /v1/batches", {"input_file_id": "file-secret1", "endpoint": "/v1/responses"}),
    ("POST /v1/vector_stores", {"file_ids": ["file-secret1"]}),
]


SECRETS = [
    ("response", "resp_secret1"),
    ("conversation", "conv_secret1"),
    ("file", "file-secret1"),
    ("file", "file_secret1"),
    ("file", "secret1"),
    ("vector_store", "vs_secret1"),
    ("container", "container_secret1"),
    ("cached_content", "secret1"),
]


@pytest.mark.parametrize("line,body", BODIES, ids=lambda value: value if isinstance(value, str) else next(iter(value)))
async def test_ids_in_a_body_are_checked_as_those_in_an_address(line: str, body: dict[str, Any]) -> None:
    world = World()
    caller = await world.plays(line, body)
    assert (caller.status, world.network.sent) == (404, [])
    assert world.book.closings[0].reason == "object_unknown"
    for provider in ("openai", "anthropic", "gemini"):
        for kind, name in SECRETS:
            world.shelf.owners[(provider, kind, name)] = CAROLS
    assert (await world.plays(line, body, Reply(200, b"{}"))).status == 200
    assert (await world.plays(line, body, key=OTHER_KEY)).status == 404


async def test_of_a_repeated_member_both_ids_are_checked() -> None:
    world = World()
    world.shelf.owners[("openai", "file", "file-mine123")] = CAROLS
    twice = b'{"input_file_id": "file-secret1", "endpoint": "/v1/responses", "input_file_id": "file-mine123"}'
    assert (await refused(world, "POST /v1/batches", twice))["error"]["code"] == "object_unknown"


async def test_of_a_repeated_member_of_a_model_call_the_one_that_is_read_is_the_one_that_is_sent() -> None:
    world = World()
    world.shelf.owners[("openai", "response", "resp_mine123")] = CAROLS
    twice = b'{"model": "gpt-4o", "input": "x", "previous_response_id": "resp_secret1", "previous_response_id": "resp_mine123"}'
    caller = await world.plays("POST /v1/responses", twice, Reply(200, b"{}"))
    assert caller.status == 200
    assert b"resp_secret1" not in world.network.sent[0][1]


@pytest.mark.parametrize("media", [None, "application/json; charset=utf-8", "application/vnd.api+json"])
async def test_no_declared_type_hides_an_id(media: str | None) -> None:
    world = World()
    body = {"input_file_id": "file-secret1"}
    await refused(world, "POST /v1/batches", body, **({"Content_Type": media} if media else {"Content_Type": ""}))


async def test_a_compressed_body_hides_no_id_either_and_goes_on_as_it_was_read() -> None:
    world = World()
    body = told({"input_file_id": "file-secret1"})
    await refused(world, "POST /v1/batches", gzip.compress(body), Content_Encoding="gzip")
    world.shelf.owners[("openai", "file", "file-secret1")] = CAROLS
    await world.plays("POST /v1/batches", gzip.compress(body), Reply(200, b"{}"), Content_Encoding="gzip")
    head, sent = world.network.sent[0]
    assert sent == body
    assert b"content-encoding" not in head.lower()


async def test_what_a_provider_makes_of_an_object_belongs_to_its_owner() -> None:
    world = World()
    world.shelf.owners[("openai", "batch", "batch_1234567")] = CAROLS
    done = told({"id": "batch_1234567", "output_file_id": "file-out1234", "error_file_id": None})
    await world.plays("GET /v1/batches/batch_1234567", b"", Reply(200, done))
    assert world.shelf.owners[("openai", "file", "file-out1234")] == CAROLS


CREATED = (
    b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_new1234","model":"gpt-4o"}}\n\n'
)
COMPLETED = (
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_new1234","model":"gpt-4o",'
    b'"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}}\n\n'
)


async def test_a_stream_shows_an_id_no_sooner_than_its_owner_is_known() -> None:
    shelf = NotingShelf()
    world = World(shelf=shelf)
    shelf.events = world.events
    ask = {"model": "gpt-4o", "input": "x", "stream": True}
    await world.plays("POST /v1/responses", ask, Reply(200, CREATED, COMPLETED, media=EVENTS, length=False))
    assert world.events[4:] == [
        "<< 200 …",
        "== own",
        f"<< {len(CREATED)} bytes",
        "== settle ok 200",
        f"<< {len(COMPLETED)} bytes",
        "<< end",
    ]
    follow_up = {**ASKED, "previous_response_id": "resp_new1234"}
    assert (await world.plays("POST /v1/responses", follow_up, Reply(200, b"{}"))).status == 200


ASKED = {"model": "gpt-4o", "input": "x"}


async def test_a_plain_response_belongs_to_its_caller_and_one_that_is_not_stored_to_nobody() -> None:
    world = World()
    answer = told({"id": "resp_plain12", "object": "response", "status": "completed", "model": "gpt-4o", "output": []})
    await world.plays("POST /v1/responses", ASKED, Reply(200, answer))
    assert world.shelf.owners == {("openai", "response", "resp_plain12"): CAROLS}


async def test_the_same_id_at_another_provider_is_another_object() -> None:
    two = (
        Provider("openai", "openai", "https://api.openai.com/v1"),
        Provider("spare", "openai", "https://spare.example.com/v1"),
    )
    quick = Model("quick", (ModelTarget("openai", "gpt-4o"), ModelTarget("spare", "gpt-4o")))
    world = World(settings(providers=two, models=(quick,)))
    world.shelf.owners[("spare", "response", "resp_mine123")] = CAROLS
    ask = {"model": "quick", "input": "x", "previous_response_id": "resp_mine123"}
    caller = await world.plays("POST /v1/responses", ask, Reply(200, b"{}"))
    assert caller.status == 200
    # Only where it is carol's: the first target of the model is left out.
    assert [event for event in world.events if "to " in event] == ["<< POST /v1/responses to spare.example.com"]


async def test_an_agent_of_the_same_name_in_another_tenant_is_a_stranger() -> None:
    agents = (Agent("carol", "acme", keys=(digest(KEY),)), Agent("carol", "other", keys=(digest(OTHER_KEY),)))
    world = World(settings(agents=agents))
    world.shelf.owners[("openai", "file", "file-abc123")] = Owner("acme", "carol")
    assert (await world.plays("GET /v1/files/file-abc123", b"", Reply(200, b"{}"))).status == 200
    await refused(world, "GET /v1/files/file-abc123", key=OTHER_KEY)


async def test_provider_routes_need_a_rule_of_their_own() -> None:
    world = World(settings(policies=(Rule("models", "allow", Selector(resources=("model/*",))),)))
    caller = await world.plays("POST /v1/files", b"x", Content_Type="text/plain")
    assert caller.status == 403
    assert "provider/openai/POST/files" in json.loads(caller.received)["error"]["message"]


async def test_routes_without_a_model_go_to_the_default_provider_of_their_wire() -> None:
    providers = (
        Provider("first", "openai", "https://first.example.com/v1"),
        Provider("second", "openai", "https://second.example.com/v1", default=True),
        Provider("anthropic", "anthropic", "https://api.anthropic.com"),
    )
    world = World(settings(providers=providers))
    await world.plays("POST /v1/images/generations", {"prompt": "x"}, Reply(200, b"{}"))
    await world.plays("POST /anthropic/v1/complete", {"prompt": "x"}, Reply(200, b"{}"))
    await world.plays("POST /p/first/images/generations", {"prompt": "x"}, Reply(200, b"{}"))
    assert [event for event in world.events if " to " in event] == [
        "<< POST /v1/images/generations to second.example.com",
        "<< POST /v1/complete to api.anthropic.com",
        "<< POST /v1/images/generations to first.example.com",
    ]
    caller = await world.plays("POST /gemini/v1beta/files", b"x", Content_Type="text/plain")
    assert caller.status == 404
    assert json.loads(caller.received)["error"]["details"][0]["reason"] == "not_found"


async def test_an_unknown_provider_in_the_address() -> None:
    world = World()
    for line in ("GET /p/nobody/v1/files/file-abc123", "GET /p/nobody/v1/models"):
        caller = await world.plays(line)
        assert (caller.status, world.book.closings[-1].reason) == (404, "not_found")
