"""Values that a JSON schema accepts."""

import datetime as dt
import enum
import json
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, create_model

from durward.upstreams.demo.dice import Dice
from durward.upstreams.demo.samples import Sampler


def sample(schema: Any, text: str = "Look into it, please") -> Any:
    return Sampler(schema, text, Dice(b"s", text)).value()


class Shade(enum.Enum):
    RED = "red"
    GREEN = "green"


class Point(BaseModel):
    x: float
    y: Annotated[int, Field(ge=-3, le=3, multiple_of=3)]


class Tree(BaseModel):
    name: Annotated[str, Field(min_length=3, max_length=5)]
    children: list["Tree"] | None = None


class Everything(BaseModel):
    shade: Shade
    point: Point
    points: Annotated[list[Point], Field(min_length=2, max_length=3)]
    pair: tuple[int, str]
    either: int | str
    maybe: int | None
    day: dt.date
    moment: dt.datetime
    ident: uuid.UUID
    address: Literal["home", "work"]
    price: Decimal
    share: Annotated[float, Field(gt=0, lt=1)]
    big: Annotated[int, Field(gt=10**6)]
    flag: bool
    nothing: None
    code: Annotated[str, Field(pattern=r"^[A-Z]\d$")]
    table: dict[str, int]
    tree: Tree


def test_pydantic_takes_what_its_own_schema_brought() -> None:
    schema = Everything.model_json_schema()
    Everything.model_validate(sample(schema))
    assert Everything.model_validate(sample(schema, "make it green, at work")).shade is Shade.GREEN


PIECES: list[Any] = [
    int,
    str,
    bool,
    float,
    list[str],
    Point,
    Tree,
    int | None,
    Literal["a", "b"],
    Annotated[int, Field(ge=5, lt=9)],
    Annotated[float, Field(le=-2)],
    Annotated[list[int], Field(max_length=0)],
    dict[str, str],
    tuple[str, int],
    dt.date,
]


@given(st.lists(st.sampled_from(PIECES), max_size=6), st.text(max_size=30))
def test_pydantic_takes_any_mixture(kinds: list[Any], text: str) -> None:
    members = {f"m{place}": (kind, ...) for place, kind in enumerate(kinds)}
    model = create_model("Mixture", **members)  # type: ignore[call-overload]
    model.model_validate(sample(model.model_json_schema(), text))


def test_a_bare_list_or_scalar() -> None:
    assert TypeAdapter(list[Point]).validate_python(sample(TypeAdapter(list[Point]).json_schema()))
    assert sample({"type": "integer"}) == 1
    assert sample({}) == "Look into it, please"


def test_geminis_capitals() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {"n": {"type": "INTEGER"}, "s": {"type": "STRING"}},
        "required": ["n", "s"],
    }
    assert sample(schema, "take 7 of them") == {"n": 7, "s": "take 7 of them"}


def test_the_prompts_words_are_used_where_they_fit() -> None:
    schema = {
        "properties": {name: {"type": "string"} for name in ("city", "order_id", "file_path", "query", "command")}
    }
    text = "Ship order o-1002 to New York, see docs/plan.md"
    assert sample({**schema, "required": list(schema["properties"])}, text) == {
        "city": "New York",
        "order_id": "o-1002",
        "file_path": "docs/plan.md",
        "query": text,
        "command": "echo hello from the demo model",
    }
    assert sample({"type": "object", "properties": {"n": {"type": "integer", "minimum": 10}}}, "3 or 30") == {"n": 30}


def test_a_command_line_may_be_a_list() -> None:
    command = {"type": "array", "items": {"type": "string"}}
    assert sample({"type": "object", "properties": {"command": command}}) == {
        "command": ["echo", "hello from the demo model"]
    }


def test_one_optional_member_is_given_where_none_is_required() -> None:
    assert sample({"type": "object", "properties": {"a": {"type": "boolean"}, "b": {}}}) == {"a": True}


def test_conjunctions_are_joined() -> None:
    one = {"properties": {"a": {"const": 1}}, "required": ["a"]}
    two = {"properties": {"b": {"enum": [2]}}, "required": ["b"]}
    assert sample({"allOf": [one, {"allOf": [two]}], "type": "object"}) == {"a": 1, "b": 2}


def test_recursion_ends() -> None:
    endless = {
        "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "required": ["n"]}},
        "$ref": "#/$defs/n",
    }
    assert json.dumps(sample(endless)).count("{") <= 14
    assert sample({"$ref": "#"}) == "Look into it, please"


@pytest.mark.parametrize("schema", [None, 3, [], "x", True])
def test_what_is_no_schema_gets_words(schema: Any) -> None:
    assert sample(schema) == "Look into it, please"
