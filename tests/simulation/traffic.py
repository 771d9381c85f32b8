"""What is asked and what is answered: two configurations that differ in everything, kinds of calls, and the upstream's answer to each."""

import json
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from durward.calls.origin import Timeouts
from durward.config.settings import (
    Agent,
    Api,
    Credential,
    Model,
    ModelTarget,
    PriceOverride,
    Provider,
    Rule,
    Selector,
    Settings,
)

KEY = "dw_" + "k" * 43
"""The agent that both configurations know."""
RETIRED = "dw_" + "r" * 43
"""The agent that only `a` knows."""
LETTERS = ("a", "b")
RATES = {"a": (1, 3), "b": (7, 11)}
"""USD per million tokens, input and output."""
HOSTS = ("openai", "second", "anthropic", "gemini", "crm")
MARK = "sim-overloaded"
"""What an error inside a stream says."""
ENVIRONMENT = {f"{host}_{letter}".upper(): f"secret-{host}-{letter}" for host in HOSTS for letter in LETTERS}


def host_of(name: str, letter: str) -> str:
    return f"{name}.{letter}.example"


def address_of(name: str, letter: str) -> str:
    """Where a host is."""
    return f"10.0.{LETTERS.index(letter)}.{HOSTS.index(name) + 1}"


def credential_of(name: str, letter: str) -> str:
    return f"secret-{name}-{letter}"


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def settings_of(letter: str, data_dir: str, timeouts: Timeouts, lasting: bool) -> Settings:
    """One of the two configurations: every name, place, secret, price and rule in it tells which."""

    def credential(name: str) -> Credential:
        return Credential(header="Authorization", template="${env:" + f"{name}_{letter}".upper() + "}")

    def provider(name: str, protocol: Any, base: str = "") -> Provider:
        return Provider(
            name, protocol, f"http://{host_of(name, letter)}{base}", credential=credential(name), timeouts=timeouts
        )

    def model(name: str, *providers: str) -> Model:
        return Model(name, tuple(ModelTarget(provider, f"{name}-{letter}") for provider in providers))

    models = [
        model("gpt", "openai"),
        model("both", "openai", "second"),
        model("claude", "anthropic"),
        model("gem", "gemini"),
        model("vector", "openai"),
        model("only", "openai"),
        model("secret", "openai"),
    ]
    denied = ("model/secret",) if letter == "a" else ("model/secret", "model/only")
    rates = RATES[letter]
    agents = [Agent("carol", "acme", f"team-{letter}", "desk", (_digest(KEY),))]
    if letter == "a":
        models.append(model("gone", "openai"))
        agents.append(Agent("rita", "acme", f"team-{letter}", "desk", (_digest(RETIRED),)))
    return Settings(
        listen="127.0.0.1:7300",
        data_dir=data_dir,
        durability="disk" if lasting else "process",
        providers=(
            provider("openai", "openai", "/v1"),
            provider("second", "openai", "/v1"),
            provider("anthropic", "anthropic"),
            provider("gemini", "gemini"),
        ),
        models=tuple(models),
        apis=(Api("crm", f"http://{host_of('crm', letter)}/v2", credential("crm"), timeouts=timeouts),),
        agents=tuple(agents),
        policies=(
            Rule(f"no-{letter}", "deny", Selector(resources=denied)),
            Rule(f"yes-{letter}", "allow", Selector()),
        ),
        prices=(PriceOverride("model/*", input=str(rates[0]), output=str(rates[1])),),
    )


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of call. There is one object of each."""

    name: str
    method: str
    path: str
    model: str = ""
    body: dict[str, Any] | None = None
    shape: str = "chat"
    """Which answer it gets, of `_whole` and `_events`."""
    stream: bool = False
    terminal: bytes = b""
    """What the last event of a stream holds; empty where only the end of the body tells."""
    tokens: bool = True
    """Whether its answer tells the tokens it used."""
    own: int = 0
    """The status with which the gate answers by itself; 0 where an upstream does."""
    chunked: bool = False
    """Whether its body goes up in chunks."""
    version: str = "1.1"
    lines: str = ""
    """Further header lines."""


_SAID = [{"role": "user", "content": "Hello!"}]
_CHAT: dict[str, Any] = {"max_tokens": 100, "messages": _SAID}
_GEMINI: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]}
_STREAM = {"stream": True}
CHAT = Kind("chat", "POST", "/v1/chat/completions", "gpt", _CHAT)
KINDS = (
    CHAT,
    replace(CHAT, name="both", model="both"),
    replace(CHAT, name="both stream", model="both", body=_CHAT | _STREAM, stream=True, terminal=b"[DONE]"),
    replace(CHAT, name="chat stream", body=_CHAT | _STREAM, stream=True, terminal=b"[DONE]"),
    replace(
        CHAT,
        name="chat stream with usage",
        body=_CHAT | _STREAM | {"stream_options": {"include_usage": True}},
        stream=True,
        terminal=b"[DONE]",
        shape="chat usage",
    ),
    replace(CHAT, name="chat that expects", lines="Expect: 100-continue\r\n"),
    replace(
        *(CHAT,),
        name="chat stream of old",
        body=_CHAT | _STREAM,
        stream=True,
        terminal=b"[DONE]",
        version="1.0",
    ),
    Kind("messages", "POST", "/v1/messages", "claude", _CHAT, "messages"),
    Kind("messages stream", "POST", "/v1/messages", "claude", _CHAT | _STREAM, "messages", True, b'"message_stop"'),
    Kind("gemini", "POST", "/v1beta/models/gem:generateContent", "", _GEMINI, "gemini"),
    Kind("gemini stream", "POST", "/v1beta/models/gem:streamGenerateContent?alt=sse", "", _GEMINI, "gemini", True),
    Kind("gemini array", "POST", "/v1beta/models/gem:streamGenerateContent", "", _GEMINI, "array", True),
    Kind("responses", "POST", "/v1/responses", "gpt", {"input": "Hello!"}, "responses"),
    Kind(
        *("responses stream", "POST", "/v1/responses", "gpt", {"input": "Hello!", "stream": True}),
        *("responses", True, b'"response.completed"'),
    ),
    Kind("embeddings", "POST", "/v1/embeddings", "vector", {"input": "Hello!"}, "embeddings"),
    Kind("only", "POST", "/v1/chat/completions", "only", _CHAT),
    Kind("gone", "POST", "/v1/chat/completions", "gone", _CHAT),
    Kind("moderation", "POST", "/v1/moderations", "", {"input": "Hello!"}, "opaque", tokens=False),
    Kind("api", "POST", "/api/crm/orders", "", {"item": "lamp"}, "opaque", tokens=False),
    Kind("api stream", "GET", "/api/crm/stream", "", None, "lines", True, tokens=False),
    Kind("api to the end", "GET", "/api/crm/log", "", None, "closed", True, tokens=False),
    Kind("api head", "HEAD", "/api/crm/orders", "", None, "opaque", tokens=False),
    Kind("api empty", "DELETE", "/api/crm/orders/1", "", None, "empty", tokens=False),
    Kind("upload", "PUT", "/api/crm/file", "", {"item": "x" * 3000}, "opaque", tokens=False, chunked=True),
)
OWN_KINDS = (
    Kind("denied", "POST", "/v1/chat/completions", "secret", _CHAT, own=403),
    Kind("unknown model", "POST", "/v1/chat/completions", "nothing-like-it", _CHAT, own=404),
    Kind("bad body", "POST", "/v1/chat/completions", "", {"model": 7}, own=400),
    Kind("nowhere", "GET", "/nowhere", "", None, own=404),
    Kind("listing", "GET", "/v1/models", "", None, own=200),
    Kind("health", "GET", "/healthz", "", None, own=200),
)


class Reply(NamedTuple):
    """An upstream's answer when nothing goes wrong."""

    status: bytes
    media: bytes
    pieces: list[bytes]
    expected: bytes
    """The body that reaches the caller."""
    framing: str
    """length, chunked, or close."""


