"""Model listings: what this agent may use, in the shape of the wire that asks."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from durward.calls.errors import UpstreamError
from durward.calls.origin import Origin, Timeouts
from durward.config.settings import Credential, Model, ModelTarget, Provider, Rule, Selector
from tests.playbooks.world import KEY, OTHER_KEY, Caller, Network, Reply, World, settings

EXACT = (
    Model("gpt-4o-mini", (ModelTarget("openai"),)),
    Model("quick", (ModelTarget("openai", "gpt-4o"), ModelTarget("anthropic", "claude-haiku-4-5"))),
    Model("sonnet", (ModelTarget("anthropic", "claude-sonnet-4-5"),)),
    Model("flash", (ModelTarget("gemini", "gemini-2.5-flash"),)),
)
WILD = (*EXACT, Model("gpt-*", (ModelTarget("openai"),)), Model("claude-*", (ModelTarget("anthropic"),)))


def openai_list(*names: str) -> Reply:
    return Reply(200, json.dumps({"data": [{"id": name} for name in names]}).encode())


def shown(caller: Caller) -> list[str]:
    """The names in a listing of any wire."""
    told = json.loads(caller.received)
    return [each.get("id") or each["name"] for each in told.get("data", told.get("models"))]


@pytest.mark.parametrize(
    "line,fields,names",
    [
        ("GET /v1/models", {}, ["gpt-4o-mini", "quick"]),
        ("GET /openai/v1/models", {}, ["gpt-4o-mini", "quick"]),
        ("GET /v1/models", {"anthropic_version": "2023-06-01"}, ["quick", "sonnet"]),
        ("GET /anthropic/v1/models?limit=20", {}, ["quick", "sonnet"]),
        ("GET /v1beta/models", {}, ["models/flash"]),
        ("GET /gemini/v1/models", {}, ["models/flash"]),
    ],
)
async def test_exact_names_of_the_wire_that_asks(line: str, fields: dict[str, str], names: list[str]) -> None:
    world = World(settings(models=EXACT))
    caller = await world.plays(line, **fields)
    assert (caller.status, shown(caller), world.network.sent) == (200, names, [])
    opening = world.book.openings[0]
    assert (opening.action, opening.decision, opening.rule) == ("list", "allow", None)
    assert f"Durward-Call: {opening.id}".encode() in caller.lines


async def test_the_three_shapes() -> None:
    world = World(settings(models=EXACT))
    openai = json.loads((await world.plays("GET /v1/models")).received)
    assert (openai["object"], openai["data"][0]["object"], openai["data"][0]["owned_by"]) == ("list", "model", "openai")
    anthropic = json.loads((await world.plays("GET /anthropic/v1/models")).received)
    assert (anthropic["has_more"], anthropic["first_id"], anthropic["last_id"]) == (False, "quick", "sonnet")
    assert anthropic["data"][0]["type"] == "model"
    gemini = json.loads((await world.plays("GET /v1beta/models")).received)
    assert gemini["models"][0]["supportedGenerationMethods"]


async def test_wildcards_show_what_the_provider_lists_and_they_cover() -> None:
    world = World(settings(models=WILD))
    caller = await world.plays("GET /v1/models", b"", openai_list("gpt-4.1", "gpt-4o-mini", "whisper-1"))
    assert shown(caller) == ["gpt-4o-mini", "quick", "gpt-4.1"]
    assert world.network.sent[0][0].startswith(b"GET /v1/models HTTP/1.1\r\nHost: api.openai.com\r\n")


@pytest.mark.parametrize(
    "line,target",
    [
        ("GET /v1/models", b"/v1/models"),
        ("GET /anthropic/v1/models", b"/v1/models?limit=1000"),
        ("GET /v1beta/models", b"/v1beta/models?pageSize=1000"),
    ],
)
async def test_without_a_list_of_models_the_default_provider_tells(line: str, target: bytes) -> None:
    world = World()
    reply = Reply(200, b'{"data": [{"id": "one"}], "models": [{"name": "models/one"}]}')
    caller = await world.plays(line, b"", reply)
    assert [name.removeprefix("models/") for name in shown(caller)] == ["one"]
    assert world.network.sent[0][0].startswith(b"GET " + target + b" HTTP/1.1\r\n")


async def test_the_providers_list_is_kept_five_minutes() -> None:
    world = World()
    await world.plays("GET /v1/models", b"", openai_list("one"))
    world.clock.now += 299
    assert shown(await world.plays("GET /v1/models")) == ["one"]
    world.clock.now += 1
    assert shown(await world.plays("GET /v1/models", b"", openai_list("two"))) == ["two"]


@pytest.mark.parametrize(
    "failure",
    [
        Reply(500, b"{}"),
        Reply(200, b"not json"),
        UpstreamError("x", reason="upstream_unreachable"),
        UpstreamError("x", reason="upstream_silent"),
    ],
    ids=lambda failure: getattr(failure, "reason", "reply"),
)
async def test_a_stale_list_serves_while_the_provider_fails(failure: Reply | UpstreamError) -> None:
    world = World()
    await world.plays("GET /v1/models", b"", openai_list("one"))
    world.clock.now += 300
    assert shown(await world.plays("GET /v1/models", b"", failure)) == ["one"]
    # And it is not asked again at once.
    assert shown(await world.plays("GET /v1/models")) == ["one"]
    world.clock.now += 10
    assert shown(await world.plays("GET /v1/models", b"", openai_list("two"))) == ["two"]


async def test_a_provider_that_never_told_shows_nothing() -> None:
    world = World()
    caller = await world.plays("GET /v1/models", b"", Reply(500, b"{}"))
    assert (caller.status, shown(caller)) == (200, [])


async def test_callers_that_wait_ask_once() -> None:
    world = World()
    world.network.replies = [openai_list("one")]
    callers = [world.caller("GET /v1/models") for _ in range(5)]
    await asyncio.gather(*(world.gateway.handle(caller) for caller in callers))
    assert len(world.network.sent) == 1
    assert [shown(caller) for caller in callers] == [["one"]] * 5


async def test_a_caller_that_leaves_spoils_it_for_nobody() -> None:
    world = World()
    told: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    world.network.replies = [Reply(200, told, length=False)]
    first, second = world.caller("GET /v1/models"), world.caller("GET /v1/models")
    calls = [asyncio.create_task(world.gateway.handle(caller)) for caller in (first, second)]
    while not world.network.sent:  # noqa: ASYNC110
        await asyncio.sleep(0)
    first.gone = True
    calls[0].cancel()
    told.set_result(b'{"data": [{"id": "one"}]}')
    await asyncio.gather(*calls, return_exceptions=True)
    assert shown(second) == ["one"]
    assert [closing.outcome for closing in world.book.closings] == ["failed", "ok"]


class Deaf(Network):
    """Upstreams that never answer; deadlines are the caller's affair."""

    async def send(
        self,
        origin: Origin,
        head: bytes,
        body: bytes | Callable[[], Awaitable[bytes]],
        timeouts: Timeouts,
        confirm: Callable[[], None] | None = None,
    ) -> Reply:
        self.sent.append((head, b""))
        never: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        return await never


