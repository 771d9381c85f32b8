"""The demo provider in OpenAI's Responses."""

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
    event,
    objects,
    schema_of,
    size_of,
    text_of,
)


class OpenAIResponses:
    """`POST /v1/responses`."""

    overloaded = 503

    def read(self, body: Body, model: str, stream: bool, query: str) -> Asked:
        given = body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else objects(given)
        if not items:
            raise Wrong("input must be a string or a list of items")
        choice = body.get("tool_choice")
        prompt = Prompt(
            text_of(said_by("user", items)),
            size_of(items, body.get("instructions"), body.get("tools"), body.get("text")),
            () if choice == "none" else tuple(_tools(objects(body.get("tools")), "")),
            _result(items),
            _forced(choice),
            _schema((body.get("text") or {}).get("format") if isinstance(body.get("text"), dict) else None),
            bound_of(body, "max_output_tokens"),
        )
        return Asked(model_of(body), prompt, body.get("stream") is True, body)

    def whole(self, asked: Asked, reply: Reply, stamp: Stamp) -> Body:
        item = _item(reply, stamp, "completed")
        return _response(asked, stamp, "completed" if reply.whole else "incomplete", [item], _usage(reply))

    def pieces(self, asked: Asked, reply: Reply, stamp: Stamp) -> Iterator[bytes]:
        number = -1

        def told(kind: str, /, **members: Any) -> bytes:
            nonlocal number
            number += 1
            return event({"type": f"response.{kind}", "sequence_number": number, **members}, f"response.{kind}")

        begun = _response(asked, stamp, "in_progress", [], None)
        yield told("created", response=begun) + told("in_progress", response=begun)
        item = _item(reply, stamp, "in_progress")
        place = {"item_id": item["id"], "output_index": 0}
        opening = told("output_item.added", output_index=0, item=item)
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        if reply.tool is None:
            opening += told("content_part.added", **place, content_index=0, part=part)
        yield opening
        for piece in reply.pieces:
            if reply.tool is None:
                yield told("output_text.delta", **place, content_index=0, delta=piece, logprobs=[])
            else:
                yield told("function_call_arguments.delta", **place, delta=piece)
        done = _item(reply, stamp, "completed")
        if reply.tool is None:
            end = told("output_text.done", **place, content_index=0, text=reply.text, logprobs=[])
            end += told("content_part.done", **place, content_index=0, part={**part, "text": reply.text})
        else:
            end = told("function_call_arguments.done", **place, name=reply.tool.name, arguments=done["arguments"])
        end += told("output_item.done", output_index=0, item=done)
        status = "completed" if reply.whole else "incomplete"
        yield end + told(status, response=_response(asked, stamp, status, [done], _usage(reply)))

    def fail(self, status: int, message: str, stamp: Stamp) -> Body:
        return fail(status, message)

    def fail_inside(self, asked: Asked, stamp: Stamp) -> bytes:
        failed = _response(asked, stamp, "failed", [], None)
        failed["error"] = {"code": "server_is_overloaded", "message": "The model is overloaded. Please retry later."}
        return event({"type": "response.failed", "sequence_number": 99, "response": failed}, "response.failed")

    def lines(self, asked: Asked | None, stamp: Stamp) -> bytes:
        return lines(stamp)


def _tools(tools: list[Body], namespace: str) -> Iterator[Tool]:
    """Functions, and those inside namespaces (Codex offers its MCP tools so)."""
    for tool in tools:
        name = tool.get("name")
        if tool.get("type") == "namespace" and isinstance(name, str):
            yield from _tools(objects(tool.get("tools")), name)
        elif tool.get("type") == "function" and isinstance(name, str):
            yield Tool(name, schema_of(tool.get("parameters")), str(tool.get("description") or ""), namespace)


def _result(items: list[Body]) -> Result | None:
    last = items[-1]
    if not str(last.get("type")).endswith("_call_output"):
        return None
    names = [item.get("name") for item in items if item.get("call_id") == last.get("call_id") and item.get("name")]
    return Result(str(names[-1]) if names else "tool", all_text_of(last.get("output")))


def _forced(choice: Any) -> str | None:
    if choice == "required":
        return ""
    return str(choice["name"]) if isinstance(choice, dict) and choice.get("name") else None


def _schema(wanted: Any) -> Body | None:
    if not isinstance(wanted, dict) or wanted.get("type") not in ("json_schema", "json_object"):
        return None
    return schema_of(wanted["schema"]) if "schema" in wanted else {"type": "object", "required": ["answer"]}


def _item(reply: Reply, stamp: Stamp, status: str) -> Body:
    done = status == "completed"
    if reply.tool is None:
        text = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        state = status if reply.whole or not done else "incomplete"
        return {
            "id": f"msg_{stamp.token}",
            "type": "message",
            "status": state,
            "role": "assistant",
            "content": [text] if done else [],
        }
    item = {
        "id": f"fc_{stamp.token}",
        "type": "function_call",
        "status": status,
        "call_id": f"call_{stamp.token}",
        "name": reply.tool.name,
        "arguments": json.dumps(reply.arguments, ensure_ascii=False) if done else "",
    }
    return {**item, "namespace": reply.tool.namespace} if reply.tool.namespace else item


def _response(asked: Asked, stamp: Stamp, status: str, output: list[Body], usage: Body | None) -> Body:
    body = asked.body
    cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
    return {
        "id": f"resp_{stamp.token}",
        "object": "response",
        "created_at": stamp.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": cut,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": asked.model,
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": usage,
        "user": None,
        "metadata": body.get("metadata") or {},
    }


def _usage(reply: Reply) -> Body:
    return {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