def encoded(what: Any) -> bytes:
    return json.dumps(what, separators=(",", ":")).encode()


@lru_cache(maxsize=512)
def request_body(kind: Kind, size: int) -> bytes:
    """The body of a request, with so many bytes of padding in its prompt."""
    if kind.body is None:
        return b""
    body = ({"model": kind.model} if kind.model else {}) | kind.body
    if kind.model and "messages" in body:
        body = body | {"messages": [{"role": "user", "content": "Hello!" + "x" * size}]}
    return encoded(body)


def request_of(kind: Kind, trace: str, key: str, size: int) -> bytes:
    """The bytes of a request."""
    body = request_body(kind, size)
    lines = f"{kind.lines}Host: gate\r\nDurward-Key: {key}\r\ntraceparent: 00-{trace}-{trace[-16:]}-01\r\n"
    framed = body
    if body and kind.chunked:
        lines += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        half = len(body) // 2
        framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:])) + b"0\r\n\r\n"
    elif body:
        lines += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{kind.method} {kind.path} HTTP/{kind.version}\r\n{lines}\r\n".encode() + framed


def cost_of(letter: str, tokens: tuple[int, int]) -> int:
    """Nano-dollars."""
    rates = RATES[letter]
    return (tokens[0] * rates[0] + tokens[1] * rates[1]) * 1000


def tokens_of(number: int) -> tuple[int, int]:
    """What a call uses, input and output: other numbers for every call."""
    return 100 + number * 7, 20 + number * 3


@lru_cache(maxsize=1024)
def reply_of(kind: Kind, number: int, words: int, asks_usage: bool) -> Reply:
    """The answer to a call. `asks_usage`: the request that came up wanted the usage of a stream."""
    if kind.shape == "empty":
        return Reply(b"204 No Content", b"", [], b"", "length")
    if kind.shape in ("lines", "closed"):
        lines = [b"line %d of %d\n" % (line, number) for line in range(words)]
        return Reply(b"200 OK", b"text/plain", lines, b"".join(lines), "chunked" if kind.shape == "lines" else "close")
    given, made = tokens_of(number)
    if not kind.stream:
        body = encoded(_whole(kind.shape, number, given, made))
        return Reply(b"200 OK", b"application/json", [body], b"" if kind.method == "HEAD" else body, "length")
    media = b"application/json" if kind.shape == "array" else b"text/event-stream"
    events, hidden = _events(kind.shape, number, words, asks_usage)
    shown = b"".join(event for at, event in enumerate(events) if at not in hidden)
    return Reply(b"200 OK", media, events, shown, "chunked")


