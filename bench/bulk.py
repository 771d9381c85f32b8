"""A gigabyte through the gate while the far end is slow: what has not been taken must not be held."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

import uvloop

from bench.processes import BenchError, pss_mb, wait_until
from bench.subjects import AGENT_KEY, Place, Subject, listens, process

GIGABYTE = 10**9
PIECE = bytes(256 * 1024)
TAKEN = 4 * 2**20
"""What a slow one takes at once before it rests."""
REST_SECONDS = 0.02
WATCH_SECONDS = 0.2

Send = Callable[[int], Awaitable[None]]


@contextlib.contextmanager
def provider(place: Place) -> Iterator[None]:
    with process(place, place.load_core, [sys.executable, "-m", "bench.bulk", str(place.ports.streams)]):
        wait_until(lambda: listens(place.ports.streams), 10, "the API")
        yield


def api(place: Place) -> str:
    """What the gate's configuration says of it."""
    return f"apis:\n  bulk: {{base_url: http://127.0.0.1:{place.ports.streams}, body_limit: 2GiB}}\n"


async def growth(subject: Subject, send: Send) -> tuple[float, float]:
    """By how many megabytes the gate grew at most, and how many seconds it took."""
    gate = subject.gate_pid()
    before = most = pss_mb(gate)
    begin = time.monotonic()
    sending = asyncio.ensure_future(send(subject.port))
    while not sending.done():
        await asyncio.wait([sending], timeout=WATCH_SECONDS)
        most = max(most, pss_mb(gate))
    await sending
    return most - before, time.monotonic() - begin


async def upload(port: int) -> None:
    """A body that is sent as fast as it is taken, to an upstream that is slow."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_head("POST", port) + b"Content-Length: %d\r\n\r\n" % GIGABYTE)
    left = GIGABYTE
    while left:
        writer.write(PIECE[: min(left, len(PIECE))])
        left -= min(left, len(PIECE))
        await writer.drain()
    answer = await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(len(str(GIGABYTE)))
    writer.close()
    if not answer.endswith(b"\r\n\r\n%d" % GIGABYTE):
        raise BenchError(f"the upload was answered with {answer[:200]!r}")


async def download(port: int) -> None:
    """An answer that is slowly read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=256 * 1024)
    writer.write(asked("GET", port))
    head = await reader.readuntil(b"\r\n\r\n")
    if b"\r\ncontent-length: %d\r\n" % GIGABYTE not in head.lower():
        raise BenchError(f"the download was answered with {head[:200]!r}")
    left = GIGABYTE
    while left:
        left -= await _take(reader, left)
        await asyncio.sleep(REST_SECONDS)
    writer.close()


def asked(method: str, port: int) -> bytes:
    """A whole request without a body."""
    return _head(method, port) + b"\r\n"


def _head(method: str, port: int) -> bytes:
    return f"{method} /api/bulk/x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nDurward-Key: {AGENT_KEY}\r\n".encode()


async def _take(reader: asyncio.StreamReader, left: int) -> int:
    taken = 0
    while taken < min(TAKEN, left):
        piece = await reader.read(min(TAKEN, left) - taken)
        if not piece:
            raise BenchError(f"cut {left - taken} bytes before the end")
        taken += len(piece)
    return taken


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        if head.startswith(b"POST"):
            left = GIGABYTE
            while left:
                left -= await _take(reader, left)
                await asyncio.sleep(REST_SECONDS)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d" % (len(str(GIGABYTE)), GIGABYTE))
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIGABYTE)
            left = GIGABYTE
            while left:
                writer.write(PIECE[: min(left, len(PIECE))])
                left -= min(left, len(PIECE))
                await writer.drain()
        await writer.drain()


async def _serve(port: int) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", port, limit=256 * 1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
