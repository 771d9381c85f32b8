"""Request bodies: a short question, a coding agent's long one, and a stream."""

import json
import random

WORDS = (
    *(
        "order",
        "parcel",
        "customer",
        "refund",
        "delivery",
        "warehouse",
        "invoice",
        "address",
        "policy",
        "window",
        "return",
    ),
    *(
        "label",
        "carrier",
        "status",
        "please",
        "check",
        "whether",
        "the",
        "shipment",
        "that",
        "left",
        "on",
        "Tuesday",
        "has",
    ),
    *("reached", "its", "depot", "and", "tell", "me", "what", "remains", "to", "be", "done"),
)
MODEL = "gpt-4o-mini"


def plain() -> bytes:
    """A prompt of 1 KB."""
    return _body(_messages(1000))


def large() -> bytes:
    """77 KB, the size and shape of a coding agent's turn: two dozen tools and a long conversation."""
    tools = [_tool(number) for number in range(24)]
    empty = len(_body([], tools=tools))
    return _body(_messages(77 * 1024 - empty - 120), tools=tools)


def stream() -> bytes:
    return _body(_messages(1000), stream=True)


def _body(messages: list[object], **members: object) -> bytes:
    return json.dumps({"model": MODEL, "messages": messages, "temperature": 0.2, "max_tokens": 256, **members}).encode()


def _messages(size: int) -> list[object]:
    system = "You answer questions about orders. Be brief."
    return [{"role": "system", "content": system}, {"role": "user", "content": _text(size - len(system))}]


def _tool(number: int) -> object:
    properties = {
        name: {"type": "string", "description": _text(150, number)} for name in ("path", "pattern", "replacement")
    }
    parameters = {"type": "object", "properties": properties, "required": ["path"], "additionalProperties": False}
    function = {"name": f"tool_{number:02}", "description": _text(900, number), "parameters": parameters}
    return {"type": "function", "function": function}


def _text(size: int, seed: int = 0) -> str:
    choose = random.Random(seed)
    words: list[str] = []
    while sum(map(len, words)) + len(words) < size:
        words.append(choose.choice(WORDS))
    return " ".join(words)[:size]
