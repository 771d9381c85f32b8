"""Cost against exact fractions, and what makes it unknown."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.tokens import Tokens
from durward.calls.usage import Cost, Usage
from durward.metering.cost import KINDS, Price, RateList, kind_of

UNKNOWN = Cost(None, True)
FULL = {"input": "3", "cached_input": "0.3", "cache_write": "3.75", "output": "15"}

counts = st.integers(0, 10**8)
decimals = st.one_of(
    st.integers(0, 10**6).map(str),
    st.decimals(0, 10**6, places=6).map(lambda value: format(value, "f")),
    st.decimals(0, 10, places=18).map(lambda value: format(value, "f")),
)


def price(rates: RateList, tiers: dict[str, RateList] | None = None, override: RateList | None = None) -> Price:
    return Price(rates, tiers or {}, override or {}, covering=False)


@st.composite
def priced_usage(draw: st.DrawFn) -> tuple[dict[str, str], Usage]:
    """Rates for every kind, a split and a fee, and a usage of them."""
    words = [*KINDS, "audio_input", "cache_write_1h", "image_output", "web_search"]
    rates = {word: draw(decimals) for word in words}
    tokens = Tokens(*(draw(counts) for _ in KINDS))
    split = {word: draw(st.integers(0, getattr(tokens, kind_of(word) or ""))) for word in words[5:8]}
    fees = {"web_search": draw(st.integers(0, 10**6))}
    return rates, Usage(tokens, split=split, fees=fees)


def exact(rates: dict[str, str], usage: Usage) -> Fraction:
    """Nano-dollars, by the definition: every token once at its own rate, every use at its fee."""
    left = {kind: getattr(usage.tokens, kind) for kind in KINDS}
    for word, count in usage.split.items():
        left[kind_of(word) or ""] -= count
    counts = [*left.items(), *usage.split.items()]
    tokens = sum((count * Fraction(rates[word]) for word, count in counts), Fraction())
    return tokens * 1000 + sum((count * Fraction(rates[fee]) for fee, count in usage.fees.items()), Fraction()) * 10**6


@given(priced_usage())
def test_cost_is_the_exact_sum_rounded_up_once(drawn: tuple[dict[str, str], Usage]) -> None:
    rates, usage = drawn
    assert price(rates).cost(usage) == Cost(math.ceil(exact(rates, usage)))


@given(
    priced_usage(),
    st.sets(st.sampled_from(["input", "cached_input", "cache_write", "output", "audio_input", "web_search"])),
)
def test_a_missing_rate_matters_just_when_its_kind_was_used(
    drawn: tuple[dict[str, str], Usage], missing: set[str]
) -> None:
    rates, usage = drawn
    left = {kind: getattr(usage.tokens, kind) for kind in KINDS} | usage.split | usage.fees
    for word, count in usage.split.items():
        left[kind_of(word) or ""] -= count
    known = price({word: rate for word, rate in rates.items() if word not in missing}).cost(usage)
    expected = UNKNOWN if any(left[word] for word in missing) else Cost(math.ceil(exact(rates, usage)))
    assert known == expected


def test_one_token_of_the_cheapest_rate_still_costs_a_nano_dollar() -> None:
    assert price({"input": "0.000001"}).cost(Usage(Tokens(input=1))) == Cost(1)


def test_a_free_model_costs_nothing() -> None:
    assert price({"input": "0", "output": "0"}).cost(Usage(Tokens(input=10, output=10))) == Cost(0)


def test_reasoning_is_charged_as_output_where_the_list_says_nothing_else() -> None:
    assert price(FULL).cost(Usage(Tokens(reasoning=2))) == Cost(30_000)
    assert price({**FULL, "reasoning": "1"}).cost(Usage(Tokens(reasoning=2))) == Cost(2_000)


@pytest.mark.parametrize(
    "usage",
    [
        Usage(Tokens(cached_input=1)),
        Usage(Tokens(input=5), split={"audio_input": 5}),
        Usage(Tokens(input=5), split={"image_input": 1}),
        Usage(Tokens(input=5), split={"unheard_of": 1}),
        Usage(Tokens(cache_write=5), split={"cache_write_1h": 5}),
        Usage(Tokens(input=5), fees={"web_search": 1}),
        Usage(Tokens(input=5), service_tier="flex"),
        Usage(Tokens(input=5), service_tier="priority"),
        Usage(Tokens(input=5), service_tier="auto"),
    ],
    ids=["kind", "audio", "image", "split", "one hour", "fee", "flex", "priority", "auto"],
)
def test_what_the_list_lacks_makes_the_cost_unknown(usage: Usage) -> None:
    assert price({"input": "1", "cache_write": "2", "output": "1"}).cost(usage) == UNKNOWN


@pytest.mark.parametrize(
    "usage",
    [
        Usage(Tokens(input=-1, output=10)),
        Usage(Tokens(input=5), split={"audio_input": 6}),
        Usage(Tokens(input=5), split={"audio_input": -1}),
        Usage(Tokens(input=5), split={"audio_input": 3, "image_input": 3}),
        Usage(Tokens(input=5), fees={"web_search": -1}),
        Usage(Tokens(input=10**30)),
    ],
    ids=["negative", "split above its kind", "negative split", "splits above their kind", "negative fee", "absurd"],
)
def test_counts_that_cannot_be_make_the_cost_unknown(usage: Usage) -> None:
    assert (
        price({"input": "1", "output": "1", "audio_input": "9", "image_input": "2", "web_search": "10"}).cost(usage)
        == UNKNOWN
    )


def test_zero_of_an_unknown_kind_is_fine() -> None:
    usage = Usage(Tokens(input=1), split={"audio_input": 0, "unheard_of": 0}, fees={"web_search": 0})
    assert price({"input": "1"}).cost(usage) == Cost(1_000)


def test_five_minutes_is_what_a_plain_cache_write_means() -> None:
    usage = Usage(Tokens(cache_write=3), split={"cache_write_5m": 2, "cache_write_1h": 1})
    assert price({"cache_write": "1", "cache_write_1h": "2"}).cost(usage) == Cost(4_000)


def test_a_covering_list_prices_input_of_every_modality_that_it_does_not_name() -> None:
    covering = Price({"input": "1", "audio_input": "5", "output": "2"}, {}, {}, covering=True)
    assert covering.cost(Usage(Tokens(input=4), split={"image_input": 2, "audio_input": 1})) == Cost(8_000)
    assert covering.cost(Usage(Tokens(output=4), split={"image_output": 2})) == UNKNOWN


@pytest.mark.parametrize("tier", ["", "default", "standard", "on_demand", "STANDARD"])
def test_standard_tiers_have_many_names(tier: str) -> None:
    assert price(FULL).cost(Usage(Tokens(input=1), service_tier=tier)) == Cost(3_000)


def test_a_service_tier_replaces_just_the_rates_that_it_names() -> None:
    flex = price(FULL, {"flex": {"input": "1.5", "output": "7.5"}})
    usage = Usage(Tokens(input=1, cached_input=1, output=1), service_tier="flex")
    assert flex.cost(usage) == Cost(1_500 + 300 + 7_500)


def test_a_longer_prompt_reprices_the_whole_call() -> None:
    tiered = price({"input": {0: "1", 200_000: "2"}, "cached_input": "0.1", "output": {0: "10", 200_000: "15"}})
    assert tiered.cost(Usage(Tokens(input=150_000, cached_input=50_000, output=1))) == Cost(
        150_000_000 + 5_000_000 + 10_000
    )
    assert tiered.cost(Usage(Tokens(input=150_001, cached_input=50_000, output=1))) == Cost(
        300_002_000 + 5_000_000 + 15_000
    )


def test_the_operators_word_holds_for_every_tier_and_length() -> None:
    own = price({**FULL, "input": {0: "1", 10: "2"}}, {"flex": {"input": "0.5"}}, {"input": "7", "output": "8"})
    for tier in ("", "flex", "unheard_of"):
        assert own.cost(Usage(Tokens(input=100, output=1, reasoning=1), service_tier=tier)) == Cost(716_000)
    assert own.cost(Usage(Tokens(input=1, cached_input=1))) == Cost(7_300)
    assert own.cost(Usage(Tokens(input=1, cached_input=1), service_tier="unheard_of")) == UNKNOWN


@given(priced_usage(), st.integers(0, 3), st.data())
def test_no_text_call_costs_more_than_its_worst_case(
    drawn: tuple[dict[str, str], Usage], slack: int, data: st.DataObject
) -> None:
    rates, usage = drawn
    words = [*KINDS, "cache_write_1h"]
    listed: RateList = {
        word: {0: rates[word], 1000: data.draw(decimals)} if word != "output" else rates[word] for word in words
    }
    whole = price(listed, {"priority": {"input": data.draw(decimals)}})
    tokens = usage.tokens
    text = Usage(
        tokens,
        split={"cache_write_1h": usage.split["cache_write_1h"]},
        service_tier=data.draw(st.sampled_from(["", "priority"])),
    )
    bound = whole.worst_case(
        tokens.input + tokens.cached_input + tokens.cache_write + slack, tokens.output + tokens.reasoning + slack
    )
    cost = whole.cost(text).nano
    assert bound is not None
    assert cost is not None
    assert cost <= bound


def test_the_worst_case_is_as_tight_as_the_rates_allow() -> None:
    plain = price({"input": "1", "cached_input": "0.1", "output": "2"})
    assert plain.worst_case(100, 10) == 100_000 + 20_000
    assert price({**FULL, "cache_write_1h": "6"}).worst_case(100, 0) == 600_000
    assert price({"input": {0: "1", 100: "2"}, "output": "0"}).worst_case(100, 0) == 100_000
    assert price({"input": {0: "1", 100: "2"}, "output": "0"}).worst_case(101, 0) == 202_000


def test_there_is_no_worst_case_without_a_bound_or_a_price() -> None:
    assert price(FULL).worst_case(100, None) is None
    assert price({"input": "1"}).worst_case(100, 1) is None
    assert price({"input": "1"}).worst_case(100, 0) == 100_000
    assert price({"output": "1"}).worst_case(100, 1) is None
