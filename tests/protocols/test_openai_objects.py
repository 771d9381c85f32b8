"""Stored objects in request bodies: found at any depth and in any spelling, and not where an answer is only quoted."""

import json
from typing import Any

import msgspec
import pytest

from durward.calls.errors import CallerError
from durward.protocols.members import Members
from durward.protocols.openai_objects import Survey, says, survey


def members(**values: Any) -> Members:
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in values.items()}


def found(**values: Any) -> list[tuple[str, str]]:
    return list(survey(members(**values), values).objects)


@pytest.mark.parametrize(
    "value,objects",
    [
        (
            [{"file_id": "f1"}, {"deeper": [{"file_ids": ["f2", "f3"]}]}],
            [("file", "f1"), ("file", "f2"), ("file", "f3")],
        ),
        ({"vector_store_ids": ["v1"]}, [("vector_store", "v1")]),
        ({"container": "c1"}, [("container", "c1")]),
        ({"container": {"type": "auto", "file_ids": ["f1"]}}, [("file", "f1")]),
        ({"container": {"id": "c1"}}, [("container", "c1")]),
        ({"environment": {"type": "container_reference", "container_id": "c1"}}, [("container", "c1")]),
        ({"skills": [{"type": "skill_reference", "skill_id": "s1"}]}, [("skill", "s1")]),
        ([{"file_id": "f1"}, {"file_id": "f1"}], [("file", "f1")]),
        ({"file_id": None}, []),
        ({"file_id": ""}, []),
        ({"file_id": {"type": "string"}}, []),
        ({"id": "x"}, []),
        ({"annotations": [{"file_id": "f1"}], "results": [{"file_id": "f2"}]}, []),
        ({"parameters": {"properties": {"file_id": {"default": "f1"}}, "default": {"file_id": "f2"}}}, []),
        ("file_id", []),
        (None, []),
    ],
)
def test_ids_are_found_where_they_name_an_object(value: object, objects: list[tuple[str, str]]) -> None:
    assert found(tools=value) == objects


def test_both_of_two_members_are_found() -> None:
    raw = msgspec.Raw(
        rb'[{"file_id":"f1","file\u005fid":"f2"},{"id":"i1","id":"i2","type":"x","type":"item_reference"}]'
    )
    found_twice = survey({"input": raw}, ["input"]).objects
    assert set(found_twice) == {("file", "f1"), ("file", "f2"), ("item", "i1"), ("item", "i2")}


def test_an_item_that_only_refers_is_an_object_of_its_own() -> None:
    assert found(input=[{"id": "i1"}]) == [("item", "i1")]
    assert found(messages=[{"id": "i1"}]) == []
    assert found(input=[{"id": "i1", "role": "user", "content": "x"}]) == []
    assert found(input=[{"id": "i1", "type": "message", "content": "x"}]) == []


def test_absent_members_name_nothing() -> None:
    assert survey({}, ["input", "tools"]) == Survey((), 0)


def test_media_are_measured() -> None:
    picture = {
        "image_url": {"url": "data:,1234"},
        "text": "12345678",
        "file_data": "12",
        "input_audio": {"data": "123"},
    }
    assert survey(members(messages=[picture]), ["messages"]).media_bytes == 15


def test_numbers_of_any_length_are_passed_over() -> None:
    assert survey({"input": msgspec.Raw(b"[" + b"9" * 10_000 + b",1e999]")}, ["input"]) == Survey((), 0)


@pytest.mark.parametrize("depth,fits", [(60, True), (64, True), (70, False), (50_000, False)])
def test_what_is_looked_into_has_a_bound_in_depth(depth: int, fits: bool) -> None:
    raw = msgspec.Raw(b"[" * depth + b"]" * depth)
    if fits:
        assert survey({"input": raw}, ["input"]).objects == ()
        return
    with pytest.raises(CallerError) as caught:
        survey({"input": raw}, ["input"])
    assert (caught.value.reason, caught.value.param) == ("malformed_json", "input")


@pytest.mark.parametrize("identifier", ["x" * 257, "a\nb", "a\x00b", "\u2028"])
def test_what_cannot_be_an_id_is_refused(identifier: str) -> None:
    with pytest.raises(CallerError) as caught:
        found(input=[{"file_id": identifier}])
    assert (caught.value.reason, caught.value.param) == ("bad_request", "file_id")


@pytest.mark.parametrize(
    "value,said", [(None, False), (False, False), ([], False), ("", False), (True, True), ({}, True), ("x", True)]
)
def test_a_member_says_something_or_nothing(value: object, said: bool) -> None:
    assert says(members(prompt=value), ["prompt", "other"]) is said
    assert not says(members(prompt=value), ["other"])
