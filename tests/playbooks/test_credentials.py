"""What the caller presents to the gate, and what the gate presents upstream: never the one for the other."""

import json
from collections.abc import Callable

import pytest

from durward.calls.errors import UpstreamError
from durward.config.settings import Api, Credential, Model, ModelTarget, Provider
from tests.playbooks.world import KEY, OTHER_KEY, Reply, World, settings

CHAT = "POST /v1/chat/completions"
ASK = {"model": "gpt-4o-mini", "messages": []}
OWN = Credential(header="Authorization", template="Bearer ${env:OPENAI_API_KEY}")
OPENAI = Provider("openai", "openai", "https://api.openai.com/v1", OWN)
LOGIN = Provider("openai", "openai", "https://api.openai.com/v1", Credential(caller=True))
KEYED = {"OPENAI_API_KEY": "sk-own"}


def field(head: bytes, name: bytes) -> list[bytes]:
    """The values of a field in a request head."""
    pairs = [line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line]
    return [value.strip() for spelled, value in pairs if spelled.lower() == name]


async def test_the_credential_goes_up_in_place_of_the_agents_key() -> None:
    world = World(settings(providers=(OPENAI,)), KEYED)
    await world.plays(CHAT, ASK, Reply(200, b"{}"))
    head, body = world.network.sent[0]
    assert field(head, b"authorization") == [b"Bearer sk-own"]
    assert KEY.encode() not in head + body


async def test_a_missing_credential_is_told_and_nothing_is_sent() -> None:
    world = World(settings(providers=(OPENAI,)), {})
    caller = await world.plays(CHAT, ASK)
    error = json.loads(caller.received)["error"]
    assert (caller.status, error["code"]) == (503, "credential_missing")
    assert "env:OPENAI_API_KEY" in error["message"]
    assert world.network.sent == []
    closing = world.book.closings[0]
    assert (closing.outcome, closing.reason, closing.cost_nano) == ("refused", "credential_missing", 0)


@pytest.mark.parametrize("field_name", ["Durward-Key", "x-api-key", "api-key", "x-goog-api-key"])
async def test_every_carrier_of_the_key_is_taken_out(field_name: str) -> None:
    world = World(settings(providers=(OPENAI,)), KEYED)
    caller = await world.plays(CHAT, ASK, Reply(200, b"{}"), key=None, **{field_name: KEY})  # type: ignore[arg-type]
    assert caller.status == 200
    assert KEY.encode() not in world.network.sent[0][0]


async def test_geminis_key_parameter_is_taken_out_of_the_query() -> None:
    world = World()
    line = f"POST /v1beta/models/gemini-2.5-flash:generateContent?key={KEY}&alt=json"
    caller = await world.plays(line, {"contents": []}, Reply(200, b"{}"), key=None)  # type: ignore[arg-type]
    assert caller.status == 200
    assert world.network.sent[0][0].startswith(
        b"POST /v1beta/models/gemini-2.5-flash:generateContent?alt=json HTTP/1.1\r\n"
    )
    assert world.book.openings[0].query == "alt"


async def test_elsewhere_a_key_parameter_is_the_apis_own() -> None:
    world = World()
    caller = await world.plays("GET /api/crm/maps?key=map-key&q=1", b"", Reply(200, b"{}"))
    assert caller.status == 200
    assert world.network.sent[0][0].startswith(b"GET /v2/maps?key=map-key&q=1 HTTP/1.1\r\n")
    assert world.book.openings[0].query == "key,q"


@pytest.mark.parametrize(
    "line,wire",
    [
        (CHAT, "openai"),
        ("POST /v1/messages", "anthropic"),
        ("POST /v1beta/models/gemini-2.5-flash:generateContent?key=other", "gemini"),
        ("GET /api/crm/x", "http"),
    ],
)
async def test_keys_that_differ_are_refused_in_the_wire_that_is_spoken(line: str, wire: str) -> None:
    world = World()
    caller = await world.plays(line, b"" if line.startswith("GET") else ASK, x_api_key=OTHER_KEY)
    told = json.loads(caller.received)
    assert caller.status == 400
    shapes: dict[str, Callable[[], object]] = {
        "openai": lambda: told["error"]["code"],
        "anthropic": lambda: (
            told["type"] == "error" and "conflicting_keys" * ("different keys" in told["error"]["message"])
        ),
        "gemini": lambda: told["error"]["details"][0]["reason"],
        "http": lambda: told["reason"],
    }
    assert shapes[wire]() == "conflicting_keys"
    assert (world.book.openings, world.network.sent) == ([], [])


