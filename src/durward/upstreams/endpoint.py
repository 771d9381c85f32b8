"""Where a configured upstream is, and the head of a request to it."""

from urllib.parse import urlsplit

import msgspec

from durward.calls.origin import Origin, Timeouts

PORTS = {"http": 80, "https": 443}
IDENTITY = b"Accept-Encoding: identity\r\n"


class Endpoint(msgspec.Struct, frozen=True, gc=False):
    """One upstream: its origin, the path of its base URL, its `Host` and its deadlines."""

    name: str
    origin: Origin
    base_path: str
    host: bytes
    timeouts: Timeouts


def read_endpoint(name: str, base_url: str, timeouts: Timeouts) -> Endpoint:
    """The endpoint of a base URL that the configuration has checked."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    port = parts.port or PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    if port != PORTS[parts.scheme]:
        shown = f"{shown}:{port}"
    return Endpoint(name, Origin(parts.scheme, host, port), parts.path.rstrip("/"), shown.encode("ascii"), timeouts)
