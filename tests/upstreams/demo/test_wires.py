"""What the demo's wires share."""

from typing import Any

import pytest

from durward.upstreams.demo.talk import Wrong
from durward.upstreams.demo.wires import all_text_of, bound_of, count_of, event, objects, schema_of, size_of, text_of


@pytest.mark.parametrize(
    "content,text",
    [
        ("hi", "hi"),
        (None, ""),
        (3, ""),
        ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}, {"type": "image_url"}], "two"),
        ([{"type": "input_text", "text": "one"}, {"type": "input_image", "text": "no"}], "one"),
        ([{"text": "say it"}, {"type": "text", "text": "<system-reminder>\nnot this"}], "say it"),
        (["odd", {"type": "text", "text": None}], ""),
    ],
)
def test_what_the_user_said_stands_last(content: Any, text: str) -> None:
    assert text_of(content) == text


@pytest.mark.parametrize(
    "content,text",
    [("x", "x"), (None, ""), ([{"text": "a"}, {"type": "image"}, {"text": "b"}], "a b"), ({"k": 1}, '{"k": 1}')],
)
def test_a_tools_answer_in_any_form(content: Any, text: str) -> None:
    assert all_text_of(content) == text


def test_sizes_are_bytes_of_what_is_there() -> None:
    assert size_of([{"a": "é"}], None, "x") == len('[{"a": "é"}]'.encode()) + len('"x"')
    assert size_of("\ud800") > 0


def test_bounds_are_positive_integers() -> None:
    assert bound_of({"b": 5}, "a", "b") == 5
    assert bound_of({}, "a") is None
    for value in (0, -1, True, "5", 1.5):
        with pytest.raises(Wrong, match="a must be"):
            bound_of({"a": value}, "a")


def test_choices_are_few() -> None:
    assert [count_of(value) for value in (None, 0, 3, 100, "x")] == [1, 1, 3, 8, 1]


def test_small_things() -> None:
    assert objects([{}, 3, None]) == [{}]
    assert objects("x") == []
    assert schema_of(None) == {"type": "object", "properties": {}}
    assert event({"a": "é"}, "n") == 'event: n\ndata: {"a":"é"}\n\n'.encode()
    assert event({}) == b"data: {}\n\n"
