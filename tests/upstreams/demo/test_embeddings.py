"""Embeddings of the demo, by the official SDKs."""

import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from durward.upstreams.demo.embeddings import vector
from tests.upstreams.demo.served import served


def alike(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_texts_that_share_words_lie_near_each_other() -> None:
    red, blue, far = vector("a red river", 768), vector("a blue river", 768), vector("quarterly tax return", 768)
    assert alike(red, red) == pytest.approx(1, abs=1e-4)
    assert alike(red, blue) > 0.4 > abs(alike(red, far))
    assert vector("", 8) == vector("", 8)


async def test_base64_and_floats_are_the_same() -> None:
    async with served() as demo, openai.AsyncOpenAI(api_key="k", base_url=f"{demo.url}/v1") as client:
        packed = await client.embeddings.create(model="any", input=["a red river", "tax"])
        floats = await client.embeddings.create(model="any", input=["a red river", "tax"], encoding_format="float")
        short = await client.embeddings.create(model="any", input="x", dimensions=8)
        tokens = await client.embeddings.create(model="any", input=[[1, 2], [3]])
    assert packed.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-6)
    assert [each.index for each in packed.data] == [0, 1]
    assert (len(floats.data[0].embedding), len(short.data[0].embedding), len(tokens.data)) == (1536, 8, 2)
    assert floats.usage.prompt_tokens == -(-len("a red rivertax") // 4)


async def test_geminis_embeddings() -> None:
    async with served() as demo:
        client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=demo.url))
        async with client.aio as aio:
            many = await aio.models.embed_content(model="any", contents=["a red river", "tax"])
            small = await aio.models.embed_content(
                model="any", contents="x", config=types.EmbedContentConfig(output_dimensionality=8)
            )
        client.close()
        async with httpx2.AsyncClient() as plain:
            body = {"content": {"parts": [{"text": "a red river"}]}}
            one = (await plain.post(f"{demo.url}/v1beta/models/any:embedContent", json=body)).json()
    assert many.embeddings is not None
    assert [len(each.values or []) for each in many.embeddings] == [768, 768]
    assert one["embedding"]["values"] == many.embeddings[0].values
    assert one["usageMetadata"]["promptTokenCount"] > 0
    assert small.embeddings is not None
    assert len(small.embeddings[0].values or []) == 8


@pytest.mark.parametrize(
    "path,body",
    [
        ("/v1/embeddings", {"model": "m"}),
        ("/v1/embeddings", {"model": "m", "input": []}),
        ("/v1/embeddings", {"model": "m", "input": "x", "encoding_format": "hex"}),
        ("/v1/embeddings", {"model": "m", "input": "x", "dimensions": 0}),
        ("/v1beta/models/m:embedContent", {}),
        ("/v1beta/models/m:batchEmbedContents", {"requests": []}),
    ],
)
async def test_what_is_refused(path: str, body: object) -> None:
    async with served() as demo, httpx2.AsyncClient() as client:
        answer = await client.post(demo.url + path, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
