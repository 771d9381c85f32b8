"""Writes the price table from genai-prices, a development dependency: `scripts/prices`.

The source prices by dimensions, the table by the words of `calls/usage.py`. What our usage cannot count (hours, characters, pages,
requests) makes a model unpriceable: it stays in the table without rates, so that no wider name further down matches instead.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from genai_prices.data import providers
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

TABLE = Path(__file__).parents[2] / "src" / "durward" / "metering" / "table.json"

KINDS = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    **{f"input_{modality}_mtok": f"{modality}_input" for modality in ("audio", "image", "video")},
    **{f"cache_{modality}_read_mtok": f"{modality}_cached_input" for modality in ("audio", "image", "video")},
    **{f"output_{modality}_mtok": f"{modality}_output" for modality in ("audio", "image", "video")},
}
"""USD per million tokens."""
FEES = {
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
    "social_searches_kcount": "social_search",
    "code_executions_kcount": "code_execution",
}
"""USD per thousand uses."""
SELECTORS = {"service_tier", "processing", "speed"}
"""What selects a variant by a name that answers report as their service tier; a variant of anything else cannot be told."""
COVERING = {"google"}
"""Whose price lists state one input rate for every modality and name those that differ; elsewhere one rate means text."""
LEFT_OUT = {"openai-decisions"}
"""A route of another provider's host, not a provider."""


def matches(clause: object) -> list[Any]:
    """A clause in disjunctive form: alternatives, each a sigil with its text, or a list of those that must all hold."""
    if isinstance(clause, ClauseOr):
        return [alternative for inner in clause.or_ for alternative in matches(inner)]
    if isinstance(clause, ClauseAnd):
        return [[one for inner in clause.and_ for one in matches(inner)]]
    if isinstance(clause, ClauseRegex):
        return [f"/{clause.regex}"]
    if isinstance(clause, ClauseEquals):
        return [f"={clause.equals.lower()}"]
    if isinstance(clause, ClauseStartsWith):
        return [f"^{clause.starts_with.lower()}"]
    if isinstance(clause, ClauseEndsWith):
        return [f"${clause.ends_with.lower()}"]
    if isinstance(clause, ClauseContains):
        return [f"~{clause.contains.lower()}"]
    raise TypeError(f"a clause that the table has no form for: {clause!r}")


def text(price: Decimal) -> str:
    return format(price, "f")


def rate(price: Decimal | TieredPrices) -> Any:
    """A rate, or where it depends on the prompt: more input tokens than this -> rate."""
    if isinstance(price, TieredPrices):
        return {"0": text(price.base), **{str(tier.start): text(tier.price) for tier in price.tiers}}
    return text(price)


def counted(price: ModelPrice) -> bool:
    """Whether all that the model is priced by is something that we count."""
    return {unit for unit, value in vars(price).items() if value is not None} <= KINDS.keys() | FEES.keys()


def rates(price: ModelPrice) -> dict[str, Any]:
    """The rates by our words."""
    given = {unit: value for unit, value in vars(price).items() if value is not None}
    return {word: rate(given[unit]) for unit, word in (KINDS | FEES).items() if unit in given}


def condition(constraint: StartDateConstraint | TimeOfDateConstraint | None) -> str:
    """When rates hold: always (empty), from a day on, or at a time of day (UTC)."""
    if constraint is None:
        return ""
    if isinstance(constraint, StartDateConstraint):
        return constraint.start_date.isoformat()
    return f"{constraint.start_time:%H:%M}-{constraint.end_time:%H:%M}"


def variants(model: ModelInfo) -> Iterator[tuple[str, PriceVariant]]:
    for variant in model.price_variants or ():
        if len(variant.when) == 1 and variant.when.keys() <= SELECTORS and counted(variant.prices):
            yield next(iter(variant.when.values())), variant


def entry(model: ModelInfo) -> list[Any]:
    """A model's line: what it matches, its conditional rates (the last that holds counts), those of service tiers over them."""
    prices = model.prices if isinstance(model.prices, list) else [ConditionalPrice(prices=model.prices)]
    if not all(counted(price.prices) for price in prices):
        return [matches(model.match), [["", {}]]]
    line = [matches(model.match), [[condition(price.constraint), rates(price.prices)] for price in prices]]
    tiers: dict[str, list[Any]] = {}
    for tier, variant in variants(model):
        # One without rates of its own says that the tier costs what the standard one does.
        tiers.setdefault(tier, []).append([condition(variant.constraint), rates(variant.prices)])
    return [*line, tiers] if tiers else line


def family(provider: Provider) -> str:
    """One price list, one model a line, so that a new version of the source reads as a diff."""
    known = {other.id for other in providers}
    fallback = [other for other in provider.fallback_model_providers or () if other in known]
    lines = ",\n".join(f"  {compact(entry(model))}" for model in provider.models)
    head = f'"fallback":{compact(fallback)},"covering":{compact(provider.id in COVERING)}'
    return f'"{provider.id}":{{{head},"models":[\n{lines}\n ]}}'


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def notice() -> Iterable[str]:
    found = distribution("genai-prices")
    yield f"Generated by scripts/prices from genai-prices {found.version}, whose licence follows."
    licence = next(path for path in found.files or () if path.name.upper().startswith("LICENSE"))
    yield from licence.read_text("utf-8").split("\n\n")


def table() -> str:
    """The whole file; the same for the same version of genai-prices."""
    families = ",\n ".join(family(provider) for provider in providers if provider.id not in LEFT_OUT)
    notices = [" ".join(paragraph.split()) for paragraph in notice()]
    return f'{{"notice":{json.dumps(notices, indent=1)},\n"families":{{\n {families}\n}}}}\n'


if __name__ == "__main__":
    TABLE.write_text(table(), "utf-8")
    print(f"{TABLE.name}: {TABLE.stat().st_size:,} bytes", file=sys.stderr)
