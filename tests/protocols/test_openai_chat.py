"""Chat completions: what a request asks, what goes up, what a plain answer tells."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.calls.tokens import Tokens
from durward.protocols.openai_chat import OPENAI_CHAT
from durward.protocols.wire import ModelRequest
from tests.protocols.openai_golden import Pair, body_of, pairs, read_facts, told_facts

PLAIN = pairs("openai_chat")
USER = [{"role": "user", "content": "hi"}]


def read(**members: Any) -> ModelRequest:
    return OPENAI_CHAT.read(body_of({"model": "m", "messages": USER, **members}), "", None)


def read_or_refusal(body: bytes) -> ModelRequest | CallerError:
    try:
        return OPENAI_CHAT.read(body, "", None)
    except CallerError as error:
        return error


def refusal(body: bytes) -> CallerError:
    outcome = read_or_refusal(body)
    assert isinstance(outcome, CallerError)
    return outcome


@pytest.mark.parametrize("pair", PLAIN, ids=lambda pair: pair.name)
def test_golden_pairs(pair: Pair) -> None:
    facts = pair.facts
    request = OPENAI_CHAT.read(body_of(facts["request"]), "", None)
    assert read_facts(request, facts["read"]) == facts["read"]
    assert json.loads(OPENAI_CHAT.write(request, request.model, False)) == facts["request"]
    if upstream := facts.get("upstream"):
        assert json.loads(OPENAI_CHAT.write(request, upstream["model"], False)) == upstream["body"]
    for indent in (None, 2):
        answer = OPENAI_CHAT.answer(body_of(facts["answer"], indent))
        assert told_facts(answer, facts["told"]) == facts["told"]
        assert answer.finished


def test_the_body_goes_up_as_it_came_but_for_spaces_between_members() -> None:
    body = b'{"x_odd": {"b":1, "a":1e2},"model":"m" ,"messages":[ {"role":"user","content":"\\u0068i"} ]}'
    request = OPENAI_CHAT.read(body, "", None)
    sent = OPENAI_CHAT.write(request, "m", False)
    assert sent in (body, b'{"x_odd":{"b":1, "a":1e2},"model":"m","messages":[ {"role":"user","content":"\\u0068i"} ]}')
    assert OPENAI_CHAT.write(request, "m/é", False) == sent.replace(b'"m"', '"m/é"'.encode())
    assert OPENAI_CHAT.write(request, "m", False) == sent


@pytest.mark.parametrize(
    "options,wanted,sent",
    [
        (None, False, {"include_usage": True}),
        ({}, False, {"include_usage": True}),
        (
            {"include_usage": False, "include_obfuscation": False},
            False,
            {"include_usage": True, "include_obfuscation": False},
        ),
        ({"include_usage": True}, True, {"include_usage": True}),
    ],
)
def test_usage_is_asked_for_beside_other_stream_options(options: object, wanted: bool, sent: object) -> None:
    request = read(stream=True, stream_options=options)
    assert request.wants_usage is wanted
    assert json.loads(OPENAI_CHAT.write(request, "m", True))["stream_options"] == sent
    assert json.loads(OPENAI_CHAT.write(request, "m", False))["stream_options"] == options
    without = json.loads(OPENAI_CHAT.write(read(stream=True), "m", True))
    assert without["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    "members,param",
    [
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"n": 1.5}, "n"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages"),
        ({"tools": {}}, "tools"),
        ({"models": "other"}, "models"),
    ],
)
def test_a_governed_member_of_another_type_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    error = refusal(body_of({"model": "m", "messages": USER, **members}))
    assert (error.reason, error.status, error.param) == ("bad_request", 400, param)


def test_a_body_without_model_is_refused() -> None:
    assert refusal(body_of({"messages": USER})).param == "model"


@pytest.mark.parametrize("name", ["Stream", "MAX_TOKENS", "Models", "Messages", "Safety_Identifier"])
def test_a_name_that_differs_only_by_case_is_refused(name: str) -> None:
    error = refusal(body_of({"model": "m", "messages": USER, name: 1}))
    assert (error.reason, error.param) == ("ambiguous_member", name)


def test_of_repeated_members_the_last_is_read_and_sent() -> None:
    body = b'{"model":"a","stream":false,"messages":[],"mod\\u0065l":"b","stream":true}'
    request = OPENAI_CHAT.read(body, "", None)
    assert (request.model, request.stream) == ("b", True)
    assert OPENAI_CHAT.write(request, "b", False) == b'{"model":"b","stream":true,"messages":[]}'


@pytest.mark.parametrize(
    "members,bound",
    [
        ({}, None),
        ({"max_tokens": 100}, 100),
        ({"max_tokens": 100.0}, 100),
        ({"max_tokens": 0.5}, 1),
        ({"max_completion_tokens": 50, "max_tokens": 100}, 100),
        ({"max_tokens": 100, "n": 3}, 300),
        ({"max_tokens": 100, "n": 0}, 100),
        ({"max_tokens": None}, None),
        ({"max_tokens": 0}, None),
        ({"max_tokens": -1}, None),
        ({"max_tokens": 10**30}, None),
    ],
)
def test_the_bound_of_the_output(members: dict[str, Any], bound: int | None) -> None:
    assert read(**members).max_output == bound


def test_a_number_that_no_float_holds_is_refused() -> None:
    error = refusal(b'{"model":"m","max_tokens":1e999}')
    assert (error.reason, error.param) == ("bad_request", "max_tokens")


TEXT: list[dict[str, Any]] = [
    {"messages": None},
    {"messages": []},
    {"messages": [{"role": "assistant", "content": None, "tool_calls": []}, {"role": "tool", "content": "x"}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": '{"type":"image_url"}'}]}]},
    {"messages": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}]},
    {"tools": [{"type": "function", "function": {}}, {"type": "custom", "custom": {}}]},
    {"modalities": None, "audio": None},
]
MORE: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}]}, []),
    ({"messages": [{"content": [{"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}]}]}, []),
    ({"messages": [{"content": [{"type": "file", "file": {"file_id": "file-1"}}]}]}, [("file", "file-1")]),
    ({"messages": [{"content": [{"type": "text", "text": "x", "file_id": "file-2"}]}]}, [("file", "file-2")]),
    ({"messages": [{"content": {"type": "file", "file": {"file_id": "file-3"}}}]}, [("file", "file-3")]),
    ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}, [("audio", "audio_1")]),
    ({"messages": [{"content": ["x"]}]}, []),
    ({"messages": [{"content": 7}]}, []),
    ({"tools": [{"type": "web_search"}]}, []),
    ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, [("vector_store", "vs_1")]),
    ({"modalities": ["text", "audio"]}, []),
    ({"web_search_options": {}}, []),
    ({"plugins": [{"id": "web"}]}, []),
    ({"container": "cntr_1"}, [("container", "cntr_1")]),
    ({"models": ["m", "other"]}, []),
]


@pytest.mark.parametrize("members", TEXT, ids=str)
def test_text_is_bounded(members: dict[str, Any]) -> None:
    request = read(**members)
    assert (request.bounded, request.objects) == (True, ())


@pytest.mark.parametrize("members,objects", MORE, ids=str)
def test_more_than_text_is_not_bounded_and_tells_its_objects(members: dict[str, Any], objects: list[Any]) -> None:
    request = read(**members)
    assert (request.bounded, list(request.objects)) == (False, objects)


def test_escapes_hide_no_object() -> None:
    body = rb'{"model":"m","messages":[{"content":[{"type":"\u0066ile","file":{"file\u005fid":"file-1","file_id":"file-2"}}]}]}'
    request = OPENAI_CHAT.read(body, "", None)
    assert (request.bounded, request.objects) == (False, (("file", "file-1"), ("file", "file-2")))


def test_further_models_are_told() -> None:
    assert read(models=["m", "other", "third"]).further_models == ("other", "third")
    assert read(models=None).further_models == ()


def test_pictures_count_nothing_as_text() -> None:
    picture = "data:image/png;base64," + "A" * 10_000
    content = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": picture}}]
    assert read(messages=[{"role": "user", "content": content}]).text_bytes < 300


@given(st.text(max_size=200), st.booleans())
def test_the_text_has_at_least_as_many_bytes_as_it_is_long(text: str, ascii_only: bool) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}, ensure_ascii=ascii_only)
    assert OPENAI_CHAT.read(body.encode(), "", None).text_bytes >= len(text.encode())


def test_claims_are_recorded_and_never_refused() -> None:
    request = read(user="u-1", metadata={"team": "a", "n": 1, "long": "x" * 65})
    assert (request.claimed_user, request.tags) == ("u-1", {"team": "a"})
    assert read(user="u-1", safety_identifier="s-1").claimed_user == "s-1"
    odd = read(user={"a": 1}, metadata=[1], safety_identifier=None)
    assert (odd.claimed_user, odd.tags) == ("", {})


def test_deep_messages_pass_but_are_not_looked_into_without_bound() -> None:
    deep = b"[" * 200 + b"]" * 200
    body = b'{"model":"m","messages":[{"role":"user","content":"x","extra":' + deep + b"}]}"
    assert OPENAI_CHAT.read(body, "", None).bounded
    error = refusal(b'{"model":"m","messages":[{"role":"user","content":[' + deep + b"]}]}")
    assert (error.reason, error.param) == ("malformed_json", "messages")


@pytest.mark.parametrize("frame", [b'{"model":"m","messages":[{"x":%s}]}', b'{"model":"m","x":%s}'])
def test_no_depth_is_more_than_a_refusal(frame: bytes) -> None:
    refused = set()
    for depth in range(400, 1100, 3):
        outcome = read_or_refusal(frame % (b"[" * depth + b"]" * depth))
        refused.add(outcome.reason if isinstance(outcome, CallerError) else "")
    assert refused == {"", "malformed_json"}


@pytest.mark.parametrize("content,length", [("é", 2), (None, 0), ([{"type": "text", "text": "hm"}], 0)])
def test_an_answer_without_usage_is_measured(content: object, length: int) -> None:
    body = body_of({"model": "m", "choices": [{"message": {"content": content}}, {"message": None}, {}]})
    answer = OPENAI_CHAT.answer(body)
    assert answer.usage is None
    assert answer.text_bytes == (length if not isinstance(content, list) else len(body))


@pytest.mark.parametrize(
    "body,tokens",
    [
        (b"", None),
        (b"<html>", None),
        (b"[]", None),
        (b'{"usage":null}', None),
        (b'{"usage":{}}', None),
        (b'{"usage":{"prompt_tokens":3,"completion_tokens":2}', None),
        (b'{"model":7,"usage":{"prompt_tokens":3,"completion_tokens":2}}', Tokens(3, 0, 0, 2)),
        (b'{"choices":[{"logprobs":NaN}],"usage":{"prompt_tokens":3,"completion_tokens":2}}', Tokens(3, 0, 0, 2)),
        (b'{"choices":[{"text":"\\ud800"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}', Tokens(3, 0, 0, 2)),
        (b'{"choices":[{"text":"\xff"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}', Tokens(3, 0, 0, 2)),
        (b'{"choices":7,"usage":{"prompt_tokens":3,"completion_tokens":2}}', Tokens(3, 0, 0, 2)),
        (b'{"choices":' + b"[" * 100_000 + b'],"usage":{"prompt_tokens":3,"completion_tokens":2}}', None),
    ],
)
def test_an_answer_that_is_not_as_documented_tells_what_it_can(body: bytes, tokens: Tokens | None) -> None:
    usage = OPENAI_CHAT.answer(body).usage
    assert (usage.tokens if usage else None) == tokens


@given(st.binary(max_size=200))
def test_reading_an_answer_never_fails(body: bytes) -> None:
    assert OPENAI_CHAT.answer(body).usage is None
    assert OPENAI_CHAT.answer(b'{"choices":' + body).usage is None


@given(
    st.binary(max_size=60),
    st.sampled_from([b"%s", b'{"model":"m",%s}', b'{"model":"m","messages":[%s]}', b'{"model":"%s"}']),
)
def test_reading_a_request_answers_or_refuses(part: bytes, frame: bytes) -> None:
    body = frame % part
    outcome = read_or_refusal(body)
    if isinstance(outcome, CallerError):
        assert outcome.status == 400
        return
    assert msgspec.json.decode(OPENAI_CHAT.write(outcome, outcome.model, False)) == msgspec.json.decode(body)
