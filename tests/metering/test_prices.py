"""Which price holds: the host's table, the operator's patterns over it, and the moment."""

from datetime import UTC, datetime

import pytest

from durward.calls.tokens import Tokens
from durward.calls.usage import Cost, Usage
from durward.config.settings import PriceOverride, Provider, Settings
from durward.metering.prices import KEPT, Prices

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
MILLION = Usage(Tokens(input=1_000_000))


class SetClock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


def prices(*overrides: PriceOverride, clock: SetClock | None = None, **base_urls: str) -> Prices:
    providers = tuple(Provider(name, "openai", url) for name, url in base_urls.items())
    return Prices(Settings("127.0.0.1:0", "/d", providers=providers, prices=overrides), clock or SetClock())


def dollars(found: Prices, provider: str, model: str, resource: str = "") -> float | None:
    """What a million input tokens cost."""
    price = found.of(provider, model, resource or f"model/{model}")
    nano = price.cost(MILLION).nano if price is not None else None
    return nano / 1e9 if nano is not None else None


def test_the_table_follows_from_the_host() -> None:
    found = prices(
        a="https://api.openai.com/v1",
        b="https://api.groq.com/openai/v1",
        c="http://127.0.0.1:1/v1",
        openai="http://h/v1",
    )
    assert dollars(found, "a", "gpt-4o-mini") == 0.15
    assert dollars(found, "a", "GPT-4o-mini") == 0.15
    assert dollars(found, "b", "gpt-4o-mini") is None
    assert dollars(found, "c", "gpt-4o-mini") is None
    assert dollars(found, "openai", "gpt-4o-mini") is None


def test_a_provider_may_name_the_table_that_it_follows() -> None:
    settings = Settings("127.0.0.1:0", "/d", providers=(Provider("p", "openai", "http://h/v1", price_as="openai"),))
    assert dollars(Prices(settings, SetClock()), "p", "gpt-4o-mini") == 0.15


def test_an_unknown_model_or_provider_has_no_price() -> None:
    found = prices(a="https://api.openai.com/v1")
    assert found.of("a", "gpt-nobody", "model/gpt-nobody") is None
    assert found.of("b", "gpt-4o-mini", "model/gpt-4o-mini") is None


def test_an_override_needs_no_table() -> None:
    found = prices(PriceOverride("model/qwen*", input="0.1"), local="http://127.0.0.1:11434/v1")
    assert dollars(found, "local", "qwen3") == 0.1
    assert dollars(found, "local", "llama") is None


def test_an_override_stands_over_the_table_word_by_word() -> None:
    found = prices(PriceOverride("model/gpt-4o-mini", input="1"), a="https://api.openai.com/v1")
    price = found.of("a", "gpt-4o-mini", "model/gpt-4o-mini")
    assert price is not None
    assert price.cost(Usage(Tokens(input=1, output=1))) == Cost(1_000 + 600)


def test_an_override_matches_the_name_used_or_the_target() -> None:
    found = prices(
        PriceOverride("model/quick", input="1"),
        PriceOverride("model/a/gpt-4o", input="2"),
        a="https://api.openai.com/v1",
    )
    assert dollars(found, "a", "gpt-4o-mini", "model/quick") == 1
    assert dollars(found, "a", "gpt-4o", "model/other") == 2


def test_the_most_specific_pattern_wins_alone() -> None:
    found = prices(
        PriceOverride("*", input="1", output="1"),
        PriceOverride("model/q*", input="2"),
        PriceOverride("model/*en", input="3"),
        PriceOverride("model/qwen", input="4"),
        PriceOverride("model/qw*", input="5"),
        PriceOverride("model/*x*", input="6"),
        p="http://h/v1",
    )
    assert dollars(found, "p", "qwen") == 4
    assert dollars(found, "p", "qa") == 2
    assert dollars(found, "p", "qa-en") == 3
    assert dollars(found, "p", "qwx") == 5
    assert dollars(found, "p", "mixtral") == 6
    assert dollars(found, "p", "llama") == 1
    price = found.of("p", "qa", "model/qa")
    assert price is not None
    assert price.cost(Usage(Tokens(output=1))) == Cost(None, True)


def test_of_two_patterns_as_specific_the_first_wins() -> None:
    found = prices(PriceOverride("model/q*", input="1"), PriceOverride("model/*q", input="2"), p="http://h/v1")
    assert dollars(found, "p", "q-q") == 1


def test_a_model_that_is_charged_by_what_we_do_not_count_has_no_cost() -> None:
    found = prices(a="https://api.perplexity.ai")
    assert dollars(found, "a", "sonar") is None


def test_a_list_that_serves_anothers_models_keeps_none_of_its_service_tiers() -> None:
    settings = Settings("127.0.0.1:0", "/d", providers=(Provider("p", "openai", "http://h/v1", price_as="azure"),))
    price = Prices(settings, SetClock()).of("p", "gpt-5.2", "")
    assert price is not None
    assert price.cost(Usage(Tokens(input=1))) == Cost(1_750)
    assert price.cost(Usage(Tokens(input=1), service_tier="flex")).partial


@pytest.mark.parametrize(
    "tier,nano", [("", 1_250), ("default", 1_250), ("flex", 625), ("priority", 2_500), ("scale", None)]
)
def test_service_tiers_of_the_table(tier: str, nano: int | None) -> None:
    price = prices(a="https://api.openai.com/v1").of("a", "gpt-5", "")
    assert price is not None
    assert price.cost(Usage(Tokens(input=1), service_tier=tier)).nano == nano


def test_a_price_changes_with_the_time_of_day_and_not_before() -> None:
    clock = SetClock()
    found = prices(clock=clock, a="https://api.deepseek.com")
    off_peak = dollars(found, "a", "deepseek-v4-pro")
    clock.now = datetime(2026, 11, 21, 0, 59, 59, tzinfo=UTC).timestamp()
    assert dollars(found, "a", "deepseek-v4-pro") == off_peak == 0.66
    clock.now += 1
    assert dollars(found, "a", "deepseek-v4-pro") == 1.32


def test_prices_kept_are_bounded_and_the_used_ones_stay() -> None:
    found = prices(PriceOverride("*", input="1"), p="http://h/v1")
    first = found.of("p", "first", "model/first")
    for number in range(KEPT + 10):
        found.of("p", f"m{number}", "model/m")
        assert found.of("p", "first", "model/first") is first
    assert len(found._kept) == KEPT
