"""The demo provider in Anthropic's messages."""

import json
from collections.abc import Iterator
from typing import Any

from durward.upstreams.demo.talk import Prompt, Reply, Result, Tool, Wrong, tokens_of
from durward.upstreams.demo.wires import (
    Asked,
    Body,
    Stamp,
    all_text_of,
    bound_of,
    event,
    objects,
    schema_of,
    size_of,
    text_of,
)

TYPES = {400: "invalid_request_error", 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}


class AnthropicMessages:
    """`POST /v1/messages`."""

    overloaded = 529

    def read(self, body: Body, model: str, stream: bool, query: str) -> Asked:
        prompt = _prompt(body, bound_of(body, "max_tokens"))
        if prompt.max_output is None:
            raise Wrong("max_tokens: Field required")
        return Asked(_model(body), prompt, body.get("stream") is True, body)

    def whole(self, asked: Asked, reply: Reply, stamp: Stamp) -> Body:
        return _message(
            asked, stamp, [_block(reply, stamp, whole=True)], _reason(reply), _usage(reply, reply.output_tokens)
        )

    def pieces(self, asked: Asked, reply: Reply, stamp: Stamp) -> Iterator[bytes]:
        def told(name: str, **members: Any) -> bytes:
            return event({"type": name, **members}, name)

        begun = _message(asked, stamp, [], None, _usage(reply, 1))
        yield (
            told("message_start", message=begun)
            + told("content_block_start", index=0, content_block=_block(reply, stamp, whole=False))
            + told("ping")
        )
        for piece in reply.pieces:
            delta = {"type": "text_delta", "text": piece}
            if reply.tool:
                delta = {"type": "input_json_delta", "partial_json": piece}
            yield told("content_block_delta", index=0, delta=delta)
        counts = {
            "input_tokens": reply.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": reply.output_tokens,
        }
        end = told("content_block_stop", index=0)
        end += told("message_delta", delta={"stop_reason": _reason(reply), "stop_sequence": None}, usage=counts)
        yield end + told("message_stop")

    def fail(self, status: int, message: str, stamp: Stamp) -> Body:
        kind = TYPES.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": f"req_{stamp.token}"}

    def fail_inside(self, asked: Asked, stamp: Stamp) -> bytes:
        return event(self.fail(529, "Overloaded", stamp), "error")

    def lines(self, asked: Asked | None, stamp: Stamp) -> bytes:
        return (
            b"request-id: req_%b\r\nanthropic-organization-id: demo\r\n"
            b"anthropic-ratelimit-requests-limit: 4000\r\nanthropic-ratelimit-requests-remaining: 3999\r\n"
        ) % stamp.token.encode()


class AnthropicCount(AnthropicMessages):
    """`POST /v1/messages/count_tokens`."""

    def read(self, body: Body, model: str, stream: bool, query: str) -> Asked:
        return Asked(_model(body), _prompt(body, None), False, body)

    def whole(self, asked: Asked, reply: Reply, stamp: Stamp) -> Body:
        return {"input_tokens": max(1, tokens_of(asked.prompt.input_bytes))}


def _model(body: Body) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Wrong("model: Field required")
    return model


def _prompt(body: Body, bound: int | None) -> Prompt:
    messages = objects(body.get("messages"))
    if not messages:
        raise Wrong("messages: at least one message is required")
    spoken = [message for message in messages if message.get("role") == "user"]
    choice = body.get("tool_choice")
    kind = choice.get("type") if isinstance(choice, dict) else None
    forced = str(choice.get("name")) if kind == "tool" and isinstance(choice, dict) else "" if kind == "any" else None
    return Prompt(
        text_of(spoken[-1].get("content")) if spoken else "",
        size_of(messages, body.get("system"), body.get("tools"), body.get("output_config")),
        () if kind == "none" else tuple(_tools(objects(body.get("tools")))),
        _result(messages, spoken),
        forced,
        _schema(body),
        bound,
    )


def _tools(tools: list[Body]) -> Iterator[Tool]:
    for tool in tools:
        if tool.get("type") in (None, "custom") and isinstance(tool.get("name"), str):
            yield Tool(tool["name"], schema_of(tool.get("input_schema")), str(tool.get("description") or ""))


def _result(messages: list[Body], spoken: list[Body]) -> Result | None:
    """What a tool answered in the last message; clients may add words of their own behind it."""
    blocks = (
        [block for block in objects(spoken[-1].get("content")) if block.get("type") == "tool_result"] if spoken else []
    )
    if not blocks:
        return None
    last = blocks[-1]
    made = [
        block for message in messages for block in objects(message.get("content")) if block.get("type") == "tool_use"
    ]
    names = [str(block.get("name")) for block in made if block.get("id") == last.get("tool_use_id")]
    return Result(names[-1] if names else "tool", all_text_of(last.get("content")))


def _schema(body: Body) -> Body | None:
    config = body.get("output_config")
    wanted = (config.get("format") if isinstance(config, dict) else None) or body.get("output_format")
    return schema_of(wanted.get("schema")) if isinstance(wanted, dict) and wanted.get("type") == "json_schema" else None


def _message(asked: Asked, stamp: Stamp, content: list[Body], reason: str | None, usage: Body) -> Body:
    return {
        "id": f"msg_{stamp.token}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def _block(reply: Reply, stamp: Stamp, *, whole: bool) -> Body:
    if reply.tool is None:
        return {"type": "text", "text": reply.text if whole else ""}
    arguments = json.loads(json.dumps(reply.arguments)) if whole else {}
    return {"type": "tool_use", "id": f"toolu_{stamp.token}", "name": reply.tool.name, "input": arguments}


def _reason(reply: Reply) -> str:
    return "tool_use" if reply.tool else "end_turn" if reply.whole else "max_tokens"


def _usage(reply: Reply, output: int) -> Body:
    return {
        "input_tokens": reply.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
        "inference_geo": "not_available",
    }
