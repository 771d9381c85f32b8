"""Where a configured upstream is, and the head of a request to it."""

from urllib.parse import urlsplit

import msgspec

from durward.calls.ports import Timeouts
from durward.calls.resource import Origin

PORTS = {"http": 80, "https": 443}
IDENTITY = b"Accept-Encoding: identity\r\n"


class Endpoint(msgspec.Struct, frozen=True, gc=False):
    """One upstream: its origin, the path of its base URL, its `Host` and its deadlines."""

    name: str
    origin: Origin
    base_path: str
    host: bytes
    timeouts: Timeouts

    def head(self, method: str, target: str, own: bytes, passed: list[bytes]) -> bytes:
        """A request head: request line, Host, our own lines (each ended by CRLF, framing included), then those passed on."""
        lines = b"\r\n".join([own[:-2], *passed]) if own else b"\r\n".join(passed)
        return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b\r\n\r\n" % (method.encode(), target.encode(), self.host, lines)


def read_endpoint(name: str, base_url: str, timeouts: Timeouts) -> Endpoint:
    """The endpoint of a base URL that the configuration has checked."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    port = parts.port or PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    if port != PORTS[parts.scheme]:
        shown = f"{shown}:{port}"
    return Endpoint(name, Origin(parts.scheme, host, port), parts.path.rstrip("/"), shown.encode("ascii"), timeouts)
