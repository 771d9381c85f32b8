"""What a stream costs in memory that has begun and is silent: a provider that says one event and no more, and callers who wait."""

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Iterator
from typing import cast

import uvloop

from bench import prompts
from bench.pace import PATIENCE, request
from bench.processes import BenchError, pss_mb, wait_until
from bench.streams import LENGTH, STREAM
from bench.subjects import Place, Subject, listens, process

STREAMS = 5_000
WARM = 500
"""Streams whose memory is not counted: what is made once is made by them."""
AT_ONCE = 64
BEGUN = b"".join(STREAM[:3])


class Provider(asyncio.Protocol):
    """Begins a stream, and leaves it at that."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head + b"\r\n")
        if blank and length and len(body) >= int(length[1]):
            self._received = b""
            self._transport.write(BEGUN)


@contextlib.contextmanager
def provider(place: Place, tls: bool) -> Iterator[None]:
    words = [
        sys.executable,
        "-m",
        "bench.idle_streams",
        str(place.ports.streams),
        *([str(place.folder)] if tls else []),
    ]
    with process(place, place.load_core, words):
        wait_until(lambda: listens(place.ports.streams), 10, "the provider")
        yield


async def measure(place: Place, subject: Subject) -> float:
    """Kilobytes that the gate grows by with each stream."""
    asked = request(place, subject.port, prompts.stream())
    gate = subject.gate_pid()
    writers: list[asyncio.StreamWriter] = []
    marks = []
    free = asyncio.Semaphore(AT_ONCE)

    async def begin() -> None:
        async with free:
            reader, writer = await asyncio.open_connection("127.0.0.1", subject.port, limit=4096)
            writers.append(writer)
            writer.write(asked)
            head = await asyncio.wait_for(reader.readuntil(b"data: "), PATIENCE)
            if not head.startswith(b"HTTP/1.1 200 "):
                raise BenchError(f"a stream did not begin: {head[:200]!r}")

    for until in (WARM, WARM + STREAMS):
        await asyncio.gather(*(begin() for _ in range(until - len(writers))))
        await asyncio.sleep(2)
        marks.append(pss_mb(gate))
    for writer in writers:
        writer.close()
    return (marks[1] - marks[0]) * 1e6 / 1024 / STREAMS


async def _serve(port: int, folder: str | None) -> None:
    context = None
    if folder is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
    host = "127.0.0.1" if folder is None else "localhost"
    server = await asyncio.get_running_loop().create_server(Provider, host, port, ssl=context, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
