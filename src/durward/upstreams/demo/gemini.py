"""The demo provider in Gemini's verbs."""

import json
from collections.abc import Iterator
from typing import Any

from durward.upstreams.demo.talk import Prompt, Reply, Result, Tool, Wrong, tokens_of
from durward.upstreams.demo.wires import Asked, Body, Stamp, bound_of, count_of, objects, schema_of, size_of

STATUSES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}


class GeminiGenerate:
    """`:generateContent` and `:streamGenerateContent`."""

    overloaded = 503

    def read(self, body: Body, model: str, stream: bool, query: str) -> Asked:
        config = _either(body, "generationConfig", "generation_config")
        config = config if isinstance(config, dict) else {}
        count = _either(config, "candidateCount", "candidate_count")
        prompt = _prompt(body, config)
        array = stream and "alt=sse" not in query.split("&")
        return Asked(model, prompt, stream, body, count_of(count), array)

    def whole(self, asked: Asked, reply: Reply, stamp: Stamp) -> Body:
        part = {"functionCall": _call(reply)} if reply.tool else {"text": reply.text}
        return _answer(asked, stamp, part, _reason(reply), _usage(asked, reply, reply.output_tokens))

    def pieces(self, asked: Asked, reply: Reply, stamp: Stamp) -> Iterator[bytes]:
        counts = _usage(asked, reply, 0)
        chunks = [_answer(asked, stamp, {"text": piece}, None, counts) for piece in reply.pieces if not reply.tool]
        last = {"functionCall": _call(reply)} if reply.tool else {"text": ""}
        chunks.append(_answer(asked, stamp, last, _reason(reply), _usage(asked, reply, reply.output_tokens)))
        for place, chunk in enumerate(chunks):
            encoded = json.dumps(chunk, ensure_ascii=False, indent=1 if asked.array else None).encode(
                "utf-8", "replace"
            )
            if not asked.array:
                yield b"data: %b\r\n\r\n" % encoded
                continue
            end = b"\n]\n" if place == len(chunks) - 1 else b""
            yield (b"\n,\r\n" if place else b"[") + encoded + end

    def fail(self, status: int, message: str, stamp: Stamp) -> Body:
        return {"error": {"code": status, "message": message, "status": STATUSES.get(status, "UNKNOWN")}}

    def fail_inside(self, asked: Asked, stamp: Stamp) -> bytes:
        error = json.dumps(self.fail(503, "The model is overloaded. Please try again later.", stamp)).encode()
        return b"\n,\r\n%b\n]\n" % error if asked.array else b"data: %b\r\n\r\n" % error

    def lines(self, asked: Asked | None, stamp: Stamp) -> bytes:
        return b"X-Request-Id: %b\r\nX-Gemini-Service-Tier: standard\r\n" % stamp.token.encode()


class GeminiCount(GeminiGenerate):
    """`:countTokens`."""

    def read(self, body: Body, model: str, stream: bool, query: str) -> Asked:
        inner = _either(body, "generateContentRequest", "generate_content_request")
        return super().read(inner if isinstance(inner, dict) else body, model, False, query)

    def whole(self, asked: Asked, reply: Reply, stamp: Stamp) -> Body:
        count = max(1, tokens_of(asked.prompt.input_bytes))
        return {"totalTokens": count, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count}]}


def _either(body: Body, camel: str, snake: str) -> Any:
    value = body.get(camel)
    return body.get(snake) if value is None else value


def _prompt(body: Body, config: Body) -> Prompt:
    given = body.get("contents")
    contents = [given] if isinstance(given, dict) else objects(given)
    if not contents:
        raise Wrong("contents is not specified")
    spoken = [content for content in contents if content.get("role", "user") in ("user", "function")]
    parts = objects(spoken[-1].get("parts")) if spoken else []
    # What the user said stands behind the results of an earlier turn.
    said = [content for content in spoken if any("text" in part for part in objects(content.get("parts")))]
    texts = [str(part["text"]) for part in objects(said[-1].get("parts")) if "text" in part] if said else [""]
    mode, named = _mode(body)
    tools = tuple(tool for tool in _tools(body) if not named or tool.name in named)
    system = _either(body, "systemInstruction", "system_instruction")
    return Prompt(
        texts[-1],
        size_of(contents, system, body.get("tools")),
        () if mode == "NONE" else tools,
        _result(parts),
        "" if mode == "ANY" else None,
        _schema(config),
        bound_of({"maxOutputTokens": _either(config, "maxOutputTokens", "max_output_tokens")}, "maxOutputTokens"),
    )


def _mode(body: Body) -> tuple[str, list[str]]:
    config = _either(body, "toolConfig", "tool_config")
    calling = _either(config, "functionCallingConfig", "function_calling_config") if isinstance(config, dict) else None
    if not isinstance(calling, dict):
        return "AUTO", []
    names = _either(calling, "allowedFunctionNames", "allowed_function_names")
    return str(calling.get("mode", "AUTO")).upper(), names if isinstance(names, list) else []


def _tools(body: Body) -> Iterator[Tool]:
    for tool in objects(body.get("tools")):
        for declared in objects(_either(tool, "functionDeclarations", "function_declarations")):
            schema = declared.get("parameters") or _either(declared, "parametersJsonSchema", "parameters_json_schema")
            if isinstance(declared.get("name"), str):
                yield Tool(declared["name"], schema_of(schema), str(declared.get("description") or ""))


def _result(parts: list[Body]) -> Result | None:
    answered = [_either(part, "functionResponse", "function_response") for part in parts]
    results = [each for each in answered if isinstance(each, dict)]
    if not results:
        return None
    return Result(str(results[-1].get("name", "tool")), json.dumps(results[-1].get("response"), ensure_ascii=False))


def _schema(config: Body) -> Body | None:
    for names in (("responseJsonSchema", "response_json_schema"), ("responseSchema", "response_schema")):
        wanted = _either(config, *names)
        if isinstance(wanted, dict):
            return wanted
    if _either(config, "responseMimeType", "response_mime_type") == "application/json":
        return {"type": "object", "required": ["answer"]}
    return None


def _call(reply: Reply) -> Body:
    assert reply.tool is not None
    return {"name": reply.tool.name, "args": reply.arguments}


def _reason(reply: Reply) -> str:
    return "STOP" if reply.whole else "MAX_TOKENS"


def _answer(asked: Asked, stamp: Stamp, part: Body, reason: str | None, usage: Body) -> Body:
    finished = {"finishReason": reason} if reason else {}
    candidates = [
        {"content": {"parts": [part], "role": "model"}, **finished, "index": index} for index in range(asked.choices)
    ]
    return {"candidates": candidates, "usageMetadata": usage, "modelVersion": asked.model, "responseId": stamp.token}


def _usage(asked: Asked, reply: Reply, output: int) -> Body:
    output *= asked.choices
    counts = {
        "promptTokenCount": reply.input_tokens,
        "totalTokenCount": reply.input_tokens + output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": reply.input_tokens}],
        "serviceTier": "standard",
    }
    return {**counts, "candidatesTokenCount": output} if output else counts
