"""Gemini's verbs of the demo, by the official SDK."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.upstreams.demo.served import events, served

WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="The weather in a city",
            parameters=types.Schema(
                type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}, required=["city"]
            ),
        )
    ]
)
AUTO_OFF = types.AutomaticFunctionCallingConfig(disable=True)


@asynccontextmanager
async def sdk() -> AsyncIterator[genai.client.AsyncClient]:
    async with served() as demo:
        client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=demo.url))
        async with client.aio as aio:
            yield aio
        client.close()


async def test_a_plain_answer() -> None:
    async with sdk() as client:
        answer = await client.models.generate_content(model="any", contents="Explain rivers.")
    assert "Explain rivers" in (answer.text or "")
    assert answer.model_version == "any"
    usage = answer.usage_metadata
    assert usage is not None
    assert usage.total_token_count == (usage.prompt_token_count or 0) + (usage.candidates_token_count or 0)


async def test_a_stream_says_the_same() -> None:
    async with sdk() as client:
        plain = await client.models.generate_content(model="m", contents="Explain rivers.")
        stream = await client.models.generate_content_stream(model="m", contents="Explain rivers.")
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.text or "" for chunk in chunks) == plain.text
    assert len(chunks) > 10
    assert chunks[-1].usage_metadata == plain.usage_metadata
    reasons = [each.finish_reason for chunk in chunks for each in chunk.candidates or []]
    assert reasons[:-1] == [None] * (len(reasons) - 1)
    assert reasons[-1] == types.FinishReason.STOP


async def test_without_sse_a_stream_is_an_array() -> None:
    body = {"contents": [{"parts": [{"text": "Explain rivers."}]}]}
    async with served() as demo, httpx2.AsyncClient() as client:
        path = f"{demo.url}/v1beta/models/m:streamGenerateContent"
        array = await client.post(path, json=body)
        streamed = await client.post(f"{path}?alt=sse", json=body)
    assert array.headers["content-type"] == "application/json"
    for one, other in zip(array.json(), events(streamed.text), strict=True):
        assert one["candidates"] == other["candidates"]


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_turn_with_a_tool(streamed: bool) -> None:
    contents: list[Any] = [types.UserContent("How is the weather in Oslo?")]
    config = types.GenerateContentConfig(tools=[WEATHER], automatic_function_calling=AUTO_OFF)
    async with sdk() as client:
        if streamed:
            stream = await client.models.generate_content_stream(model="m", contents=contents, config=config)
            answer = [chunk async for chunk in stream][-1]
        else:
            answer = await client.models.generate_content(model="m", contents=contents, config=config)
        assert answer.function_calls is not None
        call = answer.function_calls[0]
        assert (call.name, call.args) == ("get_weather", {"city": "Oslo"})
        contents += [
            answer.candidates[0].content if answer.candidates else None,
            types.UserContent(types.Part.from_function_response(name="get_weather", response={"degrees": 12})),
        ]
        answer = await client.models.generate_content(model="m", contents=contents, config=config)
    assert answer.text == 'The tool `get_weather` answered: {"degrees": 12}'


async def test_the_calling_mode_is_honoured() -> None:
    def config(mode: types.FunctionCallingConfigMode, names: list[str] | None = None) -> types.GenerateContentConfig:
        calling = types.FunctionCallingConfig(mode=mode, allowed_function_names=names)
        return types.GenerateContentConfig(
            tools=[WEATHER],
            tool_config=types.ToolConfig(function_calling_config=calling),
            automatic_function_calling=AUTO_OFF,
        )

    mode = types.FunctionCallingConfigMode
    async with sdk() as client:
        generate = client.models.generate_content
        never = await generate(model="m", contents="x", config=config(mode.NONE))
        always = await generate(model="m", contents="say x", config=config(mode.ANY, ["get_weather"]))
        other = await generate(model="m", contents="say x", config=config(mode.ANY, ["other"]))
    assert [bool(answer.function_calls) for answer in (never, always, other)] == [False, True, False]


class Recipe(BaseModel):
    title: str
    servings: int


async def test_structured_answers_parse() -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=list[Recipe])
    async with sdk() as client:
        answer = await client.models.generate_content(model="m", contents="A recipe for 4", config=config)
        loose = await client.models.generate_content(
            model="m", contents="x", config=types.GenerateContentConfig(response_mime_type="application/json")
        )
    parsed: Any = answer.parsed
    assert parsed == [Recipe(title="A recipe for 4", servings=4)]
    assert isinstance(json.loads(loose.text or ""), dict)


async def test_bounds_and_candidates() -> None:
    config = types.GenerateContentConfig(max_output_tokens=2, candidate_count=3)
    async with sdk() as client:
        answer = await client.models.generate_content(model="m", contents="Explain rivers.", config=config)
    assert [each.finish_reason for each in answer.candidates or []] == [types.FinishReason.MAX_TOKENS] * 3


async def test_snake_case_is_read() -> None:
    body = {
        "contents": {"parts": [{"text": "Explain rivers."}]},
        "generation_config": {"max_output_tokens": 2},
        "system_instruction": {"parts": [{"text": "x" * 400}]},
    }
    async with served() as demo, httpx2.AsyncClient() as client:
        answer = (await client.post(f"{demo.url}/v1/models/m:generateContent", json=body)).json()
        counted = (
            await client.post(f"{demo.url}/v1/models/m:countTokens", json={"generateContentRequest": body})
        ).json()
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert counted["totalTokens"] == answer["usageMetadata"]["promptTokenCount"] > 100


async def test_counting() -> None:
    async with sdk() as client:
        short = await client.models.count_tokens(model="m", contents="hi")
        long = await client.models.count_tokens(model="m", contents="hi " * 100)
    assert 0 < (short.total_tokens or 0) < (long.total_tokens or 0)


async def test_errors_are_typed() -> None:
    async with sdk() as client:
        generate = client.models.generate_content
        for text, raised, code in [
            ("demo:429", errors.ClientError, 429),
            ("demo:500", errors.ServerError, 500),
            ("demo:overloaded", errors.ServerError, 503),
        ]:
            with pytest.raises(raised) as caught:
                await generate(model="m", contents=text)
            assert caught.value.code == code
        stream = await client.models.generate_content_stream(model="m", contents="demo:overloaded")
        with pytest.raises(errors.ServerError, match="overloaded"):
            [chunk async for chunk in stream]


async def test_an_array_can_fail_inside_too() -> None:
    body = {"contents": [{"parts": [{"text": "demo:overloaded"}]}]}
    async with served() as demo, httpx2.AsyncClient() as client:
        answer = await client.post(f"{demo.url}/v1beta/models/m:streamGenerateContent", json=body)
        empty = await client.post(f"{demo.url}/v1beta/models/m:generateContent", json={})
    assert answer.json()[-1]["error"]["status"] == "UNAVAILABLE"
    assert (empty.status_code, empty.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def test_models_are_listed() -> None:
    async with sdk() as client:
        assert "models/gemini-2.5-flash" in [model.name async for model in await client.models.list()]
        assert (await client.models.get(model="any")).name == "models/any"
