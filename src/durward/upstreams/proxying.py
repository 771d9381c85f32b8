"""The outbound proxy: which origins are reached through it, and the tunnel that it makes to them (CONNECT, RFC 9110 §9.3.6).

Plain origins are reached by CONNECT too, not by requests in absolute form: the connection behind the tunnel is then the one that the
pool knows, whose requests and answers no proxy rewrites, and the proxy's credential stands in no request of a call.
"""

import asyncio
from base64 import b64encode
from ipaddress import ip_address, ip_network
from typing import Final, cast

from durward.calls.errors import GateError, UpstreamError
from durward.calls.origin import Origin
from durward.protocols.http1_answer import AnswerHead, read_head

INTERIM_ANSWERS: Final = 16
REMEDY: Final = "Look at `outbound_proxy`, and at what the proxy allows; then retry."


class OutboundProxy:
    """An HTTP proxy through which origins are reached, all but those that `exempt` names, and this machine's own unless `loopback`."""

    def __init__(
        self, origin: Origin, login: str | GateError = "", exempt: tuple[str, ...] = (), loopback: bool = False
    ) -> None:
        """`login` is `user:password`, or why there is none; `exempt` holds hosts, `.suffix`es and networks."""
        self.origin = origin
        self.name = f"the outbound proxy {_authority(origin)}"
        self._login = login
        self._loopback = loopback
        networks = [each for each in exempt if "/" in each]
        self._networks = tuple(map(ip_network, networks))
        self._suffixes = tuple(each for each in exempt if each.startswith("."))
        self._hosts = frozenset(exempt) - {*networks, *self._suffixes}

    def carries(self, origin: Origin) -> bool:
        """Whether an origin is reached through it. Names are not resolved for this: the proxy may be the only one who can."""
        host = origin.host.rstrip(".")
        try:
            address = ip_address(host)
        except ValueError:
            if host == "localhost" or host.endswith(".localhost"):
                return self._loopback
            return host not in self._hosts and not host.endswith(self._suffixes)
        if address.is_loopback:
            return self._loopback
        return not any(address in network for network in self._networks)

    def request(self, origin: Origin) -> bytes:
        """What asks it for a tunnel. Raises GateError `credential_missing`."""
        if isinstance(self._login, GateError):
            raise GateError(self._login.message, reason="credential_missing", remedy=self._login.remedy)
        authority = _authority(origin)
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if self._login:
            lines.append(f"Proxy-Authorization: Basic {b64encode(self._login.encode()).decode()}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    def refusal(self, origin: Origin, status: int) -> UpstreamError:
        """The error of a request for a tunnel that was answered so."""
        if status == 407:
            return self.error("wants a credential (407)" if not self._login else "does not take the credential (407)")
        return self.error(f"makes no connection to {_authority(origin)}: it answered {status}")

    def error(self, how: str) -> UpstreamError:
        """What is wrong with the proxy, or with what it does."""
        text = f"{self.name} {how}."
        return UpstreamError(f"T{text[1:]}", reason="upstream_unreachable", remedy=REMEDY)


def _authority(origin: Origin) -> str:
    return f"[{origin.host}]:{origin.port}" if ":" in origin.host else f"{origin.host}:{origin.port}"


class Tunnel(asyncio.Protocol):
    """A connection to the proxy while it becomes one to an origin."""

    def __init__(self, proxy: OutboundProxy) -> None:
        self.transport: asyncio.Transport
        self._proxy = proxy
        self._held = b""
        self._answered: asyncio.Future[None] | None = None
        self._spoiled = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    async def ask(self, origin: Origin) -> None:
        """Ask for a tunnel, and wait until it is there. Raises UpstreamError `upstream_unreachable`, GateError `credential_missing`."""
        asked = self._proxy.request(origin)
        self.sound()
        self._answered = asyncio.get_running_loop().create_future()
        self.transport.write(asked)
        await self._answered
        head = self._read()
        if head is not None and not 200 <= head.status < 300:
            raise self._proxy.refusal(origin, head.status)

    def sound(self) -> None:
        """Raise UpstreamError where the proxy has hung up, or has said more than it was asked for."""
        if self._spoiled:
            raise self._refused(self._spoiled)

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._answered is None or self._answered.done():
            self._spoil("sent something unasked")
            return
        self._held += data
        try:
            head = self._read()
        except UpstreamError:
            self._spoil("did not answer as HTTP")
            return
        if head is not None:
            if head.end < len(self._held) and 200 <= head.status < 300:
                self._spoil("sent something unasked")
            elif not self._answered.done():
                self._answered.set_result(None)

    def eof_received(self) -> None:
        self._spoil("closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self._spoil("closed the connection")

    def _read(self) -> AnswerHead | None:
        """The final answer, without those before it. Raises UpstreamError for what is no HTTP."""
        for _ in range(INTERIM_ANSWERS):
            head = read_head(self._held, True)
            if head is None or head.status >= 200:
                return head
            self._held = self._held[head.end :]
        raise self._refused("answers without end")

    def _spoil(self, how: str) -> None:
        self._spoiled = self._spoiled or how
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(self._refused(how))
            self._answered.exception()  # Who waited may have been cancelled in this turn, and nobody else asks for it.

    def _refused(self, how: str) -> UpstreamError:
        return self._proxy.error(how)
