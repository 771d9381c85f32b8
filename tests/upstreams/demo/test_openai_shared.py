"""What OpenAI's routes of the demo share."""

import pytest

from durward.upstreams.demo.openai_shared import fail, lines, model_of, said_by
from durward.upstreams.demo.talk import Wrong
from durward.upstreams.demo.wires import Stamp


def test_the_model_must_be_named() -> None:
    assert model_of({"model": "any-name"}) == "any-name"
    for body in ({}, {"model": ""}, {"model": 3}):
        with pytest.raises(Wrong):
            model_of(body)


def test_the_last_word_of_a_role() -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "c"},
    ]
    assert said_by("user", messages) == "b"
    assert said_by("system", messages) == ""


def test_errors_and_lines() -> None:
    assert fail(429, "x")["error"]["code"] == "rate_limit_exceeded"
    assert fail(418, "x")["error"]["type"] == "server_error"
    assert b"x-request-id: req_tok\r\n" in lines(Stamp("tok", 1))
