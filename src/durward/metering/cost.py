"""Exact cost of a usage: integer arithmetic at one scale a price, summed, rounded up once to nano-dollars.

A rate that is not known is `UNKNOWN`, larger than any sum of known ones. So a kind that was not used costs nothing whether its rate
is known or not, and one that was makes the whole cost unknown: it is never counted as zero, never guessed.
"""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from durward.calls.tokens import Tokens
from durward.calls.usage import Cost, Usage

KINDS = ("input", "cached_input", "cache_write", "output", "reasoning")
STANDARD_TIERS = ("", "default", "standard", "on_demand")
"""What providers call the service tier that their plain price list is for: nothing, OpenAI, Anthropic and Gemini, Groq."""
UNKNOWN = 1 << 320
"""Above 2^64 tokens at 10^9 dollars a million, in units of 10^-30 nano-dollars."""
COST_LIMIT = 1 << 63
"""Nano-dollars. No call costs that much: whoever reports it reports nonsense, and it would not fit a column."""
PARTIAL = Cost(None, True)

NANO_PER_TOKEN = 3
NANO_PER_USE = 6
"""Powers of ten: a dollar a million tokens is 10^3 nano-dollars a token, a dollar a thousand uses 10^6 nano-dollars a use."""

Rate = str | dict[int, str]
"""Decimal text, or where it depends on the prompt: more input tokens than this -> decimal text, from 0."""
RateList = Mapping[str, Rate]
"""Word -> rate: the five kinds and the splits of `calls/usage.py` in USD a million tokens, fees in USD a thousand uses."""


class Rates:
    """What one list charges up to some prompt length, as integers at the scale of its price; `above` for longer prompts."""

    __slots__ = (
        *("above", "cache_write", "cached_input", "dearest_input", "dearest_output"),
        *("fees", "input", "output", "reasoning", "splits"),
    )

    def __init__(self, charged: Mapping[str, str], scale: int) -> None:
        rates = {word: scaled(text, scale + NANO_PER_TOKEN) for word, text in charged.items() if kind_of(word)}
        self.input = rates.get("input", UNKNOWN)
        self.cached_input = rates.get("cached_input", UNKNOWN)
        self.cache_write = rates.get("cache_write", UNKNOWN)
        self.output = rates.get("output", UNKNOWN)
        self.reasoning = rates.get("reasoning", self.output)
        self.splits = {word: rate for word, rate in rates.items() if word not in KINDS}
        self.fees = {word: scaled(text, scale + NANO_PER_USE) for word, text in charged.items() if not kind_of(word)}
        self.above: tuple[tuple[int, Rates], ...] = ()
        """(more input tokens than this, rates), the longest prompts first."""
        texts = [rate for word, rate in rates.items() if word in KINDS[:3] or word.startswith("cache_write_")]
        self.dearest_input = UNKNOWN if self.input == UNKNOWN else max(texts)
        self.dearest_output = max(self.output, self.reasoning)

    def at(self, input_tokens: int) -> "Rates":
        """The rates for a prompt of that length: crossing a threshold reprices the whole call, as providers do."""
        return next((rates for start, rates in self.above if input_tokens > start), self)

    def surcharge(self, usage: Usage, covering: bool) -> int:
        """What splits cost beyond their kind's rate, and fees; at least UNKNOWN where one has no price."""
        if min(usage.fees.values(), default=0) < 0:
            return UNKNOWN
        extra = sum(count * self.fees.get(fee, UNKNOWN) for fee, count in usage.fees.items())
        left = {kind: getattr(usage.tokens, kind) for kind in KINDS} if usage.split else {}
        for word, count in usage.split.items():
            if not count:
                continue
            kind = kind_of(word)
            rate = self.splits.get(word)
            if kind is None or (rate is None and not covered(word, covering)) or not 0 < count <= left[kind]:
                return UNKNOWN
            left[kind] -= count
            if rate is not None:
                extra += count * (rate - getattr(self, kind))
        return extra


