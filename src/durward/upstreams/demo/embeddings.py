"""The demo provider's embeddings, in OpenAI's and Gemini's wire: texts that share words lie near each other."""

import re
import struct
from base64 import b64encode
from hashlib import sha256
from math import sqrt
from typing import Any

from durward.upstreams.demo.gemini import GeminiGenerate
from durward.upstreams.demo.openai_chat import OpenAIChat
from durward.upstreams.demo.openai_shared import model_of
from durward.upstreams.demo.talk import Prompt, Reply, Wrong, tokens_of
from durward.upstreams.demo.wires import Asked, Body, Stamp, objects

OPENAI_SIZE = 1536
GEMINI_SIZE = 768
LARGEST = 3072
INPUTS = 2048
_word = re.compile(r"\w+")


def vector(text: str, size: int) -> list[float]:
    """A vector of length 1: each word moves a few of its coordinates."""
    coordinates = [0.0] * size
    for word in _word.findall(text.lower()) or [text]:
        digest = sha256(word.encode("utf-8", "replace")).digest()
        for start in range(0, 32, 4):
            number = int.from_bytes(digest[start : start + 4], "big")
            coordinates[(number >> 1) % size] += 1.0 if number & 1 else -1.0
    length = sqrt(sum(each * each for each in coordinates)) or 1.0
    return [round(each / length, 7) for each in coordinates]


class OpenAIEmbeddings(OpenAIChat):
    """`POST /v1/embeddings`: as floats, or as the base64 of little-endian 32-bit floats."""

    def read(self, body: Body, model: str, stream: bool, query: str) -> Asked:
        texts = _texts(body.get("input"))
        if body.get("encoding_format") not in (None, "float", "base64"):
            raise Wrong("encoding_format must be float or base64")
        prompt = Prompt(" ".join(texts), sum(len(text.encode("utf-8", "replace")) for text in texts))
        return Asked(model_of(body), prompt, False, body)

    def whole(self, asked: Asked, reply: Reply, stamp: Stamp) -> Body:
        size = _size(asked.body.get("dimensions"), OPENAI_SIZE)
        packed = asked.body.get("encoding_format") == "base64"
        embedded: list[Body] = []
        for index, text in enumerate(_texts(asked.body["input"])):
            values = vector(text, size)
            embedding: Any = b64encode(struct.pack(f"<{size}f", *values)).decode() if packed else values
            embedded.append({"object": "embedding", "index": index, "embedding": embedding})
        usage = {"prompt_tokens": reply.input_tokens, "total_tokens": reply.input_tokens}
        return {"object": "list", "data": embedded, "model": asked.model, "usage": usage}


class GeminiEmbed(GeminiGenerate):
    """`:embedContent` and `:batchEmbedContents`."""

    def read(self, body: Body, model: str, stream: bool, query: str) -> Asked:
        texts = [_text(each) for each in _contents(body)]
        prompt = Prompt(" ".join(texts), sum(len(text.encode("utf-8", "replace")) for text in texts))
        return Asked(model, prompt, False, body)

    def whole(self, asked: Asked, reply: Reply, stamp: Stamp) -> Body:
        vectors = [
            {"values": vector(_text(each), _size(each.get("outputDimensionality"), GEMINI_SIZE))}
            for each in _contents(asked.body)
        ]
        count = max(1, tokens_of(asked.prompt.input_bytes))
        usage = {"promptTokenCount": count, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": count}]}
        if "requests" in asked.body:
            return {"embeddings": vectors, "usageMetadata": usage}
        return {"embedding": vectors[0], "usageMetadata": usage}


def _texts(given: Any) -> list[str]:
    """A text, texts, or tokens, which are taken as the words they number. Raises Wrong."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not 0 < len(given) <= INPUTS:
        raise Wrong("input must be a string, a list of strings, or lists of tokens")
    if all(isinstance(each, int) for each in given):
        return [" ".join(map(str, given))]
    return [
        each if isinstance(each, str) else " ".join(map(str, each if isinstance(each, list) else [each]))
        for each in given
    ]


def _contents(body: Body) -> list[Body]:
    requests = objects(body["requests"]) if "requests" in body else [body]
    if not 0 < len(requests) <= INPUTS or not all(isinstance(each.get("content"), dict) for each in requests):
        raise Wrong("content is not specified")
    return requests


def _text(request: Body) -> str:
    return " ".join(str(part.get("text", "")) for part in objects(request["content"].get("parts")))


def _size(wanted: Any, usual: int) -> int:
    if wanted is None:
        return usual
    if not isinstance(wanted, int) or not 0 < wanted <= LARGEST:
        raise Wrong(f"dimensions must be between 1 and {LARGEST}")
    return wanted
