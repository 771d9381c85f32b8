"""What holds for one kind of call holds for all: each stage of the sentence over every wire and mode, streamed or not."""

import asyncio
import json

import pytest

from durward.calls.errors import UpstreamError
from durward.config.settings import Api, Credential, Model, ModelTarget, Provider, Rule, Selector
from tests.playbooks.test_wires import MODES, Mode
from tests.playbooks.world import EVENTS, KEY, Caller, Reply, World, settings

OPAQUE = {
    "a provider's route": Mode(
        "POST /v1/images/generations", {"prompt": "x"}, (b'{"a": 1}',), "api.openai.com", "", "request", "", None
    ),
    "a provider's route, streamed": Mode(
        *("POST /v1/audio/speech", {"input": "x"}, (b"one", b"two"), "api.openai.com", "", "request", "", None),
        *(b"audio/mpeg", False),
    ),
    "an API": Mode(
        "POST /api/crm/x", {"a": 1}, (b"one",), "crm.example.com", "http", "request", "", None, b"text/plain"
    ),
    "an API, streamed": Mode(
        *(
            "POST /api/crm/x",
            {"a": 1},
            (b"data: 1\n\n", b"data: 2\n\n"),
            "crm.example.com",
            "http",
            "request",
            "",
            None,
        ),
        *(EVENTS, False),
    ),
}
ALL = MODES | OPAQUE
every_mode = pytest.mark.parametrize("mode", ALL.values(), ids=list(ALL))


def reply(mode: Mode) -> Reply:
    return Reply(200, *mode.answer, media=mode.media, length=mode.plain)


def locked(template: str) -> dict[str, object]:
    """Providers and API that all present one credential."""
    own = Credential(header="X-Token", template=template)
    providers = tuple(Provider(each.name, each.protocol, each.base_url, own) for each in settings().providers)
    return {"providers": providers, "apis": (Api("crm", "https://crm.example.com", own),)}


async def nothing_sent(world: World, mode: Mode, key: str = KEY) -> Caller:
    caller = await world.plays(mode.line, mode.ask, key=key)
    assert world.network.sent == []
    assert caller.complete
    return caller


@every_mode
async def test_a_stranger_gets_nowhere_and_leaves_no_record(mode: Mode) -> None:
    world = World()
    assert (await nothing_sent(world, mode, "dw_" + "x" * 43)).status == 401
    assert world.book.openings == []


@every_mode
async def test_what_no_rule_allows_reaches_no_upstream_and_is_recorded(mode: Mode) -> None:
    world = World(settings(policies=(Rule("others", "allow", Selector(agents=("oscar",))),)))
    assert (await nothing_sent(world, mode)).status == 403
    assert (world.book.closings[0].outcome, world.book.closings[0].reason) == ("refused", "denied")
    assert world.book.openings[0].resource


@every_mode
async def test_a_deny_rule_wins_over_every_allow_rule(mode: Mode) -> None:
    world = World(settings(policies=(Rule("all", "allow", Selector()), Rule("none", "deny", Selector()))))
    assert (await nothing_sent(world, mode)).status == 403
    assert world.book.openings[0].rule == "none"


@every_mode
async def test_observe_lets_it_pass_and_records_what_it_would_have_denied(mode: Mode) -> None:
    world = World(settings(policies=(), mode="observe"))
    caller = await world.plays(mode.line, mode.ask, reply(mode))
    assert caller.received == b"".join(mode.answer)
    assert world.book.openings[0].decision == "deny"


@every_mode
async def test_the_credential_goes_up_and_the_agents_key_does_not(mode: Mode) -> None:
    world = World(settings(**locked("${env:TOKEN}")), {"TOKEN": "their-secret"})
    caller = await world.plays(mode.line, mode.ask, reply(mode))
    (head, body), *_ = world.network.sent
    assert b"X-Token: their-secret\r\n" in head
    assert KEY.encode() not in head + body
    assert b"their-secret" not in caller.lines + caller.received


