"""A provider that streams, every event its own write, and the client that reads it; each runs as a process of its own."""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import cast

import uvloop

EVENTS = 101
GAP = 0.003
"""Seconds between two events, unless told: short enough for many streams a second, long enough that no event joins the one before."""
CLIENTS = 64
LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: keep-alive\r\nx-request-id: req_stream\r\n\r\n"
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def events() -> list[bytes]:
    """An OpenAI chat stream: role, text, finish reason, usage, [DONE]."""
    shared = {"id": "chatcmpl-stream", "object": "chat.completion.chunk", "created": 1763700000, "model": "gpt-4o-mini"}
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": f" word{number}"} for number in range(EVENTS - 4)]
    choices: list[list[object]] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    chunks: list[dict[str, object]] = [{**shared, "choices": choice} for choice in choices]
    usage = {"prompt_tokens": 231, "completion_tokens": EVENTS - 4, "total_tokens": 231 + EVENTS - 4}
    chunks.append({**shared, "choices": [], "usage": usage})
    written = [b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n" for chunk in chunks]
    return [*written, b"data: [DONE]\n\n"]


STREAM = [HEAD, *map(_chunk, events())]
LAST = b"0\r\n\r\n"


PLAIN = (Path(__file__).parent / "wire" / "answer.json").read_bytes().strip()
PLAIN_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(PLAIN),
    PLAIN,
)


class Provider(asyncio.Protocol):
    """Answers every request with the same stream, or the same plain answer where none is asked for."""

    def __init__(self, gap: float) -> None:
        self.gap = gap
        self.received = b""
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, blank, body = self.received.partition(b"\r\n\r\n")
        length = LENGTH.search(head + b"\r\n")
        if blank and length and len(body) >= int(length[1]):
            self.received = body[int(length[1]) :]
            if b'"stream"' in body[: int(length[1])]:
                self.task = asyncio.get_running_loop().create_task(self.answer())
            else:
                self.transport.write(PLAIN_ANSWER)

    def connection_lost(self, _error: Exception | None) -> None:
        if self.task:
            self.task.cancel()

    async def answer(self) -> None:
        for piece in STREAM:
            self.transport.write(piece)
            await asyncio.sleep(self.gap)
        self.transport.write(LAST)


class Client(asyncio.Protocol):
    """Asks again as soon as a stream has ended, and counts those that ended well."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.complete = 0
        self.lost = False
        self.last = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not data.endswith(LAST):
            return
        self.complete += 1
        if self.last:
            self.finish()
        else:
            self.transport.write(self.request)

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost = not self.done.done()
        self.finish()

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def serve(port: int, gap: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Provider(gap), "127.0.0.1", port)
    await server.serve_forever()


async def load(port: int, seconds: float, request: bytes) -> dict[str, int]:
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    for _ in range(CLIENTS):
        _, client = await loop.create_connection(lambda: Client(request), "127.0.0.1", port)
        clients.append(client)
        # Spread out, so that the streams do not run in step.
        await asyncio.sleep(GAP / 4)
    await asyncio.sleep(seconds)
    # Every stream that began is read to its end: a cut one would cost and not count.
    for client in clients:
        client.last = True
    await asyncio.gather(*(client.done for client in clients))
    return {
        "streams": sum(client.complete for client in clients),
        "lost": sum(client.lost for client in clients),
    }


def main() -> None:
    match sys.argv[1:]:
        case ["serve", port, *gap]:
            uvloop.run(serve(int(port), float(gap[0]) if gap else GAP))
        case ["load", port, seconds, file]:
            print(json.dumps(uvloop.run(load(int(port), float(seconds), Path(file).read_bytes()))))
        case _:
            sys.exit("bench.streams serve PORT [GAP] | load PORT SECONDS REQUEST_FILE")


if __name__ == "__main__":
    main()
