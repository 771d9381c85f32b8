"""Whose a provider's stored object is: the tenant and agent whose create answer the gate saw. To anyone else it does not exist."""

from collections.abc import Iterable
from typing import Protocol

from durward.calls.errors import CallerError, DurwardError, Refused
from durward.calls.ports import Clock
from durward.calls.principal import Principal
from durward.calls.resource import Resource
from durward.config.settings import Settings
from durward.protocols.bodies import Asked
from durward.protocols.objects import Place
from durward.protocols.wire import ObjectId
from durward.storage.state import Owner

KEPT_OWNERS = 16_384


class Owners(Protocol):
    """Where owners are kept between runs."""

    async def owner(self, provider: str, kind: str, identifier: str) -> Owner | None: ...

    async def own(self, provider: str, objects: Iterable[ObjectId], owner: Owner, now: float) -> None: ...


class Ownership:
    """Answers from memory where it can: a bounded table of owners seen. Providers with `shared: true` have no owners."""

    def __init__(self, settings: Settings, owners: Owners, clock: Clock) -> None:
        self._shared = frozenset(provider.name for provider in settings.providers if provider.shared)
        self._owners = owners
        self._clock = clock
        self._kept: dict[tuple[str, str, str], Owner] = {}

    async def holders(self, principal: Principal, resource: Resource, asked: Asked) -> frozenset[str]:
        """The upstreams where everything that the call names is this principal's.

        Raises CallerError `object_unknown` where there is none; Refused for a list, which would show strangers' objects.
        """
        place = asked.place
        objects = asked.objects
        if place is not None and place.identifier:
            objects = (*objects, (place.kind, place.identifier))
        refusal: DurwardError | None = None
        held: set[str] = set()
        for target in resource.targets:
            try:
                await self._check(principal, target.upstream, place, objects)
                held.add(target.upstream)
            except (CallerError, Refused) as error:
                refusal = error
        if refusal is not None and not held:
            raise refusal
        return frozenset(held)

    async def claim(self, principal: Principal, provider: str, objects: Iterable[ObjectId]) -> None:
        """Note the owner of objects that an answer shows for the first time. Written when it returns."""
        objects = tuple(objects)
        if objects and provider not in self._shared:
            await self._owners.own(provider, objects, Owner(principal.tenant, principal.agent), self._clock.time())

    async def _check(
        self, principal: Principal, provider: str, place: Place | None, objects: Iterable[ObjectId]
    ) -> None:
        if provider in self._shared:
            return
        if place is not None and place.lists:
            raise Refused(
                f"Lists of {provider} are not shown: they would join the objects of all agents.",
                remedy="Ask for the object by its id, or have the operator set `shared: true` on the provider.",
            )
        for kind, identifier in objects:
            owner = await self._owner(provider, kind, identifier)
            if owner is None or owner != Owner(principal.tenant, principal.agent):
                raise CallerError(f"There is no {kind} {identifier[:128]!r} of this agent.", reason="object_unknown")

    async def _owner(self, provider: str, kind: str, identifier: str) -> Owner | None:
        key = (provider, kind, identifier)
        owner = self._kept.get(key)
        if owner is None:
            owner = await self._owners.owner(provider, kind, identifier)
            if owner is not None:
                if len(self._kept) >= KEPT_OWNERS:
                    self._kept.clear()
                self._kept[key] = owner
        return owner
