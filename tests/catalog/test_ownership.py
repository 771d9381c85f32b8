"""Owners of stored objects: asked once, kept within a bound, and never mistaken."""

from collections.abc import Iterable

import pytest

from durward.calls.errors import CallerError, Refused
from durward.calls.principal import Principal
from durward.calls.resource import Resource, Target
from durward.catalog import ownership
from durward.catalog.ownership import Ownership
from durward.config.settings import Provider, Settings
from durward.protocols.bodies import Asked
from durward.protocols.objects import Place
from durward.storage.state import Owner

CAROL, OSCAR = Principal("carol", "acme"), Principal("oscar", "acme")
SETTINGS = Settings(
    "",
    "",
    providers=(
        Provider("one", "openai", "https://one.example.com"),
        Provider("two", "openai", "https://two.example.com"),
        Provider("shared", "openai", "https://shared.example.com", shared=True),
    ),
)


class Noon:
    def time(self) -> float:
        return 100.0

    def monotonic(self) -> float:
        return 100.0


class Shelf:
    def __init__(self) -> None:
        self.owners: dict[tuple[str, str, str], Owner] = {}
        self.asked = 0

    async def owner(self, provider: str, kind: str, identifier: str) -> Owner | None:
        self.asked += 1
        return self.owners.get((provider, kind, identifier))

    async def own(self, provider: str, objects: Iterable[tuple[str, str]], owner: Owner, now: float) -> None:
        for kind, identifier in objects:
            self.owners.setdefault((provider, kind, identifier), owner)


def at(*upstreams: str) -> Resource:
    return Resource("x", "generate", "read", tuple(Target(upstream, "m") for upstream in upstreams))


async def refusal(owners: Ownership, principal: Principal, resource: Resource, asked: Asked) -> str:
    with pytest.raises((CallerError, Refused)) as caught:
        await owners.holders(principal, resource, asked)
    return caught.value.reason


FILE = Asked(objects=(("file", "f1"),))


async def test_an_object_is_where_its_owner_has_it() -> None:
    shelf = Shelf()
    owners = Ownership(SETTINGS, shelf, Noon())
    await owners.claim(CAROL, "two", [("file", "f1")])
    assert await owners.holders(CAROL, at("one", "two"), FILE) == {"two"}
    assert await refusal(owners, CAROL, at("one"), FILE) == "object_unknown"
    assert await refusal(owners, OSCAR, at("one", "two"), FILE) == "object_unknown"
    assert await refusal(owners, CAROL, at("two"), Asked(objects=(("batch", "f1"),))) == "object_unknown"


async def test_every_object_must_be_the_callers() -> None:
    owners = Ownership(SETTINGS, Shelf(), Noon())
    await owners.claim(CAROL, "one", [("file", "f1"), ("file", "f2")])
    await owners.claim(OSCAR, "one", [("file", "f3")])
    mine = (("file", "f1"), ("file", "f2"))
    assert await owners.holders(CAROL, at("one"), Asked(objects=mine)) == {"one"}
    assert await refusal(owners, CAROL, at("one"), Asked(objects=(*mine, ("file", "f3")))) == "object_unknown"
    place = Asked(place=Place("file", "f3"), objects=mine)
    assert await refusal(owners, CAROL, at("one"), place) == "object_unknown"


async def test_the_first_who_shows_it_has_it() -> None:
    owners = Ownership(SETTINGS, Shelf(), Noon())
    await owners.claim(CAROL, "one", [("file", "f1")])
    await owners.claim(OSCAR, "one", [("file", "f1")])
    assert await owners.holders(CAROL, at("one"), FILE) == {"one"}
    assert await refusal(owners, OSCAR, at("one"), FILE) == "object_unknown"


async def test_lists_are_refused_unless_shared() -> None:
    shelf = Shelf()
    owners = Ownership(SETTINGS, shelf, Noon())
    listed = Asked(place=Place("file", lists=True))
    assert await refusal(owners, CAROL, at("one"), listed) == "denied"
    assert await owners.holders(CAROL, at("shared"), listed) == {"shared"}
    assert await owners.holders(CAROL, at("shared"), FILE) == {"shared"}
    await owners.claim(CAROL, "shared", [("file", "f9")])
    assert (shelf.asked, shelf.owners) == (0, {})


async def test_an_owner_is_asked_for_once_and_a_stranger_each_time() -> None:
    shelf = Shelf()
    owners = Ownership(SETTINGS, shelf, Noon())
    assert await refusal(owners, CAROL, at("one"), FILE) == "object_unknown"
    # What is not there yet may be there soon: only what was found is kept.
    await owners.claim(CAROL, "one", [("file", "f1")])
    for _ in range(3):
        assert await owners.holders(CAROL, at("one"), FILE) == {"one"}
    assert shelf.asked == 2


async def test_the_memory_of_owners_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "KEPT_OWNERS", 3)
    shelf = Shelf()
    owners = Ownership(SETTINGS, shelf, Noon())
    names = [f"f{number}" for number in range(10)]
    await owners.claim(CAROL, "one", [("file", name) for name in names])
    for name in names:
        assert await owners.holders(CAROL, at("one"), Asked(objects=(("file", name),))) == {"one"}
        assert len(owners._kept) <= 3
