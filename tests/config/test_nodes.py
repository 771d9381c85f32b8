from decimal import Decimal

import pytest

from durward.config.mistakes import Span
from durward.config.nodes import Node, resolve


@pytest.mark.parametrize(
    "text,value",
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("12", 12),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("0.1", Decimal("0.1")),
        (".5", Decimal("0.5")),
        ("3e-1", Decimal("0.3")),
        ("1.", Decimal(1)),
        ("9" * 50, Decimal("9" * 50)),
    ],
)
def test_plain_scalars_mean_what_the_core_schema_says(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "word",
    ["yes", "no", "on", "off", "y", "1_000", "12:30", "2026-01-01", ".inf", ".nan", "1e99999999999999999999", "0b1"],
)
def test_what_yaml_1_1_took_for_something_else_is_a_word(word: str) -> None:
    assert resolve(word) == word


def test_a_number_of_any_length_costs_no_more_than_its_length() -> None:
    # int() refuses more than 4,300 digits, and is quadratic below that.
    assert isinstance(resolve("1" * 1_000_000), Decimal)


def test_paths_lead_to_nodes_or_nowhere() -> None:
    place = Span(0, 0, 1)
    outer, inner, key = Node("mapping", place), Node("scalar", place, "x"), Node("scalar", place, "a")
    outer.entries["a"] = (key, inner)
    assert outer.get("a") is inner
    assert outer.get() is outer
    assert outer.get("b") is None
    assert outer.get("a", "b") is None
    assert list(inner.pairs()) == []


def test_strings_leave_out_what_is_none() -> None:
    place = Span(0, 0, 1)
    items = Node("list", place)
    items.items = [
        Node("scalar", place, "a", plain=True),
        Node("scalar", place, "1", plain=True),
        Node("scalar", place, "1"),
    ]
    assert [text for text, _ in items.strings()] == ["a", "1"]
