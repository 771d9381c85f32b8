"""An upstream that keeps the truth: it answers every wire, remembers what it served for which call, and fails as a test wishes."""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
TRACE = re.compile(rb"(?i)\r\ntraceparent: *00-([0-9a-f]{32})-")
MANNER = re.compile(rb"(?i)\r\nx-manner: *([a-z-]+)")
WORDS = 6
PACE_SECONDS = 0.004
"""The longest pause between two events of a stream: long enough that no two leave together."""
SILENT = ("silent", "held")
"""Manners that answer nothing; one that is held answers as soon as it is let."""


class Arrival:
    """One request, and what became of it."""

    def __init__(self, head: bytes, body: bytes, connection: int) -> None:
        self.head = head
        self.body = body
        self.connection = connection
        line = head.split(b" ", 2)
        self.path = line[1].decode()
        trace, manner = TRACE.search(head), MANNER.search(head)
        self.trace = trace[1].decode() if trace else ""
        self.manner = manner[1].decode() if manner else ""
        self.finished = False
        self.gone_at = 0.0
        """When the gate closed the connection with the answer under way, in monotonic time."""
        self.gone = asyncio.Event()

    @property
    def streams(self) -> bool:
        return b'"stream":true' in self.body or ":stream" in self.path or "/stream" in self.path


def tokens_of(trace: str) -> tuple[int, int]:
    """What the provider says a call used, input and output: another number for every call."""
    number = int(trace[-8:] or "0", 16)
    return 10 + number % 9_973, 5 + number % 997


