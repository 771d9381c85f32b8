"""Names and addresses: what is kept how long, and where no connection ever goes."""

import asyncio

import pytest

from durward.calls.errors import UpstreamError
from durward.upstreams.resolution import (
    ADDRESSES_MOST,
    FRESH_SECONDS,
    NAMES_MOST,
    STALE_SECONDS,
    Names,
    interleaved,
    is_metadata,
    system_lookup,
)
from tests.upstreams.scripted import SetClock, turns


class Resolver:
    """Answers as a test says, and counts the questions."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        await self.gate.wait()
        if not self.addresses:
            raise OSError(-2, "Name or service not known")
        return self.addresses


async def test_an_answer_is_kept_for_a_while() -> None:
    clock, resolver = SetClock(), Resolver("192.0.2.1")
    names = Names(clock, resolver)
    for seconds in (0.0, FRESH_SECONDS):
        clock.now += seconds
        assert await names.resolve("a.test") == ["192.0.2.1"]
    assert resolver.asked == ["a.test"]


async def test_an_old_answer_is_used_while_a_new_one_is_fetched() -> None:
    clock, resolver = SetClock(), Resolver("192.0.2.1")
    names = Names(clock, resolver)
    await names.resolve("a.test")
    clock.now += FRESH_SECONDS + 1
    resolver.addresses = ["192.0.2.2"]
    assert await names.resolve("a.test") == ["192.0.2.1"]
    await turns(3)
    assert await names.resolve("a.test") == ["192.0.2.2"]
    assert len(resolver.asked) == 2


async def test_a_very_old_answer_is_used_only_if_no_new_one_comes() -> None:
    clock, resolver = SetClock(), Resolver("192.0.2.1")
    names = Names(clock, resolver)
    await names.resolve("a.test")
    clock.now += STALE_SECONDS + 1
    resolver.addresses = []
    assert await names.resolve("a.test") == ["192.0.2.1"]
    resolver.addresses = ["192.0.2.2"]
    assert await names.resolve("a.test") == ["192.0.2.2"]


async def test_a_very_old_answer_is_used_if_the_resolver_keeps_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durward.upstreams.resolution.PATIENCE_SECONDS", 0.0)
    clock, resolver = SetClock(), Resolver("192.0.2.1")
    names = Names(clock, resolver)
    await names.resolve("a.test")
    clock.now += STALE_SECONDS + 1
    resolver.gate.clear()
    assert await names.resolve("a.test") == ["192.0.2.1"]
    resolver.gate.set()
    await turns(3)


async def test_a_failure_is_told_and_not_kept() -> None:
    resolver = Resolver()
    names = Names(SetClock(), resolver)
    with pytest.raises(OSError, match="not known"):
        await names.resolve("a.test")
    resolver.addresses = ["192.0.2.1"]
    assert await names.resolve("a.test") == ["192.0.2.1"]


async def test_a_name_without_addresses_is_a_failure() -> None:
    async def nothing(host: str) -> list[str]:
        return []

    with pytest.raises(OSError, match="no address"):
        await Names(SetClock(), nothing).resolve("a.test")


async def test_questions_at_once_are_one_question_and_giving_up_harms_nobody() -> None:
    resolver = Resolver("192.0.2.1")
    resolver.gate.clear()
    names = Names(SetClock(), resolver)
    first, second = (asyncio.ensure_future(names.resolve("a.test")) for _ in range(2))
    await turns(2)
    first.cancel()
    await turns(2)
    resolver.gate.set()
    assert await second == ["192.0.2.1"]
    assert resolver.asked == ["a.test"]


async def test_no_more_names_are_kept_than_the_bound() -> None:
    names = Names(SetClock(), Resolver("192.0.2.1"))
    for number in range(NAMES_MOST + 5):
        await names.resolve(f"{number}.test")
    assert len(names._entries) == NAMES_MOST
    assert "0.test" not in names._entries


async def test_addresses_are_not_looked_up() -> None:
    resolver = Resolver()
    names = Names(SetClock(), resolver)
    assert await names.resolve("127.0.0.1") == ["127.0.0.1"]
    assert await names.resolve("::1") == ["::1"]
    assert resolver.asked == []


async def test_the_systems_resolver_knows_this_machine() -> None:
    assert set(await system_lookup("localhost")) <= {"127.0.0.1", "::1"}


def test_families_take_turns() -> None:
    assert interleaved(["::1", "::2", "::3", "192.0.2.1", "::1"]) == ["::1", "192.0.2.1", "::2", "::3"]
    assert interleaved(["192.0.2.1", "192.0.2.2", "::1", "::2", "::3"]) == [
        "192.0.2.1",
        "::1",
        "192.0.2.2",
        "::2",
        "::3",
    ]
    assert len(interleaved([f"192.0.2.{number}" for number in range(50)])) == ADDRESSES_MOST


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "fd00:ec2::254",
        "FD00:EC2:0::254",
        "100.100.100.200",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "169.254.170.2",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
    ],
)
async def test_metadata_addresses_are_never_connected_to(host: str) -> None:
    assert is_metadata(host)
    with pytest.raises(UpstreamError, match="never connects there"):
        await Names(SetClock(), Resolver("192.0.2.1")).resolve(host)


async def test_a_name_that_leads_to_a_metadata_address_is_refused_also_from_memory() -> None:
    names = Names(SetClock(), Resolver("192.0.2.1", "169.254.169.254"))
    for _ in range(2):
        with pytest.raises(UpstreamError, match="never connects there"):
            await names.resolve("innocent.test")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "10.0.0.1", "169.254.1.1", "api.test", "fe80::1%lo", "64:ff9b::1"]
)
def test_other_addresses_are_as_the_operator_says(host: str) -> None:
    assert not is_metadata(host)
