"""An edge behind TLS or proxies, and callers who come that way, with Python's own TLS at their end."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from durward.calls.ports import Exchange
from durward.config.settings import Tls
from durward.protocols.forwarded import TrustedProxies
from durward.server.accepting import Entry
from durward.server.bounds import Bounds
from durward.server.connection import App
from durward.server.tls import listener_tls
from tests.server.caller import BOUNDS, Caller, House, house
from tests.server.line import GET
from tests.upstreams.authority import Authority

LOOPBACK = TrustedProxies(["127.0.0.0/8"])


async def who(exchange: Exchange) -> None:
    """Answers with the caller's address."""
    exchange.send(200, b"", exchange.peer.encode())


def tls(authority: Authority, client_ca: str = "", name: str = "gate") -> ssl.SSLContext:
    """Of a listener, with a new certificate."""
    cert, key = authority.pair("gate.test", name=name)
    return listener_tls(Tls(str(cert), str(key), client_ca))


class Secured:
    """The other end of a connection over TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def ask(self, request: bytes = GET % 1) -> bytes:
        """The body of the answer."""
        self.writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return await self._reader.readexactly(length)

    async def hear(self, until: bytes) -> bytes:
        """What comes, up to and with `until`."""
        return await self._reader.readuntil(until)

    async def hear_all(self) -> bytes:
        """What comes until the other side ends the connection, as TLS ends it."""
        return await self._reader.read()

    def serial(self) -> str:
        """Of the certificate that was shown."""
        return str(self.writer.get_extra_info("peercert")["serialNumber"])

    def hang_up(self) -> None:
        self.writer.close()


async def secure(opened: House, client: ssl.SSLContext) -> Secured:
    host, port = opened.address
    secured = Secured(*await asyncio.open_connection(host, port, ssl=client, server_hostname="gate.test"))
    opened.callers.append(secured)
    return secured


@asynccontextmanager
async def guarded(entry: Entry, app: App = who, bounds: Bounds = BOUNDS) -> AsyncIterator[House]:
    async with house(app, bounds) as opened:
        opened.edge.guard(entry)
        yield opened
    for _ in range(5):
        await asyncio.sleep(0)  # for TLS to end on both sides


async def heard(caller: Caller) -> bytes:
    """What comes until the connection ends, one way or the other."""
    try:
        return await caller.hear_all()
    except ConnectionResetError:
        return b""
