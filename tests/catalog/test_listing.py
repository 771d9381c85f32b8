"""Providers' own lists: kept, refreshed, stale where they fail. As sequences with callers: tests/playbooks/test_listings.py."""

import asyncio

import pytest

from durward.calls.errors import GateError, UpstreamError
from durward.catalog import listing
from durward.catalog.listing import FRESH_SECONDS, NAMES_LIMIT, RETRY_SECONDS, Listings, known_names
from durward.catalog.models import Models
from durward.config.settings import Model, ModelTarget, Provider, Settings
from durward.protocols.wire import Wire

OPENAI = Provider("openai", "openai", "https://api.openai.com/v1")
DEMO = Provider("demo", "demo", "http://127.0.0.1:1")


class Noon:
    now = 100.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Provided:
    """What providers answer, in order: names, or a failure."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, provider: Provider, wire: Wire) -> list[str]:
        self.asked.append((provider.name, wire))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_list_is_fresh_for_five_minutes_to_the_second() -> None:
    clock, provided = Noon(), Provided(["one"], ["two"])
    listings = Listings(clock, provided)
    assert await listings.names(OPENAI, "openai") == ["one"]
    clock.now += FRESH_SECONDS - 0.1
    assert await listings.names(OPENAI, "openai") == ["one"]
    clock.now += 0.1
    assert await listings.names(OPENAI, "openai") == ["two"]


@pytest.mark.parametrize(
    "failure", [UpstreamError("x"), GateError("x", reason="credential_missing"), TimeoutError()], ids=type
)
async def test_after_a_failure_the_stale_list_serves_and_the_next_try_waits(failure: Exception) -> None:
    clock, provided = Noon(), Provided(["one"], failure, ["two"])
    listings = Listings(clock, provided)
    await listings.names(OPENAI, "openai")
    clock.now += FRESH_SECONDS
    assert await listings.names(OPENAI, "openai") == ["one"]
    clock.now += RETRY_SECONDS - 0.1
    assert await listings.names(OPENAI, "openai") == ["one"]
    assert len(provided.asked) == 2
    clock.now += 0.1
    assert await listings.names(OPENAI, "openai") == ["two"]


async def test_each_wire_of_a_provider_has_its_own() -> None:
    listings = Listings(Noon(), Provided(["one"], ["two"]))
    assert await listings.names(DEMO, "openai") == ["one"]
    assert await listings.names(DEMO, "gemini") == ["two"]
    assert (listings.known(DEMO, "openai"), listings.known(DEMO, "anthropic")) == (["one"], [])


async def test_a_provider_that_takes_too_long_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "BOUND_SECONDS", 0.001)

    async def never(provider: Provider, wire: Wire) -> list[str]:
        await asyncio.get_running_loop().create_future()
        return ["late"]

    assert await Listings(Noon(), never).names(OPENAI, "openai") == []


async def test_a_list_is_bounded() -> None:
    listings = Listings(Noon(), Provided([f"m{number}" for number in range(NAMES_LIMIT + 1)]))
    assert len(await listings.names(OPENAI, "openai")) == NAMES_LIMIT


async def test_names_that_lead_elsewhere_are_not_the_providers_to_show() -> None:
    spare = Provider("spare", "openai", "https://spare.example.com/v1")
    entries = (
        Model("gpt-4o", (ModelTarget("spare"),)),
        Model("gpt-*", (ModelTarget("openai"),)),
        Model("llama-*", (ModelTarget("spare"),)),
    )
    models = Models(Settings("", "", providers=(OPENAI, spare), models=entries))
    listings = Listings(Noon(), Provided(["gpt-4o", "gpt-4.1", "llama-3", "whisper-1"], ["llama-3", "gpt-9"]))
    await listings.names(OPENAI, "openai")
    await listings.names(spare, "openai")
    shown = known_names(models, listings, "openai", lambda resource: True)
    assert sorted(shown) == ["gpt-4.1", "gpt-4o", "llama-3"]
    assert known_names(models, listings, "openai", lambda resource: resource.name == "model/llama-3") == ["llama-3"]
