"""The built-in price table: which of a family's lines a model name matches, and which of its prices hold at a moment.

Only the families in use are unpacked from the file, and of those a model's prices only when it is asked for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import msgspec

from durward.metering.cost import Rate, RateList

TABLE = Path(__file__).with_name("table.json")
NAME_LIMIT = 256
"""Characters; no model of the table has a longer name."""
COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=[-:]|$)")

Match = str | list[str]
"""A sigil and a text, or several that must all hold. `=` is, `^` starts with, `$` ends with, `~` contains, `/` regular expression."""
Conditional = list[tuple[str, dict[str, Rate]]]
"""Rates with their condition: always (empty), from a day on (`2026-03-13`), or at a time of day (`00:30-16:30`, UTC)."""


class Model(msgspec.Struct, array_like=True, gc=False):
    """A line of the table: what it matches, its rates, and rates of service tiers over them."""

    matches: list[Match]
    prices: Conditional
    tiers: dict[str, Conditional] = {}


class Line(msgspec.Struct, array_like=True, gc=False):
    """A line of which only the matches are unpacked."""

    matches: list[Match]
    prices: msgspec.Raw
    tiers: msgspec.Raw = msgspec.Raw(b"{}")


class Packed(msgspec.Struct):
    """A family as the file holds it."""

    fallback: list[str]
    covering: bool
    models: list[Line]


class Family:
    """One provider's price list. `fallback` names lists of models that it also serves; `covering`: see `Price`."""

    def __init__(self, packed: Packed) -> None:
        self.fallback = packed.fallback
        self.covering = packed.covering
        self._lines = packed.models
        self._exact: dict[str, int] = {}
        self._others: list[tuple[int, Match]] = []
        """Lists match by the first line that does; nearly all lines are exact names, so only the others are walked."""
        for index, line in enumerate(packed.models):
            for match in line.matches:
                if match[0] == "=" and isinstance(match, str):
                    self._exact.setdefault(match[1:], index)
                else:
                    self._others.append((index, match))

    def find(self, name: str) -> Model | None:
        """The first model that a lower-case name matches; a compact date (`-20251211`) also as the list writes it."""
        if len(name) > NAME_LIMIT:
            return None
        line = self._line(name) or self._line(COMPACT_DATE.sub(r"-\1-\2-\3", name))
        if line is None:
            return None
        return Model(line.matches, msgspec.json.decode(line.prices, type=Conditional), _tiers(line.tiers))

    def _line(self, name: str) -> Line | None:
        nobody = len(self._lines)
        exact = self._exact.get(name, nobody)
        other = next((index for index, match in self._others if index >= exact or matches(match, name)), nobody)
        first = min(exact, other)
        return self._lines[first] if first < nobody else None


class Table(msgspec.Struct):
    """The file. A family stays packed until it is asked for."""

    families: dict[str, msgspec.Raw]


def load_families(names: Iterable[str]) -> dict[str, Family]:
    """The named families and those they fall back on, with nothing of the rest of the file kept in memory."""
    packed = msgspec.json.decode(TABLE.read_bytes(), type=Table).families
    found: dict[str, Family] = {}
    waiting = [name for name in names if name in packed]
    while waiting:
        name = waiting.pop()
        if name not in found:
            # A copy: a slice would keep the whole file alive.
            found[name] = Family(msgspec.json.decode(bytes(packed[name]), type=Packed))
            waiting.extend(found[name].fallback)
    return found


def _tiers(packed: msgspec.Raw) -> dict[str, Conditional]:
    return msgspec.json.decode(packed, type=dict[str, Conditional])


def matches(match: Match, name: str) -> bool:
    """Whether a lower-case name matches."""
    if not isinstance(match, str):
        return all(matches(each, name) for each in match)
    sigil, text = match[0], match[1:]
    if sigil == "=":
        return name == text
    if sigil == "^":
        return name.startswith(text)
    if sigil == "$":
        return name.endswith(text)
    if sigil == "~":
        return text in name
    return re.search(text, name) is not None


def prices_at(model: Model, now: float) -> tuple[RateList, Mapping[str, RateList]]:
    """The rates that hold at a Unix time: of two conditions that hold, the later in the list; if none does, the first."""
    moment = datetime.fromtimestamp(now, UTC)
    standard = _holding(model.prices, moment)
    tiers = {tier: _holding(variants, moment) for tier, variants in model.tiers.items()}
    # Of a tier's variants the first that holds wins, word by word; one without rates costs what the standard tier does.
    merged = {
        tier: {word: rate for rates in reversed(holding) for word, rate in rates.items()}
        for tier, holding in tiers.items()
        if holding
    }
    return (standard[-1] if standard else model.prices[0][1]), merged


def _holding(conditional: Conditional, moment: datetime) -> list[dict[str, Rate]]:
    return [rates for condition, rates in conditional if _holds(condition, moment)]


def next_change(model: Model, now: float) -> float | None:
    """The Unix time at which other rates may hold, None where the same hold for good."""
    conditions = [condition for condition, _ in model.prices]
    conditions += [condition for variants in model.tiers.values() for condition, _ in variants]
    moment = datetime.fromtimestamp(now, UTC)
    changes = [change for condition in conditions for change in _changes(condition, moment) if change > moment]
    return min(changes).timestamp() if changes else None


def _holds(condition: str, moment: datetime) -> bool:
    if not condition:
        return True
    if ":" not in condition:
        return moment.date() >= date.fromisoformat(condition)
    start, end = map(time.fromisoformat, condition.split("-"))
    inside = moment.time() >= start, moment.time() < end
    return all(inside) if start <= end else any(inside)


def _changes(condition: str, moment: datetime) -> Iterator[datetime]:
    if not condition:
        return
    if ":" not in condition:
        yield datetime.combine(date.fromisoformat(condition), time(), UTC)
        return
    for text in condition.split("-"):
        today = datetime.combine(moment.date(), time.fromisoformat(text), UTC)
        yield today
        yield today + timedelta(days=1)
