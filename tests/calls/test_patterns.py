"""`*` matches anything including `/`, everything else matches itself."""

from fnmatch import translate
from re import compile as regex

from hypothesis import given
from hypothesis import strategies as st

from durward.calls.patterns import matcher, matches

texts = st.text(alphabet="ab/.*[?", max_size=8)


@given(st.lists(texts, min_size=1, max_size=3), texts)
def test_a_list_matches_as_any_of_its_globs_does(patterns: list[str], value: str) -> None:
    # fnmatch knows `[` and `?` too, so they are quoted for the oracle.
    quoted = ["".join(f"[{letter}]" if letter in "[?" else letter for letter in pattern) for pattern in patterns]
    expected = any(regex(translate(pattern)).match(value) is not None for pattern in quoted)
    assert matches(patterns, value) is expected


def test_case_and_slashes_are_told_apart_from_nothing_else() -> None:
    assert matches(["model/gpt-*"], "model/gpt-4o/mini")
    assert not matches(["model/gpt-*"], "Model/gpt-4o")
    assert not matches(["model/gpt-4o"], "model/gpt-4oX")
    assert not matches(["model/gpt.4o"], "model/gptx4o")


def test_a_star_asks_nothing_and_no_list_means_any() -> None:
    assert matcher(["a", "*"]) is None
    assert matches(None, "anything")
    assert not matches([], "anything")
