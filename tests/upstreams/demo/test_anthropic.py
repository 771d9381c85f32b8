"""Anthropic's messages of the demo, by the official SDK."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import pytest
from anthropic.types import ToolParam

from tests.upstreams.demo.served import served

WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@asynccontextmanager
async def sdk() -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with served() as demo, anthropic.AsyncAnthropic(api_key="k", base_url=demo.url, max_retries=0) as client:
        yield client


def user(text: Any) -> Any:
    return {"role": "user", "content": text}


async def test_a_plain_answer() -> None:
    async with sdk() as client:
        answer = await client.messages.create(model="any", max_tokens=500, messages=[user("Explain rivers.")])
    assert (answer.model, answer.stop_reason) == ("any", "end_turn")
    block = answer.content[0]
    assert block.type == "text"
    assert "Explain rivers" in block.text
    assert answer.usage.output_tokens == -(-len(block.text.encode()) // 4)
    assert answer._request_id


async def test_a_stream_ends_in_the_same_answer() -> None:
    async with sdk() as client:
        plain = await client.messages.create(model="m", max_tokens=500, messages=[user("Explain rivers.")])
        async with client.messages.stream(model="m", max_tokens=500, messages=[user("Explain rivers.")]) as stream:
            kinds = [event.type async for event in stream if event.type not in ("text", "content_block_delta")]
            final = await stream.get_final_message()
    assert kinds == [
        *("message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"),
    ]
    assert (final.content[0].to_dict()["text"], final.usage) == (plain.content[0].to_dict()["text"], plain.usage)


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_turn_with_a_tool(streamed: bool) -> None:
    messages = [user("How is the weather in Oslo?")]
    async with sdk() as client:
        if streamed:
            async with client.messages.stream(model="m", max_tokens=500, messages=messages, tools=[WEATHER]) as stream:
                answer: Any = await stream.get_final_message()
        else:
            answer = await client.messages.create(model="m", max_tokens=500, messages=messages, tools=[WEATHER])
        call = answer.content[0]
        assert (answer.stop_reason, call.type, call.name, call.input) == (
            "tool_use",
            "tool_use",
            "get_weather",
            {"city": "Oslo"},
        )
        result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "12 degrees"}]}
        reminder = {"type": "text", "text": "<system-reminder>Be nice.</system-reminder>"}
        use = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}
        messages += [{"role": "assistant", "content": [use]}, user([result, reminder])]
        answer = await client.messages.create(model="m", max_tokens=500, messages=messages, tools=[WEATHER])
    assert answer.content[0].text == "The tool `get_weather` answered: 12 degrees"


async def test_tool_choice_is_honoured() -> None:
    async with sdk() as client:
        create = client.messages.create
        none = await create(
            model="m", max_tokens=99, messages=[user("x")], tools=[WEATHER], tool_choice={"type": "none"}
        )
        one = await create(
            model="m",
            max_tokens=99,
            messages=[user("say x")],
            tools=[WEATHER],
            tool_choice={"type": "tool", "name": "get_weather"},
        )
        some = await create(
            model="m", max_tokens=99, messages=[user("say x")], tools=[WEATHER], tool_choice={"type": "any"}
        )
    assert [answer.stop_reason for answer in (none, one, some)] == ["end_turn", "tool_use", "tool_use"]


async def test_roles_to_come_and_words_of_clients_are_passed_over() -> None:
    messages: Any = [
        user([{"type": "text", "text": "say pong"}, {"type": "text", "text": "<system-reminder>x</system-reminder>"}]),
        {"role": "system", "content": "A reminder in the middle."},
    ]
    async with sdk() as client:
        answer = await client.messages.create(model="m", max_tokens=9, messages=messages, tools=[WEATHER])
    assert answer.content[0].to_dict()["text"] == "pong"


async def test_structured_answers() -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    async with sdk() as client:
        answer = await client.messages.create(
            model="m",
            max_tokens=99,
            messages=[user("Take 4 steps")],
            extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}},
        )
    assert json.loads(str(answer.content[0].to_dict()["text"])) == {"count": 4}


async def test_the_bound_cuts() -> None:
    async with sdk() as client:
        answer = await client.messages.create(model="m", max_tokens=2, messages=[user("Explain rivers.")])
    assert (answer.stop_reason, answer.usage.output_tokens <= 2) == ("max_tokens", True)


async def test_counting() -> None:
    async with sdk() as client:
        short = await client.messages.count_tokens(model="m", messages=[user("hi")])
        long = await client.messages.count_tokens(model="m", messages=[user("hi " * 100)], tools=[WEATHER])
    assert 0 < short.input_tokens < long.input_tokens


async def test_errors_are_typed() -> None:
    async with sdk() as client:
        create = client.messages.create
        with pytest.raises(anthropic.RateLimitError) as limited:
            await create(model="m", max_tokens=9, messages=[user("demo:429")])
        assert limited.value.response.headers["retry-after"] == "2"
        with pytest.raises(anthropic.InternalServerError):
            await create(model="m", max_tokens=9, messages=[user("demo:500")])
        with pytest.raises(anthropic.InternalServerError) as full:
            await create(model="m", max_tokens=9, messages=[user("demo:overloaded")])
        assert full.value.status_code == 529
        with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
            await create(model="m", max_tokens=0, messages=[user("x")])
        with pytest.raises(anthropic.BadRequestError, match="messages"):
            await create(model="m", max_tokens=9, messages=[])
        stream = await create(model="m", max_tokens=99, messages=[user("demo:overloaded")], stream=True)
        with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
            [event async for event in stream]


async def test_models_are_listed() -> None:
    async with sdk() as client:
        assert "claude-haiku-4-5" in [model.id async for model in client.models.list()]
        assert (await client.models.retrieve("any")).id == "any"
