"""Golden rows: the cost of hundreds of (model, usage) pairs as genai-prices computes it, through its own lookup and arithmetic.

Two differences are ours by intent. We round up to a nano-dollar, once. And where a list has no rate for something that was used, its
authors charge the wider rate (cached input as input, audio as text) or nothing; we say that the cost is unknown.
"""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from genai_prices.data import providers
from genai_prices.types import (
    ClauseAnd,
    ClauseEquals,
    ClauseOr,
    ClauseStartsWith,
    ModelInfo,
    PriceVariant,
    Provider,
)
from genai_prices.types import Usage as SourceUsage

from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.config.settings import Provider as Configured
from durward.config.settings import Settings
from durward.metering.prices import Prices
from tests.metering.generate import SELECTORS
from tests.metering.test_prices import NOON, SetClock

FAMILIES = ("openai", "anthropic", "google", "groq", "mistral", "deepseek", "x-ai", "openrouter", "perplexity", "azure")
EACH = 45
"""Models a family at most, spread over its list."""
SETTINGS = Settings(
    "127.0.0.1:0", "/d", providers=tuple(Configured(name, "openai", "http://h/", price_as=name) for name in FAMILIES)
)
WHEN = datetime.fromtimestamp(NOON, UTC)
TIERS = ("flex", "priority", "batch", "fast")

USAGES = {
    "plain": Usage(Tokens(input=1_234, output=567)),
    "one token": Usage(Tokens(input=1)),
    "cached": Usage(Tokens(input=1_000, cached_input=77_777, output=1)),
    "cache write": Usage(Tokens(input=3, cache_write=12_345, output=9)),
    "one hour": Usage(Tokens(input=3, cache_write=100, output=9), split={"cache_write_1h": 60}),
    "reasoning": Usage(Tokens(input=10, output=20, reasoning=4_321)),
    "long": Usage(Tokens(input=300_001, output=1_001)),
    "edge": Usage(Tokens(input=100_000, output=1)),
    "audio": Usage(Tokens(input=100, output=30), split={"audio_input": 90, "audio_output": 10}),
    "search": Usage(Tokens(input=100, output=30), fees={"web_search": 3}),
    **{tier: Usage(Tokens(input=999, output=111), service_tier=tier) for tier in TIERS},
}
UNITS = {
    "input": "input_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "output": "output_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
    "web_search": "web_searches_kcount",
}
UNCOUNTED = ("audio_hours", "input_mchars", "pages", "messages", "requests", "citation")


def name_of(model: ModelInfo) -> str:
    """A name that the model's own clause matches."""
    clause = model.match
    while isinstance(clause, ClauseOr | ClauseAnd):
        clause = clause.or_[0] if isinstance(clause, ClauseOr) else clause.and_[0]
    if isinstance(clause, ClauseEquals):
        return clause.equals
    return clause.starts_with if isinstance(clause, ClauseStartsWith) else model.id


def rows() -> Iterator[tuple[str, str, str]]:
    for family in FAMILIES:
        provider = source(family)
        for model in provider.models[:: max(1, len(provider.models) // EACH)]:
            if provider.find_model(name_of(model)) is not None:
                yield from ((family, name_of(model), usage) for usage in USAGES)


def source(family: str) -> Provider:
    return next(provider for provider in providers if provider.id == family)


def counted(usage: Usage) -> dict[str, int]:
    """Our usage in the source's units, which contain one another."""
    tokens, split = usage.tokens, usage.split
    return {
        "input_tokens": tokens.input + tokens.cached_input + tokens.cache_write,
        "cache_read_tokens": tokens.cached_input,
        "cache_write_tokens": tokens.cache_write,
        "cache_write_1h_tokens": split.get("cache_write_1h", 0),
        "output_tokens": tokens.output + tokens.reasoning,
        "output_reasoning_tokens": tokens.reasoning,
        "input_audio_tokens": split.get("audio_input", 0),
        "output_audio_tokens": split.get("audio_output", 0),
        "web_searches": usage.fees.get("web_search", 0),
    }


def variant_of(model: ModelInfo, tier: str) -> PriceVariant | None:
    """The variant that a tier selects, under whichever selector an answer can tell."""
    wanted = [{selector: tier} for selector in SELECTORS]
    return next((each for each in model.price_variants or () if each.when in wanted), None)


def lacking(family: str, model: ModelInfo, usage: Usage) -> bool:
    """Whether the source's list has no rate of its own for something that was used, or none for the service tier."""
    given = {unit for unit, value in vars(model.get_prices(WHEN)).items() if value is not None}
    if any(word in unit for unit in given for word in UNCOUNTED):
        return True
    if usage.service_tier and variant_of(model, usage.service_tier) is None:
        return True
    tokens = usage.tokens
    used = {kind for kind in ("input", "cached_input", "cache_write") if getattr(tokens, kind)}
    used |= {"output"} if tokens.output + tokens.reasoning else set()
    used |= usage.split.keys() | usage.fees.keys()
    if family == "google":
        used -= {"audio_input"}
    return not {UNITS[word] for word in used} <= given


@pytest.fixture(scope="module")
def ours() -> Prices:
    return Prices(SETTINGS, SetClock())


def test_there_are_a_few_hundred_rows_that_both_can_compute(ours: Prices) -> None:
    computed = [row for row in rows() if cost(ours, *row) is not None]
    assert len(computed) > 1_000
    assert {family for family, _, _ in computed} == set(FAMILIES)
    assert {usage for _, _, usage in computed} == set(USAGES)


def cost(ours: Prices, family: str, name: str, usage: str) -> int | None:
    price = ours.of(family, name, f"model/{name}")
    return price.cost(USAGES[usage]).nano if price is not None else None


@pytest.mark.parametrize("family", FAMILIES)
def test_costs_are_those_of_the_source_rounded_up(ours: Prices, family: str) -> None:
    provider = source(family)
    for row in rows():
        if row[0] != family:
            continue
        usage = USAGES[row[2]]
        model = provider.find_model(row[1])
        assert model is not None
        if lacking(family, model, usage):
            assert cost(ours, *row) is None, row
            continue
        variant = variant_of(model, usage.service_tier)
        asked = SourceUsage(**{unit: count for unit, count in counted(usage).items() if count})
        theirs = model.calc_price(
            asked, provider, genai_request_timestamp=WHEN, price_context=variant.when if variant else None
        )
        assert cost(ours, *row) == math.ceil(Fraction(theirs.total_price) * 10**9), row
