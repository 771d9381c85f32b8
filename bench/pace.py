"""Calls at a steady pace on connections that stay open, each looked at: what running calls notice of what is done meanwhile."""

import asyncio
import re
import time
from typing import Any

from bench import prompts
from bench.subjects import PATH, Place, Subject

CONNECTIONS = 16
PATIENCE = 30.0
_length = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE).search


def request(place: Place, port: int, body: bytes) -> bytes:
    """A call as the benchmark's clients send it."""
    lines = (place.folder / "headers.txt").read_text().splitlines()
    head = [f"POST {PATH} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


class Pace:
    """A call that fails is counted, and its connection opened anew, as after an answer that says that it was the last."""

    def __init__(self, place: Place, subject: Subject, calls_a_second: float) -> None:
        self._request = request(place, subject.port, prompts.plain())
        self._port = subject.port
        self._pause = CONNECTIONS / calls_a_second
        self.failed: list[str] = []
        """What went wrong, a line a call."""

    async def until(self, work: "asyncio.Future[None] | Any") -> list[float]:
        """The latencies, in milliseconds, of all calls that were begun before `work` was done."""
        done = asyncio.ensure_future(work)
        took: list[float] = []
        await asyncio.gather(*(self._call_on(done, took, number) for number in range(CONNECTIONS)))
        await done
        return took

    async def _call_on(self, done: "asyncio.Future[None]", took: list[float], number: int) -> None:
        due = time.monotonic() + self._pause * number / CONNECTIONS
        kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not done.done():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += self._pause
            begin = time.monotonic()
            try:
                connection = kept or await asyncio.open_connection("127.0.0.1", self._port)
                kept = connection if await self._call(*connection) else None
                if kept is None:
                    connection[1].close()
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self.failed.append(f"{type(error).__name__}: {error}")
                kept = None
            took.append((time.monotonic() - begin) * 1000)
        if kept is not None:
            kept[1].close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One call; whether the connection stays. Raises ValueError for any answer but a whole 200."""
        writer.write(self._request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        length = _length(head)
        if length is None or not head.startswith(b"HTTP/1.1 200 "):
            raise ValueError(head.partition(b"\r\n")[0].decode("latin-1"))
        await asyncio.wait_for(reader.readexactly(int(length[1])), PATIENCE)
        return b"\r\nconnection: close\r\n" not in head.lower()
