"""OpenAI's Responses of the demo, by the official SDK."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.upstreams.demo.served import served

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"type": "function", "name": "get_weather", "description": "The weather", "parameters": SCHEMA}


@asynccontextmanager
async def sdk() -> AsyncIterator[openai.AsyncOpenAI]:
    async with served() as demo, openai.AsyncOpenAI(api_key="k", base_url=f"{demo.url}/v1", max_retries=0) as client:
        yield client


async def test_a_plain_answer() -> None:
    async with sdk() as client:
        answer = await client.responses.create(model="any", input="Explain rivers.", instructions="Be brief.")
    assert "Explain rivers" in answer.output_text
    assert (answer.status, answer.model, answer.instructions) == ("completed", "any", "Be brief.")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


async def test_a_stream_ends_in_the_same_answer() -> None:
    async with sdk() as client:
        plain = await client.responses.create(model="m", input="Explain rivers.")
        stream = await client.responses.create(model="m", input="Explain rivers.", stream=True)
        events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        *("response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"),
    ]
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == plain.output_text
    last = events[-1]
    assert last.type == "response.completed"
    assert (last.response.output_text, last.response.usage) == (plain.output_text, plain.usage)


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_turn_with_a_tool(streamed: bool) -> None:
    items: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "The weather in Oslo?"}]}]
    async with sdk() as client:
        if streamed:
            async with client.responses.stream(model="m", input=items, tools=[WEATHER]) as stream:
                output: list[Any] = list((await stream.get_final_response()).output)
        else:
            output = list((await client.responses.create(model="m", input=items, tools=[WEATHER])).output)
        call = output[0]
        assert call.type == "function_call"
        assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Oslo"})
        items += [call.model_dump(exclude_none=True, include={"type", "call_id", "name", "arguments"})]
        items += [{"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}]
        answer = await client.responses.create(model="m", input=items, tools=[WEATHER])
    assert answer.output_text == "The tool `get_weather` answered: 12 degrees"


async def test_a_namespaced_tool_is_called_in_its_namespace() -> None:
    tools: Any = [{"type": "web_search"}, {"type": "namespace", "name": "mcp__maps", "tools": [WEATHER]}]
    async with sdk() as client:
        answer = await client.responses.create(model="m", input="The weather in Rome?", tools=tools)
        stream = await client.responses.create(model="m", input="The weather in Rome?", tools=tools, stream=True)
        events = [event async for event in stream]
    assert answer.output[0].to_dict()["namespace"] == "mcp__maps"
    done = [event for event in events if event.type == "response.output_item.done"]
    assert done[0].item.to_dict()["namespace"] == "mcp__maps"


class Step(BaseModel):
    explanation: str
    count: int


async def test_structured_answers_parse() -> None:
    async with sdk() as client:
        parsed = await client.responses.parse(model="m", input="Take 4 steps", text_format=Step)
    assert parsed.output_parsed == Step(explanation="Take 4 steps", count=4)


@pytest.mark.parametrize("streamed", [True, False])
async def test_the_bound_makes_it_incomplete(streamed: bool) -> None:
    async with sdk() as client:
        if streamed:
            stream = await client.responses.create(model="m", input="Explain.", max_output_tokens=2, stream=True)
            last = [event async for event in stream][-1]
            assert last.type == "response.incomplete"
            answer = last.response
        else:
            answer = await client.responses.create(model="m", input="Explain.", max_output_tokens=2)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


async def test_errors_are_typed() -> None:
    async with sdk() as client:
        with pytest.raises(openai.RateLimitError):
            await client.responses.create(model="m", input="demo:429")
        with pytest.raises(openai.BadRequestError, match="input"):
            await client.responses.create(model="m", input=[])
        stream = await client.responses.create(model="m", input="demo:overloaded", stream=True)
        last = [event async for event in stream][-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
