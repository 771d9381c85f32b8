"""OpenAI's chat completions of the demo, by the official SDK."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionFunctionToolParam
from pydantic import BaseModel

from tests.upstreams.demo.served import served

WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@asynccontextmanager
async def sdk() -> AsyncIterator[openai.AsyncOpenAI]:
    async with served() as demo, openai.AsyncOpenAI(api_key="k", base_url=f"{demo.url}/v1", max_retries=0) as client:
        yield client


def user(text: str) -> Any:
    return {"role": "user", "content": text}


async def test_a_plain_answer() -> None:
    async with sdk() as client:
        answer = await client.chat.completions.create(model="any", messages=[user("Explain rivers.")])
    assert answer.model == "any"
    assert "Explain rivers" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id


@pytest.mark.parametrize("counted", [True, False])
async def test_a_stream_tells_usage_where_it_is_asked_for(counted: bool) -> None:
    async with sdk() as client:
        plain = await client.chat.completions.create(model="m", messages=[user("Explain rivers.")])
        options: Any = {"include_usage": True} if counted else openai.omit
        stream = await client.chat.completions.create(
            model="m", messages=[user("Explain rivers.")], stream=True, stream_options=options
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == plain.choices[0].message.content
    assert len(chunks) > 10
    assert [chunk.usage for chunk in chunks if chunk.usage] == ([plain.usage] if counted else [])
    assert [bool(chunk.choices) for chunk in chunks[-1:]] == [not counted]


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_turn_with_a_tool(streamed: bool) -> None:
    messages: list[Any] = [user("How is the weather in Oslo?")]
    async with sdk() as client:
        if streamed:
            async with client.chat.completions.stream(model="m", messages=messages, tools=[WEATHER]) as stream:
                message: Any = (await stream.get_final_completion()).choices[0].message
        else:
            answer = await client.chat.completions.create(model="m", messages=messages, tools=[WEATHER])
            assert answer.choices[0].finish_reason == "tool_calls"
            message = answer.choices[0].message
        assert message.tool_calls is not None
        call = message.tool_calls[0]
        assert call.type == "function"
        assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Oslo"})
        messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}]
        answer = await client.chat.completions.create(model="m", messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "The tool `get_weather` answered: 12 degrees"


async def test_tool_choice_is_honoured() -> None:
    async with sdk() as client:
        create = client.chat.completions.create
        none = await create(model="m", messages=[user("x")], tools=[WEATHER], tool_choice="none")
        required = await create(model="m", messages=[user("say x")], tools=[WEATHER], tool_choice="required")
        named = await create(
            model="m",
            messages=[user("say x")],
            tools=[WEATHER],
            tool_choice={"type": "function", "function": {"name": "get_weather"}},
        )
    assert none.choices[0].message.tool_calls is None
    assert required.choices[0].message.tool_calls
    assert named.choices[0].message.tool_calls


class Step(BaseModel):
    explanation: str
    count: int


async def test_structured_answers_parse() -> None:
    async with sdk() as client:
        parsed = await client.chat.completions.parse(model="m", messages=[user("Take 4 steps")], response_format=Step)
        loose = await client.chat.completions.create(
            model="m", messages=[user("JSON, please")], response_format={"type": "json_object"}
        )
    assert parsed.choices[0].message.parsed == Step(explanation="Take 4 steps", count=4)
    assert isinstance(json.loads(loose.choices[0].message.content or ""), dict)


async def test_bounds_and_choices() -> None:
    async with sdk() as client:
        answer = await client.chat.completions.create(
            model="m", messages=[user("Explain rivers.")], max_completion_tokens=2, n=3
        )
    assert [choice.finish_reason for choice in answer.choices] == ["length"] * 3
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 6


async def test_errors_are_typed() -> None:
    async with sdk() as client:
        create = client.chat.completions.create
        with pytest.raises(openai.RateLimitError) as limited:
            await create(model="m", messages=[user("demo:429")])
        assert limited.value.response.headers["retry-after"] == "2"
        with pytest.raises(openai.InternalServerError):
            await create(model="m", messages=[user("demo:500")])
        with pytest.raises(openai.InternalServerError):
            await create(model="m", messages=[user("demo:overloaded")])
        with pytest.raises(openai.BadRequestError, match="messages"):
            await create(model="m", messages=[])
        stream = await create(model="m", messages=[user("demo:overloaded")], stream=True)
        with pytest.raises(openai.APIError, match="overloaded"):
            [chunk async for chunk in stream]


async def test_models_are_listed_and_any_name_is_one() -> None:
    async with sdk() as client:
        assert "gpt-4o-mini" in [model.id async for model in client.models.list()]
        assert (await client.models.retrieve("any/name")).id == "any/name"
