"""Where a request comes from that proxies have passed on: `X-Forwarded-For`, and `Forwarded` (RFC 7239), from those that are trusted.

Each proxy adds the address that it was called from behind those that it was told. So the list is read from its end, and believed as
far as the addresses are of trusted proxies: the first that is not is the caller. What stands before it, anybody may have written.
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

HOPS: Final = 32
"""Trusted proxies in a row that are followed."""

_lines = re.compile(rb"\r\n(x-forwarded-for|forwarded):([^\r\n]*+)", re.IGNORECASE).finditer
# An element of Forwarded up to its comma, where a quoted string (RFC 9110 §5.6.4) may hold one.
_elements = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*+")++').findall
_for = re.compile(r'(?:^|;)[\t ]*+for=(?:"([^"\\]*+)"|([^";\t ]++))[\t ]*+(?=;|$)', re.IGNORECASE).findall
_place = re.compile(r"\[([^\]]++)\](?::[0-9]++)?+|([0-9.]++)(?::[0-9]++)?+|([0-9A-Fa-f:.]++)").fullmatch

Address = IPv4Address | IPv6Address


class TrustedProxies:
    """Networks whose word on the caller's address is taken."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(map(ip_network, networks))

    def trusts(self, address: str) -> bool:
        """Whether an address is that of a trusted proxy."""
        read = read_address(address)
        return read is not None and self._trusts(read)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def caller(self, proxy: str, head: bytes, end: int) -> str:
        """The caller's address, by what `proxy`, which is trusted, says in the head that ends at `end`.

        Where it says nothing that can be read, or two things, it is the proxy's own.
        """
        told: dict[bytes, list[str]] = {}
        for line in _lines(head, 0, end):
            told.setdefault(line[1].lower(), []).append(line[2].decode("latin-1"))
        found = {
            self._last(proxy, _of_forwarded(values) if name == b"forwarded" else _of_list(values))
            for name, values in told.items()
        }
        # Most proxies write one of the two and let the other pass, so that of two that differ one is the caller's own.
        return found.pop() if len(found) == 1 else proxy

    def _last(self, proxy: str, nearest_first: Iterator[str]) -> str:
        caller = proxy
        for _, told in zip(range(HOPS), nearest_first, strict=False):
            address = read_address(told)
            if address is None:
                break
            caller = str(address)
            if not self._trusts(address):
                break
        return caller


def read_address(text: str) -> Address | None:
    """An IP address as proxies write it, with or without a port; an IPv4 address in IPv6 dress is taken out of it."""
    found = _place(text.partition("%")[0])
    if found is None:
        return None
    try:
        address = ip_address(found[1] or found[2] or found[3])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _of_list(values: list[str]) -> Iterator[str]:
    return (each.strip() for each in reversed(",".join(values).split(",")))


def _of_forwarded(values: list[str]) -> Iterator[str]:
    """The `for` of each element. An element that can be read in two ways ends the reading: what is told is no address then."""
    joined = ",".join(values)
    elements = _elements(joined)
    if ",".join(elements) != joined:
        return
    for element in reversed(elements):
        told = _for(element)
        yield told[0][0] or told[0][1] if len(told) == 1 else ""
