"""Upstreams that are broken on purpose, each in its own way, each on a port of its own."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
DRIP_SECONDS = 0.02

Way = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def ends_its_side(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write_eof()
    await reader.read()


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def stops_in_the_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    await reader.read()


async def drips_its_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte at a time and never the last one: each comes in time, the head does not."""
    writer.write(HEAD)
    while not writer.is_closing():
        writer.write(b"X: y\r\n")
        await asyncio.sleep(DRIP_SECONDS)


async def ends_in_the_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    writer.write_eof()
    await reader.read()


async def stops_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    await reader.read()


async def ends_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    writer.write_eof()
    await reader.read()


async def resets_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    await writer.drain()
    await resets(reader, writer)


async def stops_in_the_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(EVENTS + b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
    await reader.read()


async def ends_in_the_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(EVENTS + b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
    writer.write_eof()
    await reader.read()


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The whole answer, slowly: no pause is too long, all of them together are."""
    body = b'{"id":"c","object":"chat.completion","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
    for at in range(0, len(body), 4):
        await asyncio.sleep(DRIP_SECONDS)
        writer.write(body[at : at + 4])
    await reader.read()


class Chaos:
    """Ports by the name of what is wrong there. `open` counts connections that the gate has not let go of."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.open = 0
        self.arrived: dict[str, int] = {}

    def serve(self, name: str, way: Way) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.open += 1
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    await reader.readuntil(b"\r\n\r\n")
                    self.arrived[name] = self.arrived.get(name, 0) + 1
                    await way(reader, writer)
            finally:
                self.open -= 1
                writer.close()

        return answer


WAYS: dict[str, Way] = {
    way.__name__: way
    for way in (
        *(says_nothing, ends_its_side, resets, stops_in_the_head, drips_its_head, ends_in_the_head),
        *(stops_in_the_body, ends_in_the_body, resets_in_the_body, stops_in_the_stream, ends_in_the_stream, drips),
    )
}


@asynccontextmanager
async def chaos() -> AsyncIterator[Chaos]:
    """All of them, and `refuses` and `drops_what_comes`, where nobody ever answers."""
    found = Chaos()
    servers = []
    for name, way in WAYS.items():
        servers.append(await asyncio.start_server(found.serve(name, way), "127.0.0.1", 0))
        found.ports[name] = servers[-1].sockets[0].getsockname()[1]
    with socket.socket() as closed, _full() as port:
        closed.bind(("127.0.0.1", 0))
        found.ports["refuses"] = closed.getsockname()[1]
        found.ports["drops_what_comes"] = port
        try:
            yield found
        finally:
            for server in servers:
                server.close()


@contextlib.contextmanager
def _full() -> Iterator[int]:
    """A port whose queue of connections is full: on Linux nobody is told anything there any more."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
