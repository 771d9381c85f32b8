"""HTTP APIs: any method, streamed both ways, the credential put in, nothing read that the gate need not read."""

import asyncio
import gzip
import json

import pytest

from durward.calls.errors import UpstreamError
from durward.config.settings import Api, Credential, EffectOverride, Rule, Selector
from tests.playbooks.world import EVENTS, Reply, World, settings

CRM = Api(
    "crm",
    "https://crm.example.com/v2",
    Credential(header="Authorization", template="Bearer ${env:CRM_TOKEN}"),
    body_limit=1000,
    effects=(EffectOverride("POST", "/search", "read"), EffectOverride("*", "/admin/*", "destructive")),
)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "REPORT"])
async def test_any_method_goes_through_with_the_credential(method: str) -> None:
    world = World()
    caller = await world.plays(f"{method} /api/crm/orders/1?full=1", b"", Reply(200, b"{}"))
    assert caller.status == 200
    head, body = world.network.sent[0]
    lines = head.split(b"\r\n")
    assert lines[0] == f"{method} /v2/orders/1?full=1 HTTP/1.1".encode()
    assert b"Host: crm.example.com" in lines
    assert b"Authorization: Bearer crm-secret" in lines
    assert body == b""
    opening = world.book.openings[0]
    assert (opening.resource, opening.action, opening.protocol) == (f"api/crm/{method}/orders/1", "request", "http")
    assert (world.book.closings[0].cost_nano, world.book.closings[0].tokens) == (None, None)


@pytest.mark.parametrize(
    "line,effect",
    [
        ("GET /api/crm/orders", "read"),
        ("HEAD /api/crm/orders", "read"),
        ("OPTIONS /api/crm/orders", "read"),
        ("POST /api/crm/orders", "write"),
        ("DELETE /api/crm/orders/1", "destructive"),
        ("POST /api/crm/search", "read"),
        ("POST /api/crm/s%65arch", "read"),
        ("POST /api/crm/search/all", "write"),
        ("GET /api/crm/admin/x/y", "destructive"),
    ],
)
async def test_the_effect_follows_from_the_method_unless_the_operator_says_otherwise(line: str, effect: str) -> None:
    reads = Rule("reads", "allow", Selector(effects=("read",)))
    world = World(settings(apis=(CRM,), policies=(reads,)))
    caller = await world.plays(line, b"", Reply(200, b""))
    assert world.book.openings[0].effect == effect
    assert caller.status == (200 if effect == "read" else 403)
    assert len(world.network.sent) == (1 if effect == "read" else 0)


async def test_a_denied_call_is_a_problem_that_names_the_rule() -> None:
    world = World(settings(policies=(Rule("hands off", "deny", Selector(resources=("api/crm/*",))),)))
    caller = await world.plays("DELETE /api/crm/orders/1")
    problem = json.loads(caller.received)
    assert b"Content-Type: application/problem+json" in caller.lines
    assert (caller.status, problem["reason"], problem["instance"]) == (
        403,
        "denied",
        f"urn:uuid:{world.book.openings[0].id}",
    )
    assert "hands off" in problem["detail"]
    assert world.network.sent == []


async def test_patterns_match_the_decoded_path_and_the_path_is_sent_as_it_came() -> None:
    rule = Rule("one", "allow", Selector(resources=("api/crm/GET/a b/ü",)))
    world = World(settings(policies=(rule,)))
    caller = await world.plays("GET /api/crm/a%20b/%C3%BC", b"", Reply(200, b""))
    assert caller.status == 200
    assert world.network.sent[0][0].startswith(b"GET /v2/a%20b/%C3%BC HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "path", ["/api/crm/a%2Fb", "/api/crm/../x", "/api/crm/%2e%2e/x", "/api/crm/a%5cb", "/api/crm/%00", "/api/crm/%ff"]
)
async def test_a_path_with_two_readings_is_refused(path: str) -> None:
    world = World()
    caller = await world.plays(f"GET {path}")
    assert (caller.status, json.loads(caller.received)["reason"], world.network.sent) == (400, "bad_path", [])


async def test_bodies_stream_both_ways_as_they_come() -> None:
    world = World()
    first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    world.network.replies = [Reply(200, b"one", first, media=EVENTS, length=False)]
    caller = world.caller("POST /api/crm/orders", b"x" * 100, Content_Type="text/csv")
    caller.piece = 30
    call = asyncio.create_task(world.gateway.handle(caller))
    await caller.shown.wait()
    assert caller.received == b"one"
    assert world.network.sent[0][1] == b"x" * 100
    first.set_result(b"two")
    await call
    assert world.events[-4:] == ["<< 3 bytes", "<< 3 bytes", "== settle ok 200", "<< end"]
    assert (world.book.closings[0].bytes_in, world.book.closings[0].bytes_out) == (100, 6)