@every_mode
async def test_a_credential_that_is_missing_stops_the_call(mode: Mode) -> None:
    world = World(settings(**locked("${env:TOKEN}")), {})
    assert (await nothing_sent(world, mode)).status == 503
    assert world.book.closings[0].reason == "credential_missing"


@every_mode
async def test_without_a_journal_nothing_goes_up(mode: Mode) -> None:
    world = World()
    world.book.full = True
    assert (await nothing_sent(world, mode)).status == 503


@every_mode
async def test_the_record_is_opened_before_the_call_goes_up_and_closed_before_its_end(mode: Mode) -> None:
    world = World()
    caller = await world.plays(mode.line, mode.ask, reply(mode))
    assert caller.complete
    kinds = [event.split()[0] + event.split()[1] for event in world.events]
    assert kinds.index("==intent") < kinds.index("<<POST") < kinds.index("==settle")
    assert kinds.index("==settle") < len(kinds) - 1
    assert (len(world.book.openings), len(world.book.closings)) == (1, 1)
    assert world.book.closings[0].bytes_out == len(caller.received)


@every_mode
@pytest.mark.parametrize("reason,status", [("upstream_unreachable", 502), ("upstream_silent", 504)])
async def test_no_answer_is_told_as_what_it_is(mode: Mode, reason: str, status: int) -> None:
    world = World()
    caller = await world.plays(mode.line, mode.ask, UpstreamError("No.", reason=reason))
    assert (caller.status, world.book.closings[0].outcome, world.book.closings[0].reason) == (status, "failed", reason)
    assert reason.encode() in caller.received


@every_mode
async def test_a_caller_that_hangs_up_cancels_the_upstream_and_is_recorded(mode: Mode) -> None:
    world = World()
    never: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    answer = Reply(200, *mode.answer[:-1], never, b"", media=mode.media, length=False)
    world.network.replies = [answer]
    caller = world.caller(mode.line, mode.ask)
    call = asyncio.create_task(world.gateway.handle(caller))
    for _ in range(10):
        await asyncio.sleep(0)
    caller.gone = True
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert answer.cancelled
    assert (len(world.book.closings), world.book.closings[0].reason) == (1, "caller_gone")
    assert world.book.closings[0].outcome in ("cut", "failed")


@every_mode
async def test_what_a_stopping_gate_does_not_wait_for_is_told_so(mode: Mode) -> None:
    world = World()
    never: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    answer = Reply(200, *mode.answer[:-1], never, b"", media=mode.media, length=False)
    world.network.replies = [answer]
    caller = world.caller(mode.line, mode.ask)
    call = asyncio.create_task(world.gateway.handle(caller))
    for _ in range(10):
        await asyncio.sleep(0)
    begun = caller.started
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert answer.cancelled
    assert [(each.outcome, each.reason, each.status) for each in world.book.closings] == [
        ("cut" if begun else "refused", "stopping", 503)
    ]
    assert (caller.aborted, caller.status) == ((True, 200) if begun else (False, 503))
    assert b"stopping" in caller.received or (begun and mode in OPAQUE.values())


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
async def test_the_next_target_answers_where_the_first_cannot_be_reached(mode: Mode) -> None:
    wire = {"api.openai.com": "openai", "api.anthropic.com": "anthropic"}.get(mode.host, "gemini")
    first = next(each for each in settings().providers if each.name == wire)
    second = Provider("second", first.protocol, "https://second.example.com/v1")
    entry = Model(mode.model, (ModelTarget(wire), ModelTarget("second")))
    world = World(settings(providers=(first, second), models=(entry,)))
    failure = UpstreamError("No.", reason="upstream_unreachable")
    caller = await world.plays(mode.line, mode.ask, failure, reply(mode))
    assert caller.received == b"".join(mode.answer)
    tried = [(each.provider, each.reason) for each in world.book.closings[0].attempts]
    assert tried == [(wire, "upstream_unreachable"), ("second", "")]
    assert [json.loads(body) for _, body in world.network.sent] == [mode.ask] * 2
