"""Accepts callers where there is something to be done before HTTP: a proxy's word to be heard, TLS to be spoken.

A listener without either does not come here: its connections are accepted by the event loop itself. The order is PROXY header, TLS,
HTTP; each is bounded in time together with what comes before it, and who is at it counts among the connections.
"""

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Any, Final, NamedTuple

from durward.calls.errors import CallerError
from durward.config.settings import Settings
from durward.protocols.forwarded import TrustedProxies
from durward.protocols.proxy_protocol import SIGNATURE, ProxyHeader
from durward.server.connection import Connection, Shared
from durward.server.shares import Shares
from durward.server.tls import listener_tls

AT_ONCE: Final = 8
"""Connections that are accepted in one turn of the loop: the rest is left to whoever else waits on the same socket."""
YIELD_SECONDS: Final = 0.002
"""How long a gate that has more callers than another leaves it to that one to accept the next."""
PAUSE_SECONDS: Final = 0.5
"""How long nobody is accepted when this process has no descriptors left; callers wait in the listener's queue."""


class Entry(NamedTuple):
    """What has to be done before HTTP."""

    tls: ssl.SSLContext | None = None
    trusted: TrustedProxies | None = None


def read_entry(settings: Settings) -> Entry:
    """The entry that settings ask for. Raises GateError as `listener_tls` does."""
    tls = listener_tls(settings.tls) if settings.tls is not None else None
    return Entry(tls, TrustedProxies(settings.trusted_proxies) if settings.trusted_proxies else None)


class Acceptor:
    """Accepts the callers of one listening socket, which it owns. `entry` holds for those who connect from then on.

    `shares` tells how many callers other processes have that accept from the same socket.
    """

    def __init__(self, listener: socket.socket, entry: Entry, shared: Shared, shares: Shares | None = None) -> None:
        self.entry = entry
        self._shares = shares
        self._waited = False
        listener.setblocking(False)
        self._listener = listener
        self._shared = shared
        self._pause: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Accept nobody any more. Who was accepted is let in."""
        if self._pause is not None:
            self._pause.cancel()
        if self._listener.fileno() >= 0:
            self._shared.loop.remove_reader(self._listener.fileno())
            self._listener.close()

    def tick(self) -> None:
        """Due twice a second: callers go as well."""
        if self._shares is not None:
            self._shares.tell(self._callers())

    def _callers(self) -> int:
        return len(self._shared.connections) + len(self._shared.admitting)

    def _listen(self) -> None:
        self._pause = None
        self._shared.loop.add_reader(self._listener.fileno(), self._accept)

    def _pause_for(self, seconds: float) -> None:
        self._shared.loop.remove_reader(self._listener.fileno())
        self._pause = self._shared.loop.call_later(seconds, self._listen)

    def _gives_way(self, shares: Shares) -> bool:
        """Let another process accept. One that has been left to it and has not come is ours."""
        callers = self._callers()
        shares.tell(callers)
        self._waited = not self._waited and shares.gives_way(callers)
        if self._waited:
            self._pause_for(YIELD_SECONDS)
        return self._waited

    def _accept(self) -> None:
        shared = self._shared
        for _ in range(AT_ONCE):
            if self._shares is not None and self._gives_way(self._shares):
                return
            try:
                end, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                shared.loop.call_exception_handler({"message": "Callers cannot be accepted", "exception": error})
                self._pause_for(PAUSE_SECONDS)
                return
            most = shared.bounds.connections
            if self._callers() > most + most // 10:
                shared.on_refused("overloaded", address[0])
                end.close()
                continue
            end.setblocking(False)
            admission = shared.loop.create_task(self._admit(end, address[0], self.entry), name="admission")
            shared.admitting[admission] = None
            admission.add_done_callback(self._admitted)

    def _admitted(self, admission: "asyncio.Task[None]") -> None:
        shared = self._shared
        shared.admitting.pop(admission, None)
        if not admission.cancelled() and (error := admission.exception()) is not None:
            shared.loop.call_exception_handler({"message": "A caller could not be let in", "exception": error})
        if shared.draining:
            shared.changed.set()

    async def _admit(self, end: socket.socket, peer: str, entry: Entry) -> None:
        """Do what comes before HTTP. A caller who does not get through it is closed without an answer, and counted."""
        connected = False
        try:
            async with asyncio.timeout(self._shared.bounds.head_seconds):
                await self._let_in(end, peer, entry)
            connected = True
        except TimeoutError:
            self._shared.on_refused("request_timeout", peer)
        except CallerError as error:
            self._shared.on_refused(error.reason, peer)
        except ssl.SSLError:
            self._shared.on_refused("tls_failed", peer)
        except OSError:
            pass  # It has hung up, as those do who look whether anybody listens.
        finally:
            if not connected:
                end.close()

    async def _let_in(self, end: socket.socket, peer: str, entry: Entry) -> None:
        """Raises CallerError, OSError."""
        shared = self._shared
        trusted = entry.trusted if entry.trusted is not None and entry.trusted.trusts(peer) else None
        if trusted is not None:
            source = await _told(end)
            if source:
                peer = source
                # Behind a proxy that passes connections on may stand one that passes requests on.
                trusted = trusted if trusted.trusts(source) else None
        connection = Connection(shared, peer, trusted)

        def made() -> Any:
            return connection

        if entry.tls is None:
            await shared.loop.connect_accepted_socket(made, end)
        else:
            await shared.loop.connect_accepted_socket(
                made,
                end,
                ssl=entry.tls,
                ssl_handshake_timeout=shared.bounds.head_seconds,
                ssl_shutdown_timeout=shared.bounds.linger_seconds,
            )
        if shared.draining:
            connection.say_farewell()


async def _told(end: socket.socket) -> str:
    """The caller's address by the PROXY header with which a connection may begin; "" without one. Not a byte behind it is read.

    Raises CallerError `malformed_http`, OSError.
    """
    loop = asyncio.get_running_loop()
    if await _first(end, loop) != SIGNATURE[:1]:
        return ""
    header = ProxyHeader()
    while header.wanted:
        received = await loop.sock_recv(end, header.wanted)
        if not received:
            raise ConnectionResetError
        header.feed(received)
    return header.source


async def _first(end: socket.socket, loop: asyncio.AbstractEventLoop) -> bytes:
    """The first byte of a connection, which stays to be read."""
    while True:
        with suppress(BlockingIOError):
            return end.recv(1, socket.MSG_PEEK)
        readable = loop.create_future()
        loop.add_reader(end.fileno(), _notice, readable)
        try:
            await readable
        finally:
            loop.remove_reader(end.fileno())


def _notice(readable: "asyncio.Future[None]") -> None:
    if not readable.done():
        readable.set_result(None)
