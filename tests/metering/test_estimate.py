from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.metering.estimate import estimate_usage


def test_a_token_for_every_four_bytes_begun() -> None:
    assert estimate_usage(0, 0) == Usage(Tokens(), estimated=True)
    assert estimate_usage(1, 4).tokens == Tokens(input=1, output=1)
    assert estimate_usage(5, 9).tokens == Tokens(input=2, output=3)