class Provider:
    """Everything that came, in order. `let` lets go what is held."""

    def __init__(self, seed: int = 0) -> None:
        self.arrivals: list[Arrival] = []
        self.let = asyncio.Event()
        self.changed = asyncio.Event()
        self.port = 0
        self.connections = 0
        self.open: set[_Connection] = set()
        self._dice = random.Random(seed)

    def of(self, trace: str) -> Arrival:
        """The one request of a call."""
        (found,) = (arrival for arrival in self.arrivals if arrival.trace == trace)
        return found

    async def has(self, count: int) -> None:
        """Until so many requests have come."""
        while len(self.arrivals) < count:
            self.changed.clear()
            await self.changed.wait()

    async def close(self) -> None:
        """End every connection."""
        self.let.set()
        for connection in self.open:
            connection.transport.abort()
        while self.open:
            self.changed.clear()
            await self.changed.wait()

    def pause(self) -> float:
        """Seconds until the next event of a stream."""
        return self._dice.uniform(0.0, PACE_SECONDS)

    def arrived(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        self.changed.set()


class _Connection(asyncio.Protocol):
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._received = b""
        self._arrival: Arrival | None = None
        self._task: asyncio.Task[None] | None = None
        provider.connections += 1
        self._number = provider.connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._provider.open.add(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._next()

    def _next(self) -> None:
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        count = int(length[1]) if length else 0
        if self._arrival is None and blank and len(body) >= count:
            self._received = body[count:]
            self._arrival = Arrival(head, body[:count], self._number)
            self._provider.arrived(self._arrival)
            self._task = asyncio.get_running_loop().create_task(self._answer(self._arrival))

    def connection_lost(self, exc: Exception | None) -> None:
        self._provider.open.discard(self)
        self._provider.changed.set()
        if self._task is not None:
            self._task.cancel()
        if self._arrival is not None:
            self._arrival.gone_at = time.monotonic()
            self._arrival.gone.set()

    async def _answer(self, arrival: Arrival) -> None:
        if arrival.manner in SILENT:
            await (self._provider.let.wait() if arrival.manner == "held" else asyncio.Event().wait())
        for number, piece in enumerate(pieces(arrival)):
            if number:
                await asyncio.sleep(0.0 if arrival.manner == "bytes" else self._provider.pause())
            if number == 2 and arrival.manner == "held-inside":
                await self._provider.let.wait()
            self.transport.write(piece)
        arrival.finished = True
        self._arrival = None
        if arrival.manner.startswith("cut") or arrival.manner == "malformed":
            self.transport.close()
        else:
            self._next()


def pieces(arrival: Arrival) -> Iterator[bytes]:
    """The answer as it is written, one piece a write."""
    if arrival.manner == "malformed":
        yield b"HTTP/1.1 20x Fine\r\nContent-Length: zero\r\n\r\n"
        return
    if arrival.manner == "cut":
        yield b"HTTP/1.1 200 OK\r\nContent-Type: app"
        return
    whole = b"".join(_framed(arrival))
    if arrival.manner == "bytes":
        yield from (whole[at : at + 1] for at in range(len(whole)))
    elif arrival.manner == "cut-inside":
        yield whole[: len(whole) * 2 // 3]
    else:
        yield from _framed(arrival)


def _framed(arrival: Arrival) -> Iterator[bytes]:
    error = arrival.manner == "error"
    status = b"429 Too Many Requests" if error else b"200 OK"
    media = b"text/event-stream" if arrival.streams and not error else b"application/json"
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nx-request-id: req-%b\r\n" % (status, media, arrival.trace[-8:].encode())
    if error or not arrival.streams:
        body = _encode(_refusal(arrival) if error else _plain(arrival))
        yield head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        return
    yield head + b"Transfer-Encoding: chunked\r\n\r\n"
    for event in events(arrival):
        yield b"%x\r\n%b\r\n" % (len(event), event)
    yield b"0\r\n\r\n"


def _encode(what: object) -> bytes:
    return json.dumps(what, separators=(",", ":")).encode()


def _refusal(arrival: Arrival) -> dict[str, Any]:
    """It repeats what it was sent, as some do."""
    message = f"Too many requests like {arrival.body.decode()}"
    return {"error": {"message": message, "type": "rate_limit_error", "code": "rate_limit"}}


def _plain(arrival: Arrival) -> dict[str, Any]:
    given, made = tokens_of(arrival.trace)
    if arrival.path.endswith("/messages"):
        return _message(given, made) | {"content": [{"type": "text", "text": "Yes."}]}
    if ":generateContent" in arrival.path:
        return _gemini("Yes.", "STOP", _gemini_usage(given, made))
    if arrival.path.endswith("/chat/completions"):
        choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
        return {"id": "c", "object": "chat.completion", "choices": [choice], "usage": _openai_usage(given, made)}
    if arrival.path.endswith("/files"):
        return {"id": f"file-{arrival.trace[-8:]}", "object": "file"}
    return {"object": "list", "data": []}


def _openai_usage(given: int, made: int) -> dict[str, int]:
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


def _gemini_usage(given: int, made: int) -> dict[str, int]:
    return {"promptTokenCount": given, "candidatesTokenCount": made, "totalTokenCount": given + made}


def _message(given: int, made: int) -> dict[str, Any]:
    usage = {"input_tokens": given, "output_tokens": made}
    return {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "usage": usage}


def _gemini(text: str, reason: str, usage: dict[str, int] | None) -> dict[str, Any]:
    candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}
    found: dict[str, Any] = {"candidates": [candidate | ({"finishReason": reason} if reason else {})]}
    return found | ({"usageMetadata": usage} if usage else {})


def events(arrival: Arrival) -> list[bytes]:
    """The pieces of a stream's body."""
    given, made = tokens_of(arrival.trace)
    if arrival.path.endswith("/messages"):
        return _anthropic_events(given, made)
    if ":streamGenerateContent" in arrival.path:
        chunks = [_gemini(f" word{n}", "", None) for n in range(WORDS)]
        chunks.append(_gemini("", "STOP", _gemini_usage(given, made)))
        return [b"data: %b\r\n\r\n" % _encode(chunk) for chunk in chunks]
    if not arrival.path.endswith("/chat/completions"):
        return [b"line %d\n" % n for n in range(WORDS)]
    deltas: list[Any] = [{"choices": [{"index": 0, "delta": {"content": f" word{n}"}}]} for n in range(WORDS)]
    deltas.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if b'"include_usage":true' in arrival.body:
        deltas.append({"choices": [], "usage": _openai_usage(given, made)})
    shared = {"id": "c", "object": "chat.completion.chunk"}
    return [*(b"data: %b\n\n" % _encode(shared | delta) for delta in deltas), b"data: [DONE]\n\n"]


def _anthropic_events(given: int, made: int) -> list[bytes]:
    def event(name: str, **members: object) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **members}))

    delta = {"type": "text_delta", "text": " word"}
    return [
        event("message_start", message=_message(given, 1)),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(event("content_block_delta", index=0, delta=delta) for _ in range(WORDS)),
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": made}),
        event("message_stop"),
    ]


@asynccontextmanager
async def providing(seed: int = 0, provider: Provider | None = None) -> AsyncIterator[Provider]:
    """A provider on a free port of this loop."""
    provider = provider or Provider(seed)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(provider), "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()
        await provider.close()
