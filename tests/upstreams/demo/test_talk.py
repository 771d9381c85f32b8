"""What the demo model says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.upstreams.demo.dice import Dice
from durward.upstreams.demo.talk import Prompt, Reply, Result, Tool, Wrong, reply_to, tokens_of

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", CITY, "The weather in a city")
BASH = Tool(
    "Bash", {"type": "object", "properties": {"command": {"type": "string"}}}, "Runs a command and shows the weather"
)
STOCK = Tool("stockPrice", {"type": "object", "properties": {}}, "The price of a share")


def reply(text: str = "Explain rivers.", **members: Any) -> Reply:
    return reply_to(Prompt(text, 40, **members), Dice(b"s", text))


def test_an_answer_takes_up_the_prompt() -> None:
    answer = reply("Could you explain how rivers work? Be brief.")
    assert "explain how rivers work" in answer.text
    assert answer == reply("Could you explain how rivers work? Be brief.")
    assert answer.text != reply("Could you explain how lakes work?").text
    assert "".join(answer.pieces) == answer.text
    assert len(answer.pieces) > 10
    assert (answer.whole, answer.tool) == (True, None)
    assert (answer.input_tokens, answer.output_tokens) == (10, tokens_of(len(answer.text.encode())))


@pytest.mark.parametrize(
    "text,said",
    [
        ("say pong", "pong"),
        ("Say pong.", "pong"),
        ('Reply with exactly: "all clear"', "all clear"),
        ("Please answer with the word blue", "blue"),
        ("Some words before.\nsay hello world!", "hello world"),
    ],
)
def test_it_says_what_it_is_told_to_say(text: str, said: str) -> None:
    assert reply(text).text == said
    assert reply(text, tools=(WEATHER,)).text == said


def test_offered_tools_are_called() -> None:
    answer = reply("How is the weather in Oslo?", tools=(STOCK, BASH, WEATHER))
    assert answer.tool is WEATHER
    assert answer.arguments == {"city": "Oslo"}
    assert json.loads("".join(answer.pieces)) == {"city": "Oslo"}
    assert answer.text == ""


def test_a_tool_on_which_somebody_may_act_is_the_second_choice() -> None:
    assert reply("The weather, please", tools=(BASH, STOCK)).tool is STOCK
    assert reply("Use bash for it", tools=(STOCK, BASH)).tool is BASH
    assert reply("Anything", tools=(BASH,)).tool is BASH


def test_a_tools_answer_is_quoted() -> None:
    answer = reply("How is it?", tools=(WEATHER,), result=Result("get_weather", "12 degrees\n and  rain"))
    assert answer.text == "The tool `get_weather` answered: 12 degrees and rain"
    assert reply(result=Result("f", " ")).text == "The tool `f` is done."
    assert len(reply(result=Result("f", "x" * 9999)).text) < 500


def test_a_forced_tool_is_called_in_any_case() -> None:
    assert reply("say pong", tools=(WEATHER, STOCK), forced="stockPrice").tool is STOCK
    assert reply("say pong", tools=(WEATHER,), forced="").tool is WEATHER
    assert reply(tools=(WEATHER,), result=Result("f", "x"), forced="").tool is WEATHER
    assert reply(tools=(WEATHER,), forced="other").tool is None


def test_json_of_a_schema() -> None:
    assert json.loads(reply("In Rome?", schema=CITY).text) == {"city": "Rome"}


def test_the_bound_cuts() -> None:
    answer = reply(max_output=3)
    assert not answer.whole
    assert 0 < len(answer.text.encode()) <= 12
    assert answer.output_tokens <= 3
    assert reply(max_output=10**6).whole
    assert reply(tools=(WEATHER,), max_output=1).tool is WEATHER


@pytest.mark.parametrize(
    "schema", [{"properties": 3}, {"enum": 3}, {"allOf": "x"}, {"type": "integer", "multipleOf": "x"}]
)
def test_a_schema_that_is_none_is_the_callers_mistake(schema: Any) -> None:
    with pytest.raises(Wrong):
        reply(schema=schema)


@given(st.text(max_size=200), st.none() | st.integers(1, 20))
def test_any_prompt_has_an_answer(text: str, bound: int | None) -> None:
    answer = reply(text, max_output=bound)
    assert "".join(answer.pieces) == answer.text
    assert answer.output_tokens >= 1
    if bound is not None:
        assert answer.output_tokens <= bound
    if answer.whole:
        assert answer.text
