"""What people read: the place, the line, the caret, the suggestion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.config.mistakes import (
    CHOICES_LIMIT,
    LINE_LIMIT,
    SHOWN_COLUMNS,
    Mistake,
    Mistakes,
    Source,
    Span,
    distance,
    nearest,
    quoted,
    suggest,
)


def shown(text: str, span: Span | None, hint: str = "") -> list[str]:
    return Source("durward.yaml", text).show(Mistake(span, "what", hint)).split("\n")


def test_a_mistake_points_at_its_place() -> None:
    assert shown("a: 1\n  mode: enforse\n", Span(1, 8, 15), "Did you mean `enforce`?") == [
        "durward.yaml:2:9: what",
        "    2 |   mode: enforse",
        "      |         ^^^^^^^",
        "      = Did you mean `enforce`?",
    ]


def test_a_place_that_goes_on_is_marked_to_the_end_of_its_line() -> None:
    assert shown("a: |  \n  x", Span(0, 3, None))[2] == "      |    ^"
    assert shown("a:\n  b: 1\n  c: 2", Span(1, 2, None))[2] == "      |   ^^^^"


def test_the_file_as_a_whole_has_no_place() -> None:
    assert shown("", None, "Do this.") == ["durward.yaml: what", "      = Do this."]


def test_a_place_behind_the_last_line_is_shown_too() -> None:
    assert shown("a: [", Span(1, 0, 1))[:2] == ["durward.yaml:2:1: what", "    2 |"]


def test_the_caret_stands_right_under_tabs_and_wide_letters() -> None:
    assert shown("\tmode: x", Span(0, 7, 8))[2] == "      | \t      ^"
    assert shown("名: x", Span(0, 3, 4))[2] == "      |     ^"
    assert shown("x: 名", Span(0, 3, 4))[2] == "      |    ^^"


def test_a_long_line_is_shown_around_the_place() -> None:
    text = "a: " + "x" * 300 + " here " + "y" * 300
    line, caret = shown(text, Span(0, 304, 308))[1:3]
    assert len(line) <= SHOWN_COLUMNS + 10
    assert line[caret.index("^") : caret.index("^") + 4] == "here"
    assert caret.count("^") == 4


def test_a_line_beyond_all_bounds_is_not_shown() -> None:
    assert shown("x" * (LINE_LIMIT + 1), Span(0, 3, 4), "Hint.") == ["durward.yaml:1:4: what", "      = Hint."]


def test_control_characters_never_reach_the_terminal() -> None:
    assert "\x1b" not in "".join(shown("a: \x1b[31mred", Span(0, 3, 4)))
    assert quoted("a\x1b[31m\nb") == "`a�[31m�b`"


def test_hidden_places_are_blotted_out_column_by_column() -> None:
    source = Source("f", "a: topsecret, b: x")
    source.hide(Span(0, 3, 12))
    assert source.show(Mistake(Span(0, 17, 18), "what")).split("\n")[1:] == [
        "    1 | a: •••••••••, b: x",
        "      |                  ^",
    ]


def test_mistakes_are_sorted_by_place_and_each_is_told_once() -> None:
    late, early, whole = Mistake(Span(2, 1, 2), "late"), Mistake(Span(0, 5, 6), "early"), Mistake(None, "whole")
    report = str(Mistakes(Source("f", "a\nb\nccc"), [late, early, whole, late]))
    assert [line for line in report.split("\n") if line.startswith("f")] == ["f: whole", "f:1:6: early", "f:3:2: late"]


@pytest.mark.parametrize(
    "one,other,slips",
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "abc", 0),
        ("abc", "acb", 1),
        ("abc", "abd", 1),
        ("abc", "ab", 1),
        ("kitten", "sitting", 3),
    ],
)
def test_distance(one: str, other: str, slips: int) -> None:
    assert distance(one, other) == slips


@given(st.text("ab-", max_size=8), st.text("ab-", max_size=8))
def test_distance_is_one_for_a_slip_and_even_handed(one: str, other: str) -> None:
    assert distance(one, other) == distance(other, one)
    assert (distance(one, other) == 0) is (one == other)
    assert distance(one, one + "x") == 1
    assert distance(one, other) <= max(len(one), len(other))


@pytest.mark.parametrize(
    "word,meant",
    [("polices", "policies"), ("Mode", "mode"), ("apsi", "apis"), ("xyz", None), ("", None), ("p" * 1000, None)],
)
def test_the_nearest_word_is_guessed_only_when_near(word: str, meant: str | None) -> None:
    assert nearest(word, ["policies", "mode", "apis"]) == meant


def test_a_suggestion_says_what_was_meant_and_what_is_allowed() -> None:
    assert suggest("raed", ["read", "write"]) == "Did you mean `read`? Allowed: read, write."
    assert suggest("x", []) == ""


def test_quoted_values_are_short() -> None:
    assert quoted("x y " * 100).endswith("…`")
    assert len(quoted("x y " * 100)) < 80


def test_long_lists_of_choices_are_cut() -> None:
    assert suggest("x", [f"name{number}" for number in range(CHOICES_LIMIT + 1)]).endswith(f"name{CHOICES_LIMIT - 1} …")


@given(st.text("ab-", max_size=8), st.text("ab-", max_size=8), st.integers(1, 4))
def test_a_bound_only_saves_work(one: str, other: str, bound: int) -> None:
    found = distance(one, other)
    assert distance(one, other, bound) == found or (found >= bound <= distance(one, other, bound))
