"""Uses and costs are compared by what they say."""

import msgspec
import pytest

from durward.calls.tokens import Tokens
from durward.calls.usage import Cost, Usage


def test_uses_are_equal_when_they_say_the_same() -> None:
    one, other = (Usage(Tokens(3, output=4), {"audio_input": 1}, verbatim=msgspec.Raw(b"{}")) for _ in range(2))
    assert one == other
    other.fees["web_search"] = 1
    assert one != other
    assert "web_search" in repr(other)
    with pytest.raises(TypeError):
        hash(one)


def test_two_uses_share_nothing() -> None:
    one, other = Usage(Tokens()), Usage(Tokens())
    one.split["audio_input"] = 1
    one.fees["web_search"] = 1
    assert (other.split, other.fees) == ({}, {})


def test_costs_are_values() -> None:
    assert Cost(5) == Cost(5)
    assert Cost(5) != Cost(5, True)
    assert len({Cost(5), Cost(5), Cost(None, True)}) == 2
    assert repr(Cost(None, True)) == "Cost(None, True)"
