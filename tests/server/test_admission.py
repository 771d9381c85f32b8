"""Who is turned away, in which wire, and that it is asked for nothing it need not be."""

import json
from typing import Any

import pytest

from durward.config.settings import Agent
from durward.server.admission import Admission
from durward.server.pressure import Pressure
from tests.playbooks.test_model_calls import ASK, CHAT
from tests.playbooks.world import KEY, OTHER_KEY, Caller, World, digest, settings

CLAUDE = ("POST /v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 8, "messages": []})
NIGHT = "dw_" + "n" * 43
AGENTS = (Agent("carol", "acme", keys=(digest(KEY),)), Agent("night", keys=(digest(NIGHT),), priority="batch"))


class Doorkeeper:
    """The admission of a gate in memory, under this share of memory and this lag."""

    def __init__(self, share: float = 0.0, lag: float = 0.0) -> None:
        self.world = World(settings(agents=AGENTS))
        self.refused: list[tuple[str, str]] = []
        self.pressure = Pressure(1000)
        for _ in range(20):
            self.pressure.measure(lag, int(share * 1000), 10)
        self.admission = Admission(
            self.world.gateway, self.pressure, lambda reason, peer: self.refused.append((reason, peer))
        )
        self.admission.know(AGENTS)

    def asks(self, line: str = CHAT, body: object = ASK, full: bool = False, **fields: Any) -> Caller | None:
        """The caller, if it was turned away."""
        caller = self.world.caller(line, body, **fields)
        return caller if self.admission.turns_away(caller, full) else None


def test_batch_gives_way_first() -> None:
    keeper = Doorkeeper(lag=0.2)
    assert keeper.asks() is None
    assert keeper.asks(Durward_Priority="Batch") is not None
    assert keeper.asks(key=NIGHT) is not None
    assert keeper.admission.state()["turned_away"] == {"batch": 2, "interactive": 0}
    assert keeper.refused == [("overloaded", "192.0.2.1")] * 2


def test_nobody_raises_himself() -> None:
    keeper = Doorkeeper(lag=0.2)
    for said in ("interactive", "operator", "high"):
        assert keeper.asks(key=NIGHT, Durward_Priority=said) is not None


def test_a_share_of_interactive_calls_gives_way_when_it_is_very_late() -> None:
    keeper = Doorkeeper(lag=0.5)
    assert [keeper.asks() is not None for _ in range(8)].count(True) == 2


def test_with_no_memory_left_nobody_begins_but_checks() -> None:
    keeper = Doorkeeper(share=0.99)
    assert keeper.asks() is not None
    for line in ("GET /healthz", "GET /readyz"):
        assert keeper.asks(line, b"", key=None) is None
        assert keeper.asks(line, b"", key=None, full=True) is None


def test_beyond_the_bound_of_calls_nobody_begins() -> None:
    keeper = Doorkeeper()
    caller = keeper.asks(full=True)
    assert caller is not None
    assert "as many calls in progress" in json.loads(caller.received)["error"]["message"]


@pytest.mark.parametrize(
    "line,body,reason",
    [
        (CHAT, ASK, ("error", "code")),
        (*CLAUDE, ("error", "reason")),
        ("POST /api/crm/x", {}, ("reason",)),
        ("GET /nowhere/else", b"", ("reason",)),
        ("GET /a%2fb", b"", ("reason",)),
    ],
)
def test_it_is_told_in_the_callers_wire(line: str, body: object, reason: tuple[str, ...]) -> None:
    keeper = Doorkeeper(share=0.99)
    for key in (KEY, OTHER_KEY):
        caller = keeper.asks(line, body, key=key)
        assert caller is not None
        told = json.loads(caller.received)
        for word in reason:
            told = told[word]
        assert (caller.status, told) == (503, "overloaded")
        assert b"Retry-After: 1\r\n" in caller.lines
        assert b"x-should-retry: false" not in caller.lines


def test_what_may_wait_is_told_to_wait_longer() -> None:
    caller = Doorkeeper(share=0.99).asks(Durward_Priority="batch")
    assert caller is not None
    assert b"Retry-After: 10\r\n" in caller.lines


def test_who_is_batch_follows_the_configuration() -> None:
    keeper = Doorkeeper(lag=0.2)
    keeper.admission.know(())
    assert keeper.asks(key=NIGHT) is None
