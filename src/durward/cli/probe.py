"""What `durward doctor` finds out about upstreams: name, connection, TLS, and whether the credential is taken. Nothing that costs."""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from durward.calls.errors import DurwardError, UpstreamError
from durward.calls.origin import Origin
from durward.cli.checks import Finding
from durward.config.settings import Api, Provider
from durward.credentials.presented import Presented
from durward.protocols.addresses import join
from durward.upstreams.endpoint import read_endpoint
from durward.upstreams.lists import LINES, QUERIES, VERSIONS
from durward.upstreams.proxying import OutboundProxy
from durward.upstreams.tls import upstream_tls

SECONDS = 5.0
READ_BYTES = 64 * 1024
SKEW_SECONDS = 60.0
"""A clock that differs more breaks signed tokens, and records that nobody can line up with others."""
NAMES = "Look at the name in `base_url`, and at this machine's DNS (/etc/resolv.conf)."
UNHEARD = "Is it running? Look at `base_url`, and at firewalls between."

Now = Callable[[], float]


class Way(NamedTuple):
    """How upstreams are reached."""

    ca_file: str | None = None
    proxy: OutboundProxy | None = None


class Probe:
    """One upstream, looked at."""

    def __init__(self, upstream: Provider | Api, environment: Mapping[str, str], now: Now) -> None:
        self._upstream = upstream
        self._environment = environment
        self._now = now
        self._about = f"{'provider' if isinstance(upstream, Provider) else 'API'} {upstream.name}"
        self._endpoint = endpoint = read_endpoint(upstream.name, upstream.base_url, upstream.timeouts)
        self._where = f"{endpoint.origin.host}:{endpoint.origin.port}"

    def find(self, way: Way) -> list[Finding]:
        """Everything about it, as far as it can be reached."""
        origin = self._endpoint.origin
        proxy = way.proxy if way.proxy is not None and way.proxy.carries(origin) else None
        first = origin if proxy is None else proxy.origin
        try:
            socket.getaddrinfo(first.host, first.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            return [self._fails(f"{first.host} has no address: {getattr(error, 'strerror', error)}", NAMES)]
        try:
            connection = self._connected(way.ca_file, proxy)
        except ssl.SSLCertVerificationError as error:
            said = f"the certificate of {self._where} is not valid: {error.verify_message}"
            return [self._fails(said, "Name its authority in `ca_file`, if it is yours.")]
        except DurwardError as error:
            return [self._fails(error.message, error.remedy)]
        except OSError as error:
            there = self._where if proxy is None else f"{self._where}, through {proxy.name},"
            return [self._fails(f"{there} cannot be reached: {error.strerror or error}", UNHEARD)]
        with closing(connection):
            if proxy is not None and proxy.origin.scheme == "https":
                # Blocking sockets speak no TLS within TLS.
                return [
                    Finding("ok", self._about, f"{proxy.name} connects to {self._where}; no further look was taken")
                ]
            try:
                return self._asked(connection)
            except (OSError, http.client.HTTPException) as error:
                return [self._fails(f"{self._where} does not answer as HTTP ({type(error).__name__})", UNHEARD)]

    def _fails(self, said: str, remedy: str) -> Finding:
        return Finding("fail", self._about, said, remedy)

    def _connected(self, ca_file: str | None, proxy: OutboundProxy | None) -> http.client.HTTPConnection:
        """Raises OSError, DurwardError."""
        origin = self._endpoint.origin
        first = origin if proxy is None else proxy.origin
        opened = socket.create_connection((first.host, first.port), SECONDS)
        connection = http.client.HTTPConnection(origin.host, origin.port)
        try:
            if first.scheme == "https":
                opened = upstream_tls(ca_file).wrap_socket(opened, server_hostname=first.host)
            if proxy is not None:
                _ask_for_tunnel(opened, proxy, origin)
                if origin.scheme == "https" and first.scheme == "http":
                    opened = upstream_tls(ca_file).wrap_socket(opened, server_hostname=origin.host)
        except (OSError, ValueError, DurwardError):
            opened.close()
            raise
        connection.sock = opened
        return connection

    def _asked(self, connection: http.client.HTTPConnection) -> list[Finding]:
        """One question without cost: a provider's list of models, an API's base address."""
        lines = self._credential()
        method, target, own = self._question()
        parted = [line.partition(b":") for line in ((lines or b"") + own).splitlines()]
        begin = self._now()
        headers = {name.decode(): value.strip().decode() for name, _, value in parted}
        connection.request(method, target, headers={"Host": self._endpoint.host.decode(), **headers})
        answer = connection.getresponse()
        answer.read(READ_BYTES)
        findings = [self._of_status(answer.status, presented=bool(lines))]
        if skew := _skew(answer.getheader("Date"), begin, self._now()):
            said = f"it differs from that of {self._where} by {skew:.0f} s"
            findings.append(Finding("warn", "clock", said, "Have it set by NTP."))
        return findings

    def _question(self) -> tuple[str, str, bytes]:
        """Method, target and header lines."""
        base = self._endpoint.base_path
        if isinstance(self._upstream, Api):
            return "HEAD", base or "/", b""
        wire = "openai" if self._upstream.protocol == "demo" else self._upstream.protocol
        return "GET", join(base, VERSIONS[wire], ("models",)) + QUERIES[wire], LINES[wire]

    def _credential(self) -> bytes | None:
        """The line that is presented; None where there is none: the caller's own, or one whose lack another check tells."""
        origin = self._endpoint.origin
        presented = Presented(self._upstream.credential, origin, self._environment)
        try:
            return None if presented.caller else presented.lines(origin, {})
        except DurwardError:
            return None

    def _of_status(self, status: int, *, presented: bool) -> Finding:
        wire = self._upstream.protocol if isinstance(self._upstream, Provider) else ""
        # Google says 400 to a key that is none.
        no_key = status == 401 or (status == 400 and wire == "gemini")
        if presented and no_key:
            return self._fails(f"{self._where} refuses the credential ({status})", "Renew the secret it refers to.")
        if not presented and (no_key or status == 403):
            return Finding("ok", self._about, f"{self._where} answers, and wants a credential")
        if status >= 500:
            return Finding("warn", self._about, f"{self._where} answers with {status}", "Look at its status page.")
        if presented and wire and status >= 400:
            said = (
                f"{self._where} answers its list of models with {status}: whether it takes the credential is not known"
            )
            return Finding("warn", self._about, said, "Try a call; some keys may not list models.")
        return Finding("ok", self._about, f"{self._where} answers ({status})")


def probe(upstream: Provider | Api, environment: Mapping[str, str], way: Way, now: Now = time.time) -> list[Finding]:
    """What can be found out about one upstream."""
    return Probe(upstream, environment, now).find(way)


def _ask_for_tunnel(opened: socket.socket, proxy: OutboundProxy, origin: Origin) -> None:
    """Raises DurwardError, OSError."""
    opened.sendall(proxy.request(origin))
    answer = http.client.HTTPResponse(opened, method="CONNECT")
    try:
        answer.begin()
    except http.client.HTTPException:
        raise UpstreamError(f"{proxy.name} does not answer as HTTP.", remedy=UNHEARD) from None
    if answer.status // 100 != 2:
        raise proxy.refusal(origin, answer.status)


def _skew(date: str | None, begin: float, end: float) -> float:
    """Seconds by which this machine's clock differs from an answer's Date; 0 where that cannot be told, or is little."""
    try:
        told = parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return 0.0
    if told is None or begin - SKEW_SECONDS <= told <= end + SKEW_SECONDS:
        return 0.0
    return abs(begin - told)
