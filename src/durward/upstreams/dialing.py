"""Opens connections: the addresses of a name in turn, each with a head start over the next (RFC 8305), TLS where the scheme says so.

Where there is an outbound proxy, its addresses are those, and the connection goes on from it through a tunnel.
"""

import asyncio
import errno
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from durward.calls.errors import GateError, UpstreamError
from durward.calls.origin import Origin
from durward.upstreams.connection import Connection
from durward.upstreams.proxying import REMEDY, OutboundProxy, Tunnel
from durward.upstreams.resolution import Names, forbidden, is_metadata
from durward.upstreams.tls import upstream_tls

HEAD_START_SECONDS: Final = 0.25
"""How long an address is tried alone before the next one is tried beside it."""
OUT_OF_FILES: Final = (errno.EMFILE, errno.ENFILE)

Factory = Callable[[], Connection]
Opened = TypeVar("Opened", Connection, Tunnel)


class Dialer:
    """Connects to origins. The TLS settings are read with the first `https` origin, and with the next one after `trust`."""

    def __init__(self, names: Names, ca_file: str | None) -> None:
        self._names = names
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        self._proxy: OutboundProxy | None = None

    def trust(self, ca_file: str | None) -> None:
        """Read the authorities anew, from this file besides the system's, before the next connection."""
        self._ca_file = ca_file
        self._tls = None

    def go_through(self, proxy: OutboundProxy | None) -> None:
        """Reach origins through this proxy from the next connection on; None: directly."""
        self._proxy = proxy

    def way(self, origin: Origin) -> str:
        """What an error says of the way to an origin: nothing where it is reached directly."""
        proxy = self._proxy
        return f" through {proxy.name}" if proxy is not None and proxy.carries(origin) else ""

    async def dial(self, origin: Origin, factory: Factory) -> Connection:
        """An open connection.

        Raises UpstreamError `upstream_unreachable`, GateError `overloaded`, and `credential_missing` for want of a proxy's login.
        """
        proxy = self._proxy
        try:
            if proxy is not None and proxy.carries(origin):
                return await self._tunnel(proxy, origin, factory)
            return await self._reach(origin, factory)
        except (OSError, UnicodeError) as error:
            if isinstance(error, OSError) and error.errno in OUT_OF_FILES:
                # Ours, and nothing to hold against the upstream.
                raise GateError("No file descriptor is left for a connection.", reason="overloaded") from error
            raise unreachable(origin, _why(error)) from error

    async def _reach(self, origin: Origin, factory: Callable[[], Opened]) -> Opened:
        addresses = await self._names.resolve(origin.host)
        if len(addresses) == 1:
            return await self._open(origin, addresses[0], factory)
        return await self._race(origin, addresses, factory)

    async def _tunnel(self, proxy: OutboundProxy, origin: Origin, factory: Factory) -> Connection:
        """Raises UpstreamError, GateError, and OSError for TLS with the origin."""
        if is_metadata(origin.host):
            raise forbidden(origin.host)
        try:
            tunnel = await self._reach(proxy.origin, lambda: Tunnel(proxy))
        except (OSError, UnicodeError) as error:
            raise unreachable(origin, f"{proxy.name} does not answer ({_why(error)})", REMEDY) from error
        ready = False
        try:
            await tunnel.ask(origin)
            transport = tunnel.transport
            if origin.scheme == "https":
                secure = await asyncio.get_running_loop().start_tls(
                    transport, tunnel, self._trusted(), server_hostname=origin.host
                )
                assert secure is not None
                tunnel.transport = transport = secure
            tunnel.sound()
            ready = True
        finally:
            if not ready:
                tunnel.abort()
        connection = factory()
        transport.set_protocol(cast(asyncio.Protocol, connection))
        connection.connection_made(transport)
        return connection

    def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = upstream_tls(self._ca_file)
        return self._tls

    async def _open(self, origin: Origin, address: str, factory: Callable[[], Opened]) -> Opened:
        loop = asyncio.get_running_loop()
        # The loop's types ask for a subclass of asyncio's; it takes whatever has the methods of one.
        made: Callable[[], Any] = factory
        if origin.scheme != "https":
            opened = await loop.create_connection(made, address, origin.port)
        else:
            opened = await loop.create_connection(
                made, address, origin.port, ssl=self._trusted(), server_hostname=origin.host
            )
        protocol: Opened = opened[1]
        return protocol

    async def _race(self, origin: Origin, addresses: list[str], factory: Callable[[], Opened]) -> Opened:
        """The first connection that opens; the rest are closed. Where none opens, the first failure is raised."""
        loop = asyncio.get_running_loop()
        attempts: list[asyncio.Task[Opened]] = []
        winner: asyncio.Task[Opened] | None = None
        try:
            for address in addresses:
                attempts.append(loop.create_task(self._open(origin, address, factory)))
                head_start = None if address is addresses[-1] else HEAD_START_SECONDS
                winner = await _first(attempts, head_start)
                if winner is not None:
                    return winner.result()
            return attempts[0].result()
        finally:
            for attempt in attempts:
                if attempt is not winner:
                    attempt.cancel()
                    attempt.add_done_callback(_discard)


async def _first(attempts: list[asyncio.Task[Opened]], head_start: float | None) -> asyncio.Task[Opened] | None:
    """The attempt that succeeds; None when all have failed, or one has, or time is up, while there is another address to try."""
    while waiting := [attempt for attempt in attempts if not attempt.done()]:
        await asyncio.wait(waiting, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
        for attempt in attempts:
            if attempt.done() and attempt.exception() is None:
                return attempt
        if head_start is not None:
            break
    return None


def _discard(attempt: asyncio.Task[Opened]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().abort()


def unreachable(origin: Origin, why: str, remedy: str = "") -> UpstreamError:
    """The error of an origin to which no connection could be made."""
    text = f"{origin.host}:{origin.port} could not be reached: {why}."
    return UpstreamError(text, reason="upstream_unreachable", remedy=remedy)


def _why(error: OSError | UnicodeError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason})"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return "its name is not valid"
