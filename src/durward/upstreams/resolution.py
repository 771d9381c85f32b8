"""Names to addresses: cached, bounded, stale rather than nothing, and never to where a cloud keeps its credentials."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from durward.calls.errors import UpstreamError
from durward.calls.ports import Clock

FRESH_SECONDS: Final = 30.0
"""How long an answer of the resolver is taken for true."""
STALE_SECONDS: Final = 90.0
"""How long it is still used while a new one is being fetched."""
PATIENCE_SECONDS: Final = 2.0
"""How long a new answer is waited for where an old one could be used instead."""
NAMES_MOST: Final = 256
ADDRESSES_MOST: Final = 8

METADATA_NAMES: Final = frozenset(
    {"metadata.google.internal", "metadata.goog", "metadata", "instance-data", "instance-data.ec2.internal"}
)
METADATA_ADDRESSES: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            *("169.254.169.254", "fd00:ec2::254", "fd20:ce::254"),  # instance metadata: AWS, Azure, Google and others
            *("169.254.170.2", "169.254.170.23", "fd00:ec2::23"),  # AWS container and pod credentials
            *(
                "100.100.100.200",
                "192.0.0.192",
                "168.63.129.16",
                "169.254.42.42",
                "fd00:42::42",
            ),  # Alibaba, Oracle, Azure, Scaleway
        ),
    )
)

_EMBEDDING: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))

Lookup = Callable[[str], Awaitable[list[str]]]


def is_metadata(host: str) -> bool:
    """Whether a name or address is where a cloud hands out credentials, in whatever IPv6 dress an IPv4 address comes."""
    if host.rstrip(".").lower() in METADATA_NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address in METADATA_ADDRESSES or _inner(address) in METADATA_ADDRESSES


def _inner(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address reaches: mapped, 6to4, or through NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in _EMBEDDING):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def interleaved(addresses: list[str]) -> list[str]:
    """Addresses without repetition, the families taking turns (RFC 8305 §4), the resolver's order kept within each."""
    unique = list(dict.fromkeys(addresses))
    first = [address for address in unique if (":" in address) == (":" in unique[0])]
    other = [address for address in unique if address not in first]
    turns = [address for pair in zip(first, other, strict=False) for address in pair]
    return (turns + first[len(other) :] + other[len(first) :])[:ADDRESSES_MOST]


async def system_lookup(host: str) -> list[str]:
    """Ask the system's resolver. Raises OSError, UnicodeError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class _Entry(msgspec.Struct, gc=False):
    addresses: list[str]
    since: float


class Names:
    """The resolver's answers, each kept for a while. Concurrent questions for one name are one question."""

    def __init__(self, clock: Clock, lookup: Lookup = system_lookup) -> None:
        self._clock = clock
        self._lookup = lookup
        self._entries: dict[str, _Entry] = {}
        self._asking: dict[str, asyncio.Task[OSError | UnicodeError | None]] = {}

    async def resolve(self, host: str) -> list[str]:
        """Addresses of a host, in the order to try them. Raises UpstreamError `upstream_unreachable`, OSError, UnicodeError."""
        if is_metadata(host):
            raise forbidden(host)
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        entry = self._entries.get(host)
        age = self._clock.monotonic() - entry.since if entry else 0.0
        if entry is None or age > FRESH_SECONDS:
            entry = await self._renewed(host, entry, age)
        if any(map(is_metadata, entry.addresses)):
            raise forbidden(host)
        return entry.addresses

    async def _renewed(self, host: str, old: _Entry | None, age: float) -> _Entry:
        asking = self._asking.get(host)
        if asking is None:
            asking = asyncio.get_running_loop().create_task(self._ask(host))
            self._asking[host] = asking
            asking.add_done_callback(lambda _: self._asking.pop(host, None))
        if old is not None and age <= STALE_SECONDS:
            return old
        await asyncio.wait({asking}, timeout=None if old is None else PATIENCE_SECONDS)
        entry = self._entries.get(host)
        if entry is not None:
            return entry
        error = asking.result()
        assert error is not None
        raise error

    async def _ask(self, host: str) -> OSError | UnicodeError | None:
        try:
            addresses = await self._lookup(host)
        except (OSError, UnicodeError) as error:
            return error
        if not addresses:
            return OSError("the name has no address")
        self._entries.pop(host, None)
        while len(self._entries) >= NAMES_MOST:
            self._entries.pop(next(iter(self._entries)))
        self._entries[host] = _Entry(interleaved(addresses), self._clock.monotonic())
        return None


def forbidden(host: str) -> UpstreamError:
    """The error of a host where a cloud hands out credentials."""
    return UpstreamError(
        f"{host} is a cloud's metadata address; Durward never connects there.",
        remedy="Name another address in the configuration.",
    )
