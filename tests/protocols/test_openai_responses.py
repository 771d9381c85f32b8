"""Responses: what a request asks and names, what goes up, what a plain answer tells."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.calls.tokens import Tokens
from durward.protocols.openai_responses import OPENAI_RESPONSES
from durward.protocols.wire import ModelRequest
from tests.protocols.openai_golden import Pair, body_of, pairs, read_facts, told_facts

PLAIN = pairs("openai_responses")


def read(**members: Any) -> ModelRequest:
    return OPENAI_RESPONSES.read(body_of({"model": "m", "input": "hi", **members}), "", None)


def read_or_refusal(body: bytes) -> ModelRequest | CallerError:
    try:
        return OPENAI_RESPONSES.read(body, "", None)
    except CallerError as error:
        return error


def refusal(body: bytes) -> CallerError:
    outcome = read_or_refusal(body)
    assert isinstance(outcome, CallerError)
    return outcome


@pytest.mark.parametrize("pair", PLAIN, ids=lambda pair: pair.name)
def test_golden_pairs(pair: Pair) -> None:
    facts = pair.facts
    request = OPENAI_RESPONSES.read(body_of(facts["request"]), "", None)
    assert read_facts(request, facts["read"]) == facts["read"]
    for ask_usage in (False, True):
        assert json.loads(OPENAI_RESPONSES.write(request, request.model, ask_usage)) == facts["request"]
    if upstream := facts.get("upstream"):
        assert json.loads(OPENAI_RESPONSES.write(request, upstream["model"], False)) == upstream["body"]
    for indent in (None, 2):
        answer = OPENAI_RESPONSES.answer(body_of(facts["answer"], indent))
        assert told_facts(answer, facts["told"]) == facts["told"]


@pytest.mark.parametrize(
    "members,param",
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"stream": "true"}, "stream"),
        ({"max_output_tokens": "9"}, "max_output_tokens"),
        ({"tools": {}}, "tools"),
        ({"input": [{"content": 7}], "stream": 1}, "stream"),
    ],
)
def test_a_governed_member_of_another_type_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    error = refusal(body_of({"model": "m", "input": "hi", **members}))
    assert (error.reason, error.status, error.param) == ("bad_request", 400, param)


@pytest.mark.parametrize("name", ["Model", "Input", "PREVIOUS_RESPONSE_ID", "Conversation", "Store", "File_Ids"])
def test_a_name_that_differs_only_by_case_is_refused(name: str) -> None:
    error = refusal(body_of({"model": "m", "input": "hi", name: "x"}))
    assert (error.reason, error.param) == ("ambiguous_member", name)


@pytest.mark.parametrize("bound,most", [(None, None), (16, 16), (16.0, 16), (0, None), (-1, None), (10**20, None)])
def test_the_bound_of_the_output(bound: object, most: int | None) -> None:
    assert read(max_output_tokens=bound).max_output == most


TEXT: list[dict[str, Any]] = [
    {"input": None},
    {"input": []},
    {"input": [{"role": "user", "content": "x"}, {"type": "message", "role": "user", "content": []}]},
    {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "file_id"}]}]},
    {"input": [{"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}]},
    {"input": [{"type": "function_call_output", "call_id": "c", "output": "input_image"}]},
    {"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}]},
    {
        "input": [
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "x"}]}
        ]
    },
    {"tools": [{"type": "function"}, {"type": "custom"}, {"type": "namespace", "tools": []}, {"type": "local_shell"}]},
    {"previous_response_id": None, "conversation": None, "prompt": None},
]
MORE: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"input": [{"content": [{"type": "input_image", "image_url": "https://example.org/a.png"}]}]}, []),
    ({"input": [{"content": [{"type": "input_image", "file_id": "file-1"}]}]}, [("file", "file-1")]),
    ({"input": [{"content": [{"type": "input_file", "file_id": "file-1"}]}]}, [("file", "file-1")]),
    ({"input": [{"content": [{"type": "input_text", "file_id": "file-1"}]}]}, [("file", "file-1")]),
    ({"input": [{"content": {"type": "input_file", "file_id": "file-1"}}]}, [("file", "file-1")]),
    (
        {
            "input": [
                {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file", "file_id": "f-1"}]}
            ]
        },
        [("file", "f-1")],
    ),
    (
        {"input": [{"type": "computer_call_output", "call_id": "c", "output": {"type": "x", "file_id": "f-1"}}]},
        [("file", "f-1")],
    ),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, [("item", "msg_1")]),
    ({"input": [{"id": "msg_1"}]}, [("item", "msg_1")]),
    ({"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "content": []}]}, [("item", "rs_1")]),
    ({"input": [{"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1"}]}, [("container", "cntr_1")]),
    ({"input": {"odd": 1}}, []),
    ({"tools": [{"type": "web_search"}]}, []),
    ({"tools": [{"type": "web_search_preview"}, {"type": "mcp", "server_url": "https://example.org"}]}, []),
    ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, [("container", "cntr_1")]),
    ({"previous_response_id": "resp_1"}, [("response", "resp_1")]),
    ({"conversation": "conv_1"}, [("conversation", "conv_1")]),
    ({"conversation": {"id": "conv_1"}}, [("conversation", "conv_1")]),
    (
        {"prompt": {"id": "pmpt_1", "variables": {"doc": {"type": "input_file", "file_id": "file-1"}}}},
        [("prompt", "pmpt_1"), ("file", "file-1")],
    ),
]


@pytest.mark.parametrize("members", TEXT, ids=str)
def test_text_is_bounded(members: dict[str, Any]) -> None:
    request = read(**members)
    assert (request.bounded, request.objects) == (True, ())


@pytest.mark.parametrize("members,objects", MORE, ids=str)
def test_more_than_text_is_not_bounded_and_tells_its_objects(members: dict[str, Any], objects: list[Any]) -> None:
    request = read(**members)
    assert (request.bounded, list(request.objects)) == (False, objects)


def test_what_an_answer_once_cited_is_not_asked_for_again() -> None:
    cited = {"type": "output_text", "text": "x", "annotations": [{"type": "file_citation", "file_id": "file-1"}]}
    searched = {"type": "file_search_call", "id": "fs_1", "results": [{"file_id": "file-2"}]}
    assert read(input=[{"role": "assistant", "content": [cited]}, searched]).objects == ()


def test_claims_of_codex() -> None:
    request = read(client_metadata={"session_id": "s-1", "thread_id": "t-1"}, user="u-1", metadata={"a": "b"})
    assert (request.session, request.claimed_user, request.tags) == ("s-1", "u-1", {"a": "b"})
    assert read(client_metadata={"thread_id": "t-1"}).session == "t-1"
    assert read(prompt_cache_key="k").session == ""


@pytest.mark.parametrize(
    "body,tokens",
    [
        (b"", None),
        (b"[]", None),
        (b'{"usage":null}', None),
        (b'{"usage":{"input_tokens":3,"output_tokens":2}}', Tokens(3, 0, 0, 2)),
        (b'{"output":7,"usage":{"input_tokens":3,"output_tokens":2}}', Tokens(3, 0, 0, 2)),
        (b'{"output":[{"x":NaN}],"usage":{"input_tokens":3,"output_tokens":2}}', Tokens(3, 0, 0, 2)),
    ],
)
def test_an_answer_that_is_not_as_documented_tells_what_it_can(body: bytes, tokens: Tokens | None) -> None:
    usage = OPENAI_RESPONSES.answer(body).usage
    assert (usage.tokens if usage else None) == tokens


def test_an_answer_without_usage_is_measured() -> None:
    output = [{"id": "m", "type": "message", "content": [{"type": "output_text", "text": "é" * 50}]}]
    assert OPENAI_RESPONSES.answer(body_of({"status": "failed", "output": output})).text_bytes >= 100


@given(st.binary(max_size=60), st.sampled_from([b"%s", b'{"model":"m",%s}', b'{"model":"m","input":[%s]}']))
def test_reading_a_request_answers_or_refuses(part: bytes, frame: bytes) -> None:
    body = frame % part
    outcome = read_or_refusal(body)
    if isinstance(outcome, CallerError):
        assert outcome.status == 400
        return
    assert msgspec.json.decode(OPENAI_RESPONSES.write(outcome, outcome.model, False)) == msgspec.json.decode(body)