async def test_a_listing_waits_no_longer_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durward.catalog.listing.BOUND_SECONDS", 0.01)
    world = World(settings(models=WILD))
    world.network = Deaf(world.events)
    world.gateway._listings._upstreams = world.network
    caller = await world.plays("GET /v1/models")
    assert shown(caller) == ["gpt-4o-mini", "quick"]


NO_QUICK = (Rule("all", "allow", Selector()), Rule("no quick", "deny", Selector(resources=("model/quick",))))


async def test_a_listing_is_cut_to_what_the_agent_may_use() -> None:
    world = World(settings(models=EXACT, policies=NO_QUICK))
    assert shown(await world.plays("GET /v1/models")) == ["gpt-4o-mini"]
    hidden_target = Rule("no haiku", "deny", Selector(resources=("model/anthropic/claude-haiku*",)))
    world = World(settings(models=EXACT, policies=(*NO_QUICK[:1], hidden_target)))
    assert shown(await world.plays("GET /v1/models")) == ["gpt-4o-mini", "quick"]
    assert shown(await world.plays("GET /anthropic/v1/models")) == ["sonnet"]


async def test_each_agent_sees_its_own() -> None:
    rule = Rule("carol", "allow", Selector(agents=("carol",), resources=("model/quick",)))
    world = World(settings(models=EXACT, policies=(rule,)))
    assert shown(await world.plays("GET /v1/models", key=KEY)) == ["quick"]
    assert shown(await world.plays("GET /v1/models", key=OTHER_KEY)) == []


