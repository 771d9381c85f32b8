"""Asana's MCP server (June 2025): about a thousand customers could see what belonged to others, by a second path that forgot the tenant.

Here: what one tenant's agent has created is found by no other on any route that takes an id, in a path or in a body; records and spend
name the tenant of the key and none that the caller claims.
"""

from typing import Any

import pytest

from durward.config.settings import Agent
from tests.playbooks.world import KEY, OTHER_KEY, Reply, World, digest, settings

AGENTS = (Agent("same", "one", "t", "a", (digest(KEY),)), Agent("same", "two", "t", "a", (digest(OTHER_KEY),)))
CREATED: list[tuple[str, Any, bytes]] = [
    ("POST /v1/responses", {"model": "gpt-4o", "input": "x"}, b'{"id":"resp_tenantone1","object":"response"}'),
    ("POST /p/openai/files", {"purpose": "x"}, b'{"id":"file-tenantone1","object":"file"}'),
    ("POST /p/openai/batches", {"x": 1}, b'{"id":"batch_tenantone1","object":"batch"}'),
    ("POST /p/openai/vector_stores", {"x": 1}, b'{"id":"vs_tenantone1","object":"vector_store"}'),
    ("POST /p/openai/conversations", {"x": 1}, b'{"id":"conv_tenantone1","object":"conversation"}'),
]
BY_PATH = [
    *(
        "GET /v1/responses/resp_tenantone1",
        "DELETE /v1/responses/resp_tenantone1",
        "GET /v1/responses/resp_tenantone1/input_items",
    ),
    *(
        "GET /v1/files/file-tenantone1",
        "GET /v1/files/file-tenantone1/content",
        "DELETE /p/openai/files/file-tenantone1",
    ),
    *("GET /openai/v1/files/file-tenantone1", "HEAD /v1/files/file-tenantone1", "GET /v1/batches/batch_tenantone1"),
    *(
        "POST /v1/batches/batch_tenantone1/cancel",
        "GET /v1/vector_stores/vs_tenantone1",
        "GET /v1/conversations/conv_tenantone1",
    ),
    *("GET /v1/vector_stores/vs_tenantone1/files", "GET /v1/files/%66ile-tenantone1"),
]
BY_BODY: list[dict[str, Any]] = [
    {"previous_response_id": "resp_tenantone1"},
    {"conversation": "conv_tenantone1"},
    {"conversation": {"id": "conv_tenantone1"}},
    {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-tenantone1"}]}]},
    {"tools": [{"type": "file_search", "vector_store_ids": ["vs_tenantone1"]}]},
]
CLAIMS = {"Durward_Tenant": "one", "X_Tenant": "one", "Durward_Tags": "tenant=one", "OpenAI_Organization": "one"}


async def with_objects() -> World:
    """A gate where the agent `same` of tenant one has created one of each."""
    world = World(settings(agents=AGENTS))
    for line, body, told in CREATED:
        assert (await world.plays(line, body, Reply(200, told))).status == 200
    assert len(world.shelf.owners) == len(CREATED)
    world.network.sent.clear()
    return world


@pytest.mark.parametrize("line", BY_PATH)
async def test_no_path_leads_to_another_tenants_object(line: str) -> None:
    world = await with_objects()
    stranger = await world.plays(line, b"", key=OTHER_KEY, **CLAIMS)
    assert (stranger.status, world.network.sent) == (404, [])
    owner = await world.plays(line, b"", Reply(200, b"{}"))
    assert (owner.status, len(world.network.sent)) == (200, 1)


@pytest.mark.parametrize("members", BY_BODY, ids=lambda members: next(iter(members)))
async def test_no_body_leads_to_another_tenants_object(members: dict[str, Any]) -> None:
    world = await with_objects()
    body = {"model": "gpt-4o", "input": "x", "metadata": {"tenant": "one"}, **members}
    stranger = await world.plays("POST /v1/responses", body, key=OTHER_KEY, **CLAIMS)
    assert (stranger.status, world.network.sent) == (404, [])
    assert (await world.plays("POST /v1/responses", body, Reply(200, b"{}"))).status == 200


async def test_the_stranger_cannot_tell_whether_there_is_such_an_object() -> None:
    world = await with_objects()
    there = await world.plays("GET /v1/files/file-tenantone1", b"", key=OTHER_KEY)
    nowhere = await world.plays("GET /v1/files/file-tenantnone", b"", key=OTHER_KEY)
    call_ids = [each.id.encode() for each in world.book.openings]
    plain = [caller.received for caller in (there, nowhere)]
    for number, text in enumerate(plain):
        for call in call_ids:
            text = text.replace(call, b"")
        plain[number] = text.replace(b"file-tenantone1", b"file-tenantnone")
    assert plain[0] == plain[1]


async def test_a_record_names_the_tenant_of_the_key() -> None:
    world = World(settings(agents=AGENTS))
    body = {"model": "gpt-4o", "input": "x", "metadata": {"tenant": "one"}, "user": "one"}
    await world.plays("POST /v1/responses", body, Reply(200, b"{}"), key=OTHER_KEY, **CLAIMS)
    assert [opening.tenant for opening in world.book.openings] == ["two"]