class Price:
    """What one model costs at one provider: its rates for each service tier that the lists know."""

    __slots__ = ("_bound", "_covering", "_dearest", "_divisor", "_other", "_tiers")

    def __init__(self, standard: RateList, tiers: Mapping[str, RateList], override: RateList, covering: bool) -> None:
        """`override` is the operator's word and holds for every tier and prompt length.

        `covering`: the list's rate for input holds for every modality that it does not name.
        """
        lists = {tier: {**standard, **rates, **override} for tier, rates in tiers.items()}
        plain = {**standard, **override}
        scale = max((places(text) for rates in (plain, *lists.values()) for text in texts_of(rates)), default=0)
        # A kind's rate is 10^3 nano-dollars times its decimal; only digits behind that need a divisor.
        scale = max(scale - NANO_PER_TOKEN, 0)
        self._divisor: int = 10**scale
        self._bound = COST_LIMIT * self._divisor
        self._covering = covering
        standard_rates = rates_of(plain, scale)
        self._tiers = {tier: rates_of(rates, scale) for tier, rates in lists.items()}
        self._tiers |= dict.fromkeys(STANDARD_TIERS, standard_rates)
        self._other = rates_of(override, scale)
        """For a tier that no list knows: the operator's word alone."""
        self._dearest = dearest(self._tiers.values())

    def cost(self, usage: Usage) -> Cost:
        """The exact cost, rounded up to nano-dollars; partial where a kind, split, fee or tier that was used has no price."""
        tokens = usage.tokens
        rates = self._tiers.get(usage.service_tier) or self._tiers.get(usage.service_tier.lower(), self._other)
        if rates.above:
            rates = rates.at(tokens.input + tokens.cached_input + tokens.cache_write)
        total = (
            tokens.input * rates.input
            + tokens.cached_input * rates.cached_input
            + tokens.cache_write * rates.cache_write
            + tokens.output * rates.output
            + tokens.reasoning * rates.reasoning
        )
        if usage.split or usage.fees:
            total += rates.surcharge(usage, self._covering)
        if total >= self._bound or negative(tokens):
            return PARTIAL
        return Cost(-(-total // self._divisor))

    def worst_case(self, text_bytes: int, max_output: int | None) -> int | None:
        """Nano-dollars that a call cannot exceed: each byte of text a token at the dearest input rate, all output at the dearest.

        Every service tier counts, and every prompt length that so many bytes can reach. None without a bound on output, or
        where input or output has no price. It holds for text: other modalities, fees and tools are not bounded by bytes.
        """
        if max_output is None:
            return None
        worst = 0
        for start, input_rate, output_rate in self._dearest:
            if text_bytes > start:
                worst = max(worst, text_bytes * input_rate + max_output * output_rate)
        return None if worst >= self._bound else -(-worst // self._divisor)


def dearest(tiers: Collection[Rates]) -> list[tuple[int, int, int]]:
    """(more input tokens than this, input rate, output rate) of the rates that can be the dearest; -1 where any length reaches them."""
    reach = {(-1, rates.dearest_input, rates.dearest_output) for rates in tiers}
    reach |= {(start, rates.dearest_input, rates.dearest_output) for tier in tiers for start, rates in tier.above}

    def outdone(one: tuple[int, int, int]) -> bool:
        return any(other != one and other[0] <= one[0] and other[1] >= one[1] and other[2] >= one[2] for other in reach)

    return [one for one in sorted(reach) if not outdone(one)]


def rates_of(charged: RateList, scale: int) -> Rates:
    """The rates of a list, one for each prompt length at which any of them changes."""
    starts = sorted({0}.union(*(rate for rate in charged.values() if isinstance(rate, dict))))
    levels = [(start, Rates({word: _at(rate, start) for word, rate in charged.items()}, scale)) for start in starts]
    base = levels[0][1]
    base.above = tuple(reversed(levels[1:]))
    return base


def _at(rate: Rate, start: int) -> str:
    return rate if isinstance(rate, str) else rate[max(known for known in rate if known <= start)]


def kind_of(word: str) -> str | None:
    """The kind that a word is, or is part of: `audio_cached_input` is cached input, `cache_write_1h` a cache write; None for a fee."""
    if word in KINDS:
        return word
    if word.startswith("cache_write_"):
        return "cache_write"
    return next((kind for kind in ("cached_input", "input", "output") if word.endswith(f"_{kind}")), None)


def covered(split: str, covering: bool) -> bool:
    """Whether a split without a rate of its own is charged as its kind: providers' plain cache write is the five-minute one."""
    return split == "cache_write_5m" or (covering and split.endswith("_input"))


def negative(tokens: Tokens) -> bool:
    """Any count below zero: the or of integers is negative just then."""
    return (tokens.input | tokens.cached_input | tokens.cache_write | tokens.output | tokens.reasoning) < 0


def texts_of(rates: RateList) -> Iterable[str]:
    """Every decimal in a list."""
    for rate in rates.values():
        yield from (rate,) if isinstance(rate, str) else rate.values()


def places(text: str) -> int:
    """Decimal places of a number."""
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int)
    return max(-exponent, 0)


def scaled(text: str, power: int) -> int:
    """A decimal times a power of ten that makes it whole, exactly."""
    _, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    assert exponent + power >= 0
    return int("".join(map(str, digits))) * int(10 ** (exponent + power))
