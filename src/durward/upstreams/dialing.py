"""Opens connections: the addresses of a name in turn, each with a head start over the next (RFC 8305), TLS where the scheme says so."""

import asyncio
import errno
import ssl
from collections.abc import Callable
from typing import Any, Final

from durward.calls.errors import GateError, UpstreamError
from durward.calls.origin import Origin
from durward.upstreams.connection import Connection
from durward.upstreams.resolution import Names
from durward.upstreams.tls import upstream_tls

HEAD_START_SECONDS: Final = 0.25
"""How long an address is tried alone before the next one is tried beside it."""
OUT_OF_FILES: Final = (errno.EMFILE, errno.ENFILE)

Factory = Callable[[], Connection]


class Dialer:
    """Connects to origins. The TLS settings are read with the first `https` origin, and with the next one after `trust`."""

    def __init__(self, names: Names, ca_file: str | None) -> None:
        self._names = names
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None

    def trust(self, ca_file: str | None) -> None:
        """Read the authorities anew, from this file besides the system's, before the next connection."""
        self._ca_file = ca_file
        self._tls = None

    async def dial(self, origin: Origin, factory: Factory) -> Connection:
        """An open connection. Raises UpstreamError `upstream_unreachable`, GateError `overloaded`."""
        try:
            addresses = await self._names.resolve(origin.host)
            if len(addresses) == 1:
                return await self._open(origin, addresses[0], factory)
            return await self._race(origin, addresses, factory)
        except (OSError, UnicodeError) as error:
            if isinstance(error, OSError) and error.errno in OUT_OF_FILES:
                # Ours, and nothing to hold against the upstream.
                raise GateError("No file descriptor is left for a connection.", reason="overloaded") from error
            raise unreachable(origin, _why(error)) from error

    async def _open(self, origin: Origin, address: str, factory: Factory) -> Connection:
        loop = asyncio.get_running_loop()
        # The loop's types ask for a subclass of asyncio's; it takes whatever has the methods of one.
        made: Callable[[], Any] = factory
        if origin.scheme != "https":
            opened = await loop.create_connection(made, address, origin.port)
        else:
            if self._tls is None:
                self._tls = upstream_tls(self._ca_file)
            opened = await loop.create_connection(
                made, address, origin.port, ssl=self._tls, server_hostname=origin.host
            )
        connection: Connection = opened[1]
        return connection

    async def _race(self, origin: Origin, addresses: list[str], factory: Factory) -> Connection:
        """The first connection that opens; the rest are closed. Where none opens, the first failure is raised."""
        loop = asyncio.get_running_loop()
        attempts: list[asyncio.Task[Connection]] = []
        winner: asyncio.Task[Connection] | None = None
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


async def _first(attempts: list[asyncio.Task[Connection]], head_start: float | None) -> asyncio.Task[Connection] | None:
    """The attempt that succeeds; None when all have failed, or one has, or time is up, while there is another address to try."""
    while waiting := [attempt for attempt in attempts if not attempt.done()]:
        await asyncio.wait(waiting, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
        for attempt in attempts:
            if attempt.done() and attempt.exception() is None:
                return attempt
        if head_start is not None:
            break
    return None


def _discard(attempt: asyncio.Task[Connection]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().abort()


def unreachable(origin: Origin, why: str) -> UpstreamError:
    """The error of an origin to which no connection could be made."""
    return UpstreamError(f"{origin.host}:{origin.port} could not be reached: {why}.", reason="upstream_unreachable")


def _why(error: OSError | UnicodeError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason})"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return "its name is not valid"
