"""Patterns: which can match anything at all, and which can mean the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.patterns import matches
from durward.config.mistakes import Wrong
from durward.config.resources import meets, name_pattern, price_pattern, resource_pattern


@pytest.mark.parametrize(
    "value",
    [
        "*",
        "model/*",
        "model/gpt-4o",
        "m*",
        "*del/x",
        "api/crm/*",
        "api/crm/GET/a b",
        "api/*/x",
        "api/crm/PURGE/x",
        "api/crm/*T/x",
        "provider/openai/POST/files*",
        "api/crm",
        "tool/github/*",
        "prompt/x/y",
        "a2a/z",
        "egress/h/GET/x",
    ],
)
def test_patterns_that_can_match(value: str) -> None:
    assert resource_pattern(value) == value


@pytest.mark.parametrize(
    "value,hint",
    [
        ("gpt-4o", "`model/gpt-4o`"),
        ("models/gpt-4o", "`model/gpt-4o`"),
        ("modle/*", "`model/*`"),
        ("model", "`model/*`"),
        ("model/", "`model/*`"),
        ("/model/x", "A resource is"),
        ("x*", "A resource is"),
        ("api/crm/get/x", "A resource is"),
        ("api/crm/search", "A resource is"),
        ("provider/p/Post/x", "A resource is"),
    ],
)
def test_patterns_that_never_match(value: str, hint: str) -> None:
    with pytest.raises(Wrong, match="never match") as caught:
        resource_pattern(value)
    assert hint in caught.value.hint


@pytest.mark.parametrize("value", ["", " model/x", "model/x ", "model/\n", "x" * 513, 5, None, []])
def test_what_is_no_pattern(value: object) -> None:
    with pytest.raises(Wrong):
        resource_pattern(value)


def test_only_models_have_prices() -> None:
    assert price_pattern("model/qwen*") == "model/qwen*"
    assert price_pattern("*") == "*"
    with pytest.raises(Wrong, match="only models"):
        price_pattern("api/crm/*")


def test_name_patterns() -> None:
    assert name_pattern("team-*") == "team-*"
    for value in ["", "a b", "a/b", 5, None]:
        with pytest.raises(Wrong):
            name_pattern(value)


texts = st.text("ab/*", max_size=6)


@given(texts, texts, st.text("ab/", max_size=6))
def test_what_matches_both_proves_that_they_meet(one: str, other: str, text: str) -> None:
    if matches((one,), text) and matches((other,), text):
        assert meets(one, other)


@given(texts, texts)
def test_patterns_meet_just_where_a_short_text_matches_both(one: str, other: str) -> None:
    # Filling each star of one with nothing or with the other is enough to find a common text, if there is one.
    fillings = {""} | {other.replace("*", "")[i:j] for i in range(len(other) + 1) for j in range(i, len(other) + 1)}
    pieces = one.split("*")
    candidates = {pieces[0]}
    for piece in pieces[1:]:
        candidates = {found + filling + piece for found in candidates for filling in fillings if len(found) < 14}
    common = any(matches((other,), candidate) for candidate in candidates)
    if "*" not in one or one.count("*") < 3:
        assert meets(one, other) is common


def test_meeting_costs_no_more_than_the_product_of_the_lengths() -> None:
    assert not meets("*a" * 250 + "b", "*a" * 250 + "c")
