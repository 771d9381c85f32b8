"""The provider's numbers win; what was cut is estimated from what was seen; what was not taken costs nothing."""

import msgspec

from durward.calls.record import Closing
from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.metering.cost import Price
from durward.metering.meter import Meter
from durward.protocols.members import Body
from durward.protocols.wire import Answer, ModelRequest

PRICE = Price({"input": "1", "output": "2"}, {}, {}, covering=True)
ASKED = ModelRequest("m", False, Body({}), text_bytes=400)
SAID = Usage(Tokens(input=10, output=5), verbatim=msgspec.Raw(b'{"n":1}'))


def measured(meter: Meter) -> Closing:
    closing = Closing("id", "ok")
    meter.measure(closing)
    return closing


def test_a_whole_answers_own_numbers_are_priced() -> None:
    meter = Meter("generate", ASKED)
    meter.sends(PRICE)
    meter.follow(Answer(SAID, text_bytes=4_000))
    closing = measured(meter)
    assert closing.tokens == Tokens(input=10, output=5)
    assert (closing.cost_nano, closing.estimated, closing.price_partial) == (20_000, False, False)
    assert closing.usage is not None
    assert bytes(closing.usage) == b'{"n":1}'


def test_without_numbers_four_bytes_are_a_token() -> None:
    meter = Meter("generate", ASKED)
    meter.sends(PRICE)
    meter.follow(Answer(None, text_bytes=41))
    closing = measured(meter)
    assert closing.tokens == Tokens(input=100, output=11)
    assert closing.estimated


def test_a_cut_stream_keeps_the_providers_input_and_counts_the_output_seen() -> None:
    meter = Meter("generate", ASKED)
    meter.sends(PRICE)
    meter.follow(Answer(Usage(Tokens(input=10, output=1)), text_bytes=80, finished=False))
    closing = measured(meter)
    assert closing.tokens == Tokens(input=10, output=20)
    assert closing.estimated


def test_a_cut_stream_never_counts_less_than_the_provider_said() -> None:
    meter = Meter("generate", ASKED)
    meter.sends(PRICE)
    meter.follow(Answer(Usage(Tokens(input=10, output=50, reasoning=9)), text_bytes=80, finished=False))
    assert measured(meter).tokens == Tokens(input=10, output=50, reasoning=9)


def test_a_caller_that_hung_up_before_any_answer_is_estimated_from_its_input() -> None:
    meter = Meter("generate", ASKED)
    meter.sends(PRICE)
    closing = measured(meter)
    assert closing.tokens == Tokens(input=100)
    assert (closing.estimated, closing.cost_nano) == (True, 100_000)


def test_what_no_upstream_took_costs_nothing() -> None:
    meter = Meter("generate", ASKED)
    assert (measured(meter).cost_nano, measured(meter).tokens) == (0, None)
    meter.sends(PRICE)
    meter.void()
    assert (measured(meter).cost_nano, measured(meter).tokens) == (0, None)


def test_no_price_is_partial_and_never_zero() -> None:
    meter = Meter("generate", ASKED)
    meter.sends(None)
    meter.follow(Answer(SAID))
    closing = measured(meter)
    assert (closing.cost_nano, closing.price_partial) == (None, True)
    assert closing.tokens == SAID.tokens


def test_counting_tokens_uses_none() -> None:
    meter = Meter("count", ASKED)
    meter.sends(PRICE)
    meter.follow(Answer(None))
    assert (measured(meter).cost_nano, measured(meter).tokens) == (0, None)


def test_a_call_that_is_no_model_call_has_no_cost_yet() -> None:
    meter = Meter("request", None)
    meter.sends(None)
    closing = measured(meter)
    assert (closing.cost_nano, closing.price_partial) == (None, False)