async def test_a_known_length_is_told_upstream_and_an_unknown_one_is_chunked() -> None:
    world = World()
    await world.plays("POST /api/crm/a", b"12345", Reply(200, b""))
    caller = world.caller("POST /api/crm/a", b"12345")
    caller.head.length = None
    world.network.replies = [Reply(200, b"")]
    await world.gateway.handle(caller)
    known, unknown = (head.lower() for head, _ in world.network.sent)
    assert b"content-length: 5\r\n" in known
    assert b"transfer-encoding: chunked\r\n" in unknown
    assert b"content-length" not in unknown


@pytest.mark.parametrize("length,sent", [(1000, 1), (1001, 0)])
async def test_the_body_limit_is_the_apis_own(length: int, sent: int) -> None:
    world = World(settings(apis=(CRM,)))
    caller = await world.plays("POST /api/crm/orders", b"x" * length, Reply(200, b""))
    assert len(world.network.sent) == sent
    assert caller.status == (200 if sent else 413)


async def test_a_chunked_body_is_cut_where_it_passes_the_limit() -> None:
    world = World(settings(apis=(CRM,)))
    caller = world.caller("POST /api/crm/orders", b"x" * 1001)
    caller.head.length, caller.piece = None, 100
    await world.gateway.handle(caller)
    assert (caller.status, json.loads(caller.received)["reason"]) == (413, "too_large")
    closing = world.book.closings[0]
    assert (closing.outcome, closing.reason) == ("refused", "too_large")
    assert [(each.status, each.reason) for each in closing.attempts] == [(0, "too_large")]


async def test_content_codings_are_the_affair_of_caller_and_api() -> None:
    world = World()
    packed = gzip.compress(b'{"a": 1}')
    reply = Reply(200, packed)
    reply.forward += b"Content-Encoding: gzip\r\n"
    reply.fields[b"content-encoding"] = b"gzip"
    caller = await world.plays("POST /api/crm/x", packed, reply, Content_Encoding="gzip", Accept_Encoding="gzip, br")
    head, body = world.network.sent[0]
    assert b"content-encoding: gzip\r\n" in head.lower()
    assert b"accept-encoding: gzip, br\r\n" in head.lower()
    assert body == packed
    assert caller.received == packed
    assert b"Content-Encoding: gzip" in caller.lines


async def test_cookies_pass_both_ways_here_and_nowhere_else() -> None:
    world = World()
    caller = await world.plays("GET /api/crm/x", b"", Reply(200, b"{}"), Cookie="s=1")
    assert b"Cookie: s=1" in world.network.sent[0][0]
    assert b"Set-Cookie: a=b" in caller.lines
    for line, body in (("POST /v1/chat/completions", {"model": "gpt-4o", "messages": []}), ("GET /v1/engines", b"")):
        caller = await world.plays(line, body, Reply(200, b"{}"), Cookie="s=1")
        assert b"ookie" not in world.network.sent[-1][0], line
        assert b"ookie" not in caller.lines, line


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_whatever_the_api_answers_passes_unchanged(status: int) -> None:
    world = World()
    caller = await world.plays("GET /api/crm/x", b"", Reply(status, b"as it is"))
    assert (caller.status, caller.received) == (status, b"as it is")
    assert world.book.closings[0].outcome == ("ok" if status < 400 else "failed")


async def test_an_unknown_api_is_not_found() -> None:
    world = World()
    caller = await world.plays("GET /api/erp/x")
    assert (caller.status, json.loads(caller.received)["reason"]) == (404, "not_found")
    assert world.book.closings[0].reason == "not_found"


async def test_an_api_that_cannot_be_reached() -> None:
    world = World()
    caller = await world.plays("GET /api/crm/x", b"", UpstreamError("No.", reason="upstream_unreachable"))
    assert (caller.status, json.loads(caller.received)["reason"]) == (502, "upstream_unreachable")
    assert world.book.closings[0].outcome == "failed"


@pytest.mark.parametrize(
    "line", ["GET /durward/limits", "POST /mcp", "GET /a2a/x", "GET /", "GET /api", "GET /p/openai", "GET /v2/models"]
)
async def test_other_addresses_are_not_found_and_leave_no_record(line: str) -> None:
    world = World()
    caller = await world.plays(line)
    assert (caller.status, json.loads(caller.received)["reason"]) == (404, "not_found")
    assert world.book.openings == []


async def test_health_needs_no_key_and_readiness_follows_journal_and_stop() -> None:
    world = World()
    assert (await world.plays("GET /healthz", key=None)).status == 200  # type: ignore[arg-type]
    assert (await world.plays("GET /readyz", key=None)).status == 200  # type: ignore[arg-type]
    world.book.full = True
    assert (await world.plays("GET /readyz", key=None)).status == 503  # type: ignore[arg-type]
    assert (await world.plays("GET /healthz", key=None)).status == 200  # type: ignore[arg-type]
    world.book.full = False
    world.gateway.stopping = True
    assert (await world.plays("GET /readyz", key=None)).status == 503  # type: ignore[arg-type]
    assert (await world.plays("GET /healthz", key=None)).status == 200  # type: ignore[arg-type]
