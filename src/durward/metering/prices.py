"""Which price holds for a call: the built-in table by the provider's host, with the operator's own prices over it."""

import re
from collections import OrderedDict

from durward.calls.patterns import matches
from durward.calls.ports import Clock
from durward.config.settings import PriceOverride, Settings
from durward.metering.cost import Price, RateList
from durward.metering.families import family_of
from durward.metering.table import Model, load_families, next_change, prices_at

__all__ = ["Price", "Prices"]

DATED = re.compile(r"-(?:20\d\d-?\d\d-?\d\d)")
KEPT = 4_096
"""Prices kept, the least recently used go first. Names behind a wildcard are the caller's, so there is no end of them."""


class Kept:
    """A price, and the Unix time until which it holds (None: for good). A value: never changed."""

    __slots__ = ("price", "until")

    def __init__(self, price: Price | None, until: float | None) -> None:
        self.price = price
        self.until = until

    def holds(self, clock: Clock) -> bool:
        """Whether it holds still."""
        return self.until is None or clock.time() < self.until


class Prices:
    """The prices of one snapshot."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """The clock decides between prices that change at a date or with the time of day (DeepSeek's off-peak)."""
        self._clock = clock
        followed = {provider.name: provider.price_as or family_of(provider.base_url) for provider in settings.providers}
        self._family_of = {name: family for name, family in followed.items() if family is not None}
        self._families = load_families(set(self._family_of.values())) if self._family_of else {}
        self._overrides = sorted(settings.prices, key=_specificity)
        self._kept: OrderedDict[tuple[str, str, str], Kept] = OrderedDict()

    def of(self, provider: str, upstream_model: str, resource: str) -> Price | None:
        """What a model costs at a provider, now; `resource` is the name the caller used. None where nobody states a price."""
        return self.kept(provider, upstream_model, resource).price

    def kept(self, provider: str, upstream_model: str, resource: str) -> Kept:
        """The same, for whoever keeps it as long as it holds."""
        key = (provider, upstream_model, resource)
        kept = self._kept.get(key)
        if kept is None or not kept.holds(self._clock):
            kept = self._kept[key] = self._find(provider, upstream_model, resource)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return kept

    def _find(self, provider: str, upstream_model: str, resource: str) -> Kept:
        override = self._override((resource, f"model/{provider}/{upstream_model}"))
        model, covering = self._listed(provider, upstream_model.lower())
        if model is None:
            return Kept(Price({}, {}, override, covering) if override else None, None)
        now = self._clock.time()
        standard, tiers = prices_at(model, now)
        return Kept(Price(standard, tiers, override, covering), next_change(model, now))

    def _listed(self, provider: str, name: str) -> tuple[Model | None, bool]:
        family = self._families.get(self._family_of.get(provider, ""))
        if family is None:
            return None, False
        found = family.find(name)
        for fallback in family.fallback if found is None else ():
            found = self._families[fallback].find(name)
            if found is not None:
                # Another seller's list: its rates hold here too, its service tiers are its own.
                return Model(found.matches, found.prices), False
        return found, family.covering

    def _override(self, names: tuple[str, str]) -> RateList:
        """The operator's rates for a model: of the patterns that match, the most specific alone."""
        found = next((each for each in self._overrides if any(matches((each.pattern,), name) for name in names)), None)
        if found is None:
            return {}
        stated = {
            "input": found.input,
            "output": found.output,
            "cached_input": found.cached_input,
            "cache_write": found.cache_write,
            "reasoning": found.reasoning,
        }
        return {word: rate for word, rate in stated.items() if rate is not None}


def is_of(answered: str, name: str) -> bool:
    """Whether a model that answered is the one of that name, or a dated release of it: `gpt-4o-2024-08-06` is of `gpt-4o`."""
    return answered == name or (answered.startswith(name) and DATED.fullmatch(answered, len(name)) is not None)


def _specificity(override: PriceOverride) -> tuple[bool, int]:
    """Exact names first, then the pattern with the most literal characters; of equals the first in the file."""
    return "*" in override.pattern, -len(override.pattern.replace("*", ""))
