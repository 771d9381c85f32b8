"""How soon an upstream learns that the caller has gone: provider and caller in one process, on one clock."""

import asyncio
import contextlib
import re
from typing import cast

from bench import prompts
from bench.processes import BenchError
from bench.streams import STREAM
from bench.subjects import AGENT_KEY, PATH

CALLS = 300
PATIENCE = 5.0
SEED = re.compile(rb'"seed": ?([0-9]+)')


class Provider(asyncio.Protocol):
    """Answers odd calls with the beginning of a stream and even ones not at all, and notes when each was given up."""

    def __init__(self, given_up: dict[int, asyncio.Future[float]]) -> None:
        self.given_up = given_up
        self.received = b""
        self.call: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        seed = SEED.search(self.received)
        if seed and self.call is None:
            self.call = int(seed[1])
            if self.call % 2:
                self.transport.write(b"".join(STREAM[:5]))

    def connection_lost(self, _error: Exception | None) -> None:
        if self.call is not None and not self.given_up[self.call].done():
            self.given_up[self.call].set_result(asyncio.get_running_loop().time())


async def measure(provider_port: int, gate_port: int) -> list[float]:
    """The delay of every hang-up in milliseconds, in order of size."""
    loop = asyncio.get_running_loop()
    given_up: dict[int, asyncio.Future[float]] = {call: loop.create_future() for call in range(CALLS)}
    server = await loop.create_server(lambda: Provider(given_up), "127.0.0.1", provider_port)
    async with server:
        return sorted([await _hang_up(gate_port, call, given_up[call]) for call in range(CALLS)])


async def _hang_up(port: int, call: int, given_up: asyncio.Future[float]) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = prompts.stream().replace(b'"stream": true', b'"stream": true, "seed": %d' % call)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\nAuthorization: Bearer {AGENT_KEY}\r\n"
    )
    writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    if call % 2:
        await asyncio.wait_for(reader.readuntil(b"word1"), PATIENCE)
    else:
        # Long enough for the call to be upstream, which answers nothing that could be waited for.
        await asyncio.sleep(0.02)
    gone = asyncio.get_running_loop().time()
    # Half leave politely, half with a reset.
    (writer.close if call % 4 < 2 else writer.transport.abort)()
    try:
        return (await asyncio.wait_for(given_up, PATIENCE) - gone) * 1000
    except TimeoutError:
        raise BenchError(f"the upstream of call {call} was not cancelled within {PATIENCE:g} s") from None
    finally:
        with contextlib.suppress(OSError):
            await writer.wait_closed()