async def test_two_keys_in_a_gemini_query_are_refused_in_geminis_wire() -> None:
    world = World()
    caller = await world.plays(
        "POST /v1beta/models/gemini-2.5-flash:generateContent?key=a&key=b",
        {},
        key=None,  # type: ignore[arg-type]
    )
    assert json.loads(caller.received)["error"]["details"][0]["reason"] == "conflicting_keys"


async def test_durward_key_wins_and_the_other_carriers_are_dropped() -> None:
    world = World(settings(providers=(OPENAI,)), KEYED)
    caller = await world.plays(CHAT, ASK, Reply(200, b"{}"), key="sk-somebody", Durward_Key=KEY, x_api_key="sk-another")
    assert caller.status == 200
    head = world.network.sent[0][0]
    assert field(head, b"authorization") == [b"Bearer sk-own"]
    for gone in (b"sk-somebody", b"sk-another", KEY.encode()):
        assert gone not in head


async def test_credential_caller_passes_on_the_callers_own_login() -> None:
    world = World(settings(providers=(LOGIN,)))
    caller = await world.plays(CHAT, ASK, Reply(200, b"{}"), key="oauth-login", Durward_Key=KEY)
    assert caller.status == 200
    assert field(world.network.sent[0][0], b"authorization") == [b"Bearer oauth-login"]
    assert KEY.encode() not in world.network.sent[0][0]


async def test_credential_caller_never_passes_on_the_agents_key() -> None:
    world = World(settings(providers=(LOGIN,)))
    caller = await world.plays(CHAT, ASK)
    assert (caller.status, world.network.sent) == (503, [])
    assert "Durward-Key" in json.loads(caller.received)["error"]["message"]


async def test_the_callers_login_goes_to_the_target_that_wants_it_alone() -> None:
    quick = Model("quick", (ModelTarget("login", "a"), ModelTarget("plain", "b")))
    providers = (
        Provider("login", "openai", "https://login.example.com/v1", Credential(caller=True)),
        Provider("plain", "openai", "https://plain.example.com/v1"),
    )
    world = World(settings(providers=providers, models=(quick,)))
    unreachable = UpstreamError("x", reason="upstream_unreachable")
    await world.plays(CHAT, {**ASK, "model": "quick"}, unreachable, Reply(200, b"{}"), key="mine", Durward_Key=KEY)
    heads = [head for head, _ in world.network.sent]
    assert [field(head, b"authorization") for head in heads] == [[b"Bearer mine"], []]


@pytest.mark.parametrize("spelled", ["X-Token", "x-token", "X_Token"])
async def test_a_caller_cannot_put_a_value_of_its_own_beside_the_credential(spelled: str) -> None:
    api = Api("crm", "https://crm.example.com", Credential(header="X-Token", template="${env:CRM_TOKEN}"))
    world = World(settings(apis=(api,)))
    caller = world.caller("GET /api/crm/x")
    caller.head.forward += [spelled.encode() + b": mine", b"X-Tokens: stays"]
    world.network.replies = [Reply(200, b"{}")]
    await world.gateway.handle(caller)
    head = world.network.sent[0][0]
    assert b"mine" not in head
    assert field(head, b"x-token") == [b"crm-secret"]
    assert field(head, b"x-tokens") == [b"stays"]


async def test_durward_user_and_every_other_word_to_the_gate_stay_here() -> None:
    world = World()
    await world.plays(
        CHAT,
        ASK,
        Reply(200, b"{}"),
        Durward_User="eyJ.alice",
        Durward_Session="s-1",
        Durward_Whatever="x",
        Baggage="k=v",
    )
    assert b"durward" not in world.network.sent[0][0].lower()
    assert b"baggage" not in world.network.sent[0][0].lower()
    opening = world.book.openings[0]
    assert (opening.session, opening.user, opening.claimed_user) == ("s-1", "", "")


async def test_a_trace_goes_on_with_our_span() -> None:
    world = World()
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    await world.plays(CHAT, ASK, Reply(200, b"{}"), traceparent=f"00-{trace}-{span}-01")
    opening = world.book.openings[0]
    assert (opening.trace, opening.parent) == (trace, span)
    (told,) = field(world.network.sent[0][0], b"traceparent")
    _, passed, ours, _ = told.decode().split("-")
    assert passed == trace
    assert ours == opening.id.replace("-", "")[-16:] != span