def error_event(kind: Kind) -> bytes:
    """What a provider says inside its stream when it cannot go on; empty where it has no words for it."""
    told = {"type": "overloaded_error", "message": MARK, "code": "overloaded"}
    if kind.shape.startswith("chat"):
        return b"data: %b\n\n" % encoded({"error": told})
    if kind.shape == "messages":
        return b"event: error\ndata: %b\n\n" % encoded({"type": "error", "error": told})
    if kind.shape == "responses":
        return b"event: error\ndata: %b\n\n" % encoded(told | {"type": "error", "sequence_number": 9, "error": told})
    return b""


def _usage(shape: str, given: int, made: int) -> dict[str, Any]:
    if shape in ("gemini", "array"):
        return {"promptTokenCount": given, "candidatesTokenCount": made, "totalTokenCount": given + made}
    if shape in ("messages", "responses"):
        return {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


def _whole(shape: str, number: int, given: int, made: int) -> dict[str, Any]:
    usage = _usage(shape, given, made)
    if shape == "messages":
        return _message(number, usage) | {"content": [{"type": "text", "text": "Yes."}]}
    if shape == "gemini":
        return _candidate("Yes.", "STOP") | {"usageMetadata": usage}
    if shape == "responses":
        return _response(number, "completed", usage)
    if shape == "embeddings":
        data = [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}]
        return {"object": "list", "data": data, "usage": {"prompt_tokens": given, "total_tokens": given}}
    if shape == "opaque":
        return {"object": "list", "data": [number] * 40}
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
    return {"id": f"c{number}", "object": "chat.completion", "choices": [choice], "usage": usage}


def _message(number: int, usage: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"m{number}", "type": "message", "role": "assistant", "stop_reason": "end_turn", "usage": usage}


def _candidate(text: str, reason: str) -> dict[str, Any]:
    candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}
    return {"candidates": [candidate | ({"finishReason": reason} if reason else {})]}


def _response(number: int, status: str, usage: dict[str, Any] | None) -> dict[str, Any]:
    return {"id": f"resp_{number}", "object": "response", "status": status, "output": [], "usage": usage}


def _events(shape: str, number: int, words: int, asks_usage: bool) -> tuple[list[bytes], set[int]]:
    """The pieces of a stream, and which of them the caller does not see."""
    given, made = tokens_of(number)
    if shape == "messages":
        return _anthropic(number, words, given, made), set()
    if shape == "responses":
        return _responses(number, words, given, made), set()
    if shape in ("gemini", "array"):
        chunks = [encoded(_candidate(f" word{word}", "")) for word in range(words)]
        chunks.append(encoded(_candidate("", "STOP") | {"usageMetadata": _usage(shape, given, made)}))
        if shape == "gemini":
            return [b"data: %b\r\n\r\n" % chunk for chunk in chunks], set()
        return [b"[" + chunks[0], *(b",\r\n" + chunk for chunk in chunks[1:]), b"]"], set()
    shared = {"id": f"c{number}", "object": "chat.completion.chunk"}
    deltas: list[Any] = [{"choices": [{"index": 0, "delta": {"content": f" word{word}"}}]} for word in range(words)]
    deltas.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events = [b"data: %b\n\n" % encoded(shared | delta) for delta in deltas]
    if asks_usage:
        events.append(b"data: %b\n\n" % encoded(shared | {"choices": [], "usage": _usage(shape, given, made)}))
    hidden = {len(events) - 1} if asks_usage and shape == "chat" else set()
    return [*events, b"data: [DONE]\n\n"], hidden


@cache
def _named(name: str, members: str) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encoded({"type": name, **json.loads(members)}))


def _event(name: str, **members: Any) -> bytes:
    return _named(name, json.dumps(members))


def _anthropic(number: int, words: int, given: int, made: int) -> list[bytes]:
    return [
        _event("message_start", message=_message(number, {"input_tokens": given, "output_tokens": 1})),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(_event("content_block_delta", index=0, delta={"type": "text_delta", "text": " word"}) for _ in range(words)),
        _event("content_block_stop", index=0),
        _event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": made}),
        _event("message_stop"),
    ]


def _responses(number: int, words: int, given: int, made: int) -> list[bytes]:
    return [
        _event("response.created", sequence_number=0, response=_response(number, "in_progress", None)),
        *(_event("response.output_text.delta", sequence_number=at + 1, delta=" word") for at in range(words)),
        _event(
            "response.completed",
            sequence_number=words + 1,
            response=_response(number, "completed", _usage("responses", given, made)),
        ),
    ]