@pytest.mark.parametrize("action", ["generate", "embed", "count"])
async def test_any_of_three_uses_is_enough_and_listing_needs_no_rule(action: str) -> None:
    world = World(settings(models=EXACT, policies=(Rule("one", "allow", Selector(actions=(action,))),)))
    assert shown(await world.plays("GET /v1/models")) == ["gpt-4o-mini", "quick"]


async def test_a_rule_for_requests_shows_no_model() -> None:
    world = World(settings(models=EXACT, policies=(Rule("one", "allow", Selector(actions=("request", "list"))),)))
    assert shown(await world.plays("GET /v1/models")) == []


@pytest.mark.parametrize(
    "line,name",
    [
        ("GET /v1/models/gpt-4o-mini", "gpt-4o-mini"),
        ("GET /anthropic/v1/models/sonnet", "sonnet"),
        ("GET /v1beta/models/flash", "models/flash"),
    ],
)
async def test_one_name(line: str, name: str) -> None:
    world = World(settings(models=EXACT))
    told = json.loads((await world.plays(line)).received)
    assert told.get("id") or told["name"] == name


async def test_one_name_that_is_not_shown_is_not_there() -> None:
    world = World(settings(models=EXACT, policies=NO_QUICK))
    for name in ("quick", "nothing-like-it"):
        caller = await world.plays(f"GET /v1/models/{name}")
        error = json.loads(caller.received)["error"]
        assert (caller.status, error["code"]) == (404, "model_unknown"), name
        assert world.book.closings[-1].reason == "model_unknown"
    # It says the same of both: that `quick` is hidden is not told.
    assert "quick" not in (await world.plays("GET /v1/models/quic")).received.decode().replace("'quic'", "")


async def test_a_name_with_slashes_is_one_name() -> None:
    world = World()
    caller = await world.plays("GET /v1/models/meta-llama/Llama-3-8b", b"", openai_list("meta-llama/Llama-3-8b"))
    assert json.loads(caller.received)["id"] == "meta-llama/Llama-3-8b"


async def test_a_providers_own_address_lists_its_own_names() -> None:
    world = World(
        settings(models=EXACT, policies=(Rule("mine", "allow", Selector(resources=("model/openai/gpt-*",))),))
    )
    caller = await world.plays("GET /p/openai/v1/models", b"", openai_list("gpt-4o", "whisper-1"))
    assert shown(caller) == ["gpt-4o"]


async def test_the_gates_own_credential_asks_and_never_the_callers() -> None:
    own = Provider(
        "openai", "openai", "https://api.openai.com/v1", Credential(header="Authorization", template="Bearer ${env:K}")
    )
    world = World(settings(providers=(own,)), {"K": "sk-own"})
    await world.plays("GET /v1/models", b"", openai_list("one"))
    head = world.network.sent[0][0]
    assert b"Authorization: Bearer sk-own\r\n" in head
    assert b"dw_" not in head
    login = Provider("openai", "openai", "https://api.openai.com/v1", Credential(caller=True))
    world = World(settings(providers=(login,)))
    caller = await world.plays("GET /v1/models", Durward_Key=KEY, key="mine")
    # One caller's list is not another's, so none is kept, and none asked for.
    assert (shown(caller), world.network.sent) == ([], [])


async def test_head_of_a_listing() -> None:
    world = World(settings(models=EXACT))
    assert (await world.plays("HEAD /v1/models")).status == 200
