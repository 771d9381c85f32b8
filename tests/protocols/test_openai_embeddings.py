"""Embeddings: text or tokens in, only model and count read from what comes out."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.calls.tokens import Tokens
from durward.protocols.openai_embeddings import OPENAI_EMBEDDINGS
from durward.protocols.wire import ModelRequest
from tests.protocols.irregular import respell
from tests.protocols.openai_golden import Pair, body_of, pairs, read_facts, told_facts
from tests.protocols.replay import exchanges

PLAIN = pairs("openai_embeddings")


def read(**members: Any) -> ModelRequest:
    return OPENAI_EMBEDDINGS.read(body_of({"model": "m", **members}), "", None)


@pytest.mark.parametrize("pair", PLAIN, ids=lambda pair: pair.name)
def test_golden_pairs(pair: Pair) -> None:
    facts = pair.facts
    named = {name: fact for name, fact in facts["read"].items() if fact is not None or name != "text_bytes"}
    request = OPENAI_EMBEDDINGS.read(body_of(facts["request"]), "", None)
    assert read_facts(request, named) == named
    assert json.loads(OPENAI_EMBEDDINGS.write(request, request.model, False)) == facts["request"]
    if upstream := facts.get("upstream"):
        assert json.loads(OPENAI_EMBEDDINGS.write(request, upstream["model"], True)) == upstream["body"]
    for indent in (None, 2):
        answer = OPENAI_EMBEDDINGS.answer(body_of(facts["answer"], indent))
        assert told_facts(answer, facts["told"]) == facts["told"]


@pytest.mark.parametrize(
    "members,param", [({"model": ""}, "model"), ({"model": 7}, "model"), ({"MODEL": "m"}, "MODEL")]
)
def test_the_model_is_named_once_and_clearly(members: dict[str, Any], param: str) -> None:
    with pytest.raises(CallerError) as caught:
        read(input="hi", **members)
    assert (caught.value.status, caught.value.param) == (400, param)


@given(st.one_of(st.text(max_size=50), st.lists(st.text(max_size=20), min_size=1, max_size=5)), st.booleans())
def test_text_has_at_least_as_many_bytes_as_it_is_long(value: str | list[str], ascii_only: bool) -> None:
    body = json.dumps({"model": "m", "input": value}, ensure_ascii=ascii_only).encode()
    request = OPENAI_EMBEDDINGS.read(body, "", None)
    texts = [value] if isinstance(value, str) else value
    assert request.bounded
    assert request.text_bytes >= sum(len(text.encode()) for text in texts)


@given(st.lists(st.lists(st.integers(0, 200_000), min_size=1, max_size=9), min_size=1, max_size=4))
def test_a_token_counts_as_four_bytes_of_text(lists: list[list[int]]) -> None:
    tokens = sum(map(len, lists))
    for value in (lists, [token for tokens in lists for token in tokens]):
        request = read(input=value)
        assert (request.bounded, request.text_bytes) == (True, 4 * tokens)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"input": None},
        {"input": 7},
        {"input": [{"text": "x"}]},
        {"input": ["x", {"image": "y"}]},
        {"input": ["x", 7]},
        {"input": "x", "messages": [{"role": "user", "content": []}]},
        {"input": "x", "file_id": "file-1"},
    ],
    ids=str,
)
def test_anything_else_is_not_bounded(members: dict[str, Any]) -> None:
    request = read(**members)
    assert not request.bounded
    assert request.objects == ((("file", "file-1"),) if "file_id" in members else ())


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"usage":null}', b'{"data":[1]', b'{"usage":[1]}', b'{"model":1,"usage":1}']
)
def test_an_answer_without_numbers_tells_none(body: bytes) -> None:
    assert OPENAI_EMBEDDINGS.answer(body).usage is None


def test_an_answer_that_is_not_as_documented_tells_what_it_can() -> None:
    answer = OPENAI_EMBEDDINGS.answer(b'{"model":"m","data":[{"embedding":[NaN]}],"usage":{"prompt_tokens":3}}')
    assert answer.usage is not None
    assert (answer.usage.tokens, answer.model) == (Tokens(3), "m")


def test_bytes_of_a_stream_pass() -> None:
    reader = OPENAI_EMBEDDINGS.stream(read(input="x"), True)
    assert reader.feed(b'data: {"choices":[],"usage":{"prompt_tokens":3}}\n\n') != b""


def test_recorded_traffic(cassettes: Path | None) -> None:
    for row in exchanges(cassettes, "openai-embeddings"):
        body = respell(row.request, Random(1), lines=True)
        request = OPENAI_EMBEDDINGS.read(body, "", None)
        sent = json.loads(OPENAI_EMBEDDINGS.write(request, request.model, False))
        assert sent == {**row.request, "x_not_documented": sent["x_not_documented"]}
        assert (request.model, request.bounded) == (row.request["model"], True)
        answer = OPENAI_EMBEDDINGS.answer(respell(row.body, Random(2), lines=True))
        assert answer.usage is not None
        assert answer.usage.tokens == Tokens(row.body["usage"]["prompt_tokens"])
        assert answer.model == row.body["model"]
