"""What one call used, at its end: the provider's own numbers where it gave any, else an estimate from what was seen."""

from collections.abc import Callable
from typing import Protocol

from durward.calls.record import Closing
from durward.calls.resource import Action
from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.metering.estimate import estimate_usage
from durward.metering.prices import Price
from durward.protocols.wire import ModelRequest

USAGE_KEPT = 4_096
"""A verbatim usage object larger than this many bytes is not kept."""


PriceOf = Callable[[str], Price | None]
"""The price of a model by the name with which the provider answered."""


class Source(Protocol):
    """What tells usage: a whole answer, or the reader of a stream, complete or not."""

    @property
    def usage(self) -> Usage | None: ...

    text_bytes: int
    model: str
    """The model that answered, as the provider names it; "" where it does not."""
    finished: bool
    """True once the answer is known to be whole, so that the numbers are final."""


class Meter:
    """Follows one call. Whatever ends the call, `measure` says what is known of its use by then."""

    __slots__ = ("_action", "_answered", "_price", "_sent", "_source", "request")

    def __init__(self, action: Action, request: ModelRequest | None) -> None:
        self.request = request
        self._action = action
        self._price: Price | None = None
        self._sent = False
        self._source: Source | None = None
        self._answered: PriceOf | None = None

    def sends(self, price: Price | None, answered: PriceOf | None = None) -> None:
        """The request is about to go to a target with this price, so from now on it may cost.

        Where the provider may answer with another model, `answered` tells the price of the one that did.
        """
        self._sent = True
        self._price = price
        self._answered = answered

    def void(self) -> None:
        """The target did not take the request, or answered with an error status: nothing was used."""
        self._sent = False

    def follow(self, source: Source) -> None:
        """Take the numbers from `source`, as far as it has come when the call ends."""
        self._source = source

    def measure(self, closing: Closing) -> None:
        """Fill in tokens, cost, and the provider's usage object. Calls that are no model calls have no price yet, so no cost."""
        if self.request is None:
            return
        if not self._sent or self._action == "count":
            closing.cost_nano = 0
            return
        usage = self._usage(self.request.text_bytes)
        closing.tokens = usage.tokens
        closing.estimated = usage.estimated
        if usage.verbatim is not None and len(bytes(usage.verbatim)) <= USAGE_KEPT:
            closing.usage = usage.verbatim
        price = self._price
        if self._answered is not None:
            price = self._answered(self._source.model if self._source is not None else "")
        if price is None:
            closing.price_partial = True
            return
        cost = price.cost(usage)
        closing.cost_nano = cost.nano
        closing.price_partial = cost.partial

    def _usage(self, input_bytes: int) -> Usage:
        source = self._source
        seen = source.usage if source is not None else None
        if source is not None and seen is not None and source.finished:
            return seen
        guess = estimate_usage(input_bytes, source.text_bytes if source is not None else 0)
        return guess if seen is None else _at_least(seen, guess)


def _at_least(seen: Usage, guess: Usage) -> Usage:
    """A cut answer: the provider's input stands; its output so far may be a stale count, and what was read is the better bound."""
    tokens = seen.tokens
    counted = tokens.output + tokens.reasoning
    output = tokens.output + max(0, guess.tokens.output - counted)
    kept = Tokens(tokens.input, tokens.cached_input, tokens.cache_write, output, tokens.reasoning)
    return Usage(kept, seen.split, seen.fees, seen.service_tier, seen.verbatim, estimated=True)
