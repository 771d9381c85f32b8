"""The demo provider in OpenAI's chat completions."""

import json
from collections.abc import Iterator
from typing import Any

from durward.upstreams.demo.openai_shared import fail, lines, model_of, said_by
from durward.upstreams.demo.talk import Prompt, Reply, Result, Tool, Wrong
from durward.upstreams.demo.wires import (
    Asked,
    Body,
    Stamp,
    all_text_of,
    bound_of,
    count_of,
    event,
    objects,
    schema_of,
    size_of,
    text_of,
)


class OpenAIChat:
    """`POST /v1/chat/completions`."""

    overloaded = 503

    def read(self, body: Body, model: str, stream: bool, query: str) -> Asked:
        messages = objects(body.get("messages"))
        if not messages:
            raise Wrong("messages must be a list of at least one message")
        # Legacy functions are tools too.
        functions = [tool.get("function") for tool in objects(body.get("tools"))] + objects(body.get("functions"))
        choice = body.get("tool_choice")
        prompt = Prompt(
            text_of(said_by("user", messages)),
            size_of(messages, body.get("tools"), body.get("functions"), body.get("response_format")),
            () if choice == "none" else tuple(_tools(objects(functions))),
            _result(messages),
            _forced(choice),
            _schema(body.get("response_format")),
            bound_of(body, "max_completion_tokens", "max_tokens"),
        )
        return Asked(model_of(body), prompt, body.get("stream") is True, body, count_of(body.get("n")))

    def whole(self, asked: Asked, reply: Reply, stamp: Stamp) -> Body:
        message: Body = {"role": "assistant", "content": None if reply.tool else reply.text, "refusal": None}
        if reply.tool:
            message["tool_calls"] = [_call(reply, stamp, json.dumps(reply.arguments, ensure_ascii=False))]
        else:
            message["annotations"] = []
        choices = [
            {"index": index, "message": message, "logprobs": None, "finish_reason": _reason(reply)}
            for index in range(asked.choices)
        ]
        return {**_head("chat.completion", asked, stamp), "choices": choices, "usage": _usage(asked, reply)}

    def pieces(self, asked: Asked, reply: Reply, stamp: Stamp) -> Iterator[bytes]:
        counts = bool((asked.body.get("stream_options") or {}).get("include_usage"))
        head = _head("chat.completion.chunk", asked, stamp) | ({"usage": None} if counts else {})

        def chunk(index: int, delta: Body, reason: str | None = None) -> bytes:
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
            return event({**head, "choices": [choice]})

        for index in range(asked.choices):
            if reply.tool:
                yield chunk(
                    index,
                    {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **_call(reply, stamp, "")}]},
                )
            else:
                yield chunk(index, {"role": "assistant", "content": "", "refusal": None})
        for piece in reply.pieces:
            delta = (
                {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} if reply.tool else {"content": piece}
            )
            yield b"".join(chunk(index, delta) for index in range(asked.choices))
        end = b"".join(chunk(index, {}, _reason(reply)) for index in range(asked.choices))
        if counts:
            end += event({**head, "choices": [], "usage": _usage(asked, reply)})
        yield end + b"data: [DONE]\n\n"

    def fail(self, status: int, message: str, stamp: Stamp) -> Body:
        return fail(status, message)

    def fail_inside(self, asked: Asked, stamp: Stamp) -> bytes:
        return event(fail(503, "The model is overloaded with other requests. Please retry later."))

    def lines(self, asked: Asked | None, stamp: Stamp) -> bytes:
        return lines(stamp)


def _tools(functions: list[Body]) -> Iterator[Tool]:
    for function in functions:
        if isinstance(function.get("name"), str):
            yield Tool(function["name"], schema_of(function.get("parameters")), str(function.get("description") or ""))


def _result(messages: list[Body]) -> Result | None:
    last = messages[-1]
    if last.get("role") not in ("tool", "function"):
        return None
    made = [call for message in messages for call in objects(message.get("tool_calls"))]
    names = [
        str((call.get("function") or {}).get("name")) for call in made if call.get("id") == last.get("tool_call_id")
    ]
    return Result(names[-1] if names else str(last.get("name") or "tool"), all_text_of(last.get("content")))


def _forced(choice: Any) -> str | None:
    if choice == "required":
        return ""
    if isinstance(choice, dict):
        named = (choice.get("function") or choice).get("name")
        return named if isinstance(named, str) else None
    return None


def _schema(wanted: Any) -> Body | None:
    if not isinstance(wanted, dict) or wanted.get("type") not in ("json_schema", "json_object"):
        return None
    described = wanted.get("json_schema")
    return (
        schema_of(described.get("schema"))
        if isinstance(described, dict)
        else {"type": "object", "required": ["answer"]}
    )


def _head(kind: str, asked: Asked, stamp: Stamp) -> Body:
    return {
        "id": f"chatcmpl-{stamp.token}",
        "object": kind,
        "created": stamp.created,
        "model": asked.model,
        "service_tier": "default",
        "system_fingerprint": "fp_demo",
    }


def _call(reply: Reply, stamp: Stamp, arguments: str) -> Body:
    assert reply.tool is not None
    function = {"name": reply.tool.name, "arguments": arguments}
    return {"id": f"call_{stamp.token}", "type": "function", "function": function}


def _reason(reply: Reply) -> str:
    return "tool_calls" if reply.tool else "stop" if reply.whole else "length"


def _usage(asked: Asked, reply: Reply) -> Body:
    output = reply.output_tokens * asked.choices
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": output,
        "total_tokens": reply.input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
