"""The PROXY protocol, version 2 (HAProxy's proxy-protocol.txt §2.2): what a proxy says of the connection that it passes on.

Only the caller's address is taken from it. The ports, and what follows the addresses (TLVs), are read and thrown away.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from durward.calls.errors import CallerError

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
"""No request and no TLS handshake begins with its first byte."""
FIXED_BYTES: Final = 16
"""The signature, version and command, family and transport, length of the rest."""
REST_BYTES: Final = 4096
"""The most that may follow: addresses, and what some proxies say of TLS beside them. 536 bytes in all would do for most."""
ADDRESS_BYTES: Final = {0x11: 4, 0x21: 16}
"""Of TCP over IPv4 and over IPv6."""
LOCAL, PROXY = 0x20, 0x21
FAMILIES, TRANSPORTS = 3, 2


class ProxyHeader:
    """One header, read as it comes. `wanted` bytes, and no more, may be fed next; 0 once it is complete.

    `source` is the caller's address then; "" where the proxy speaks for itself (LOCAL), or of another kind of connection.
    """

    __slots__ = ("_held", "_rest", "source", "wanted")

    def __init__(self) -> None:
        self.wanted = FIXED_BYTES
        self.source = ""
        self._held = b""
        self._rest = False

    def feed(self, received: bytes) -> None:
        """The next bytes. Raises CallerError `malformed_http` where this is no such header, or a longer one than is read."""
        self._held += received
        self.wanted -= len(received)
        if not self._rest and self._held[: len(SIGNATURE)] != SIGNATURE[: len(self._held)]:
            raise _malformed("it is no PROXY header")
        if self.wanted:
            return
        if not self._rest:
            self._rest = True
            self.wanted = _length(self._held)
        if not self.wanted:
            self.source = _source(self._held)


def _length(fixed: bytes) -> int:
    command, kind = fixed[12], fixed[13]
    if command not in (LOCAL, PROXY):
        raise _malformed("its version or command is not known")
    if kind >> 4 > FAMILIES or kind & 0x0F > TRANSPORTS:
        raise _malformed("its kind of address is not known")
    length = int.from_bytes(fixed[14:16])
    if length > REST_BYTES:
        raise _malformed(f"it has more than {REST_BYTES} bytes")
    if command == PROXY and length < 2 * ADDRESS_BYTES.get(kind, 0) + 4 * (kind in ADDRESS_BYTES):
        raise _malformed("it is too short for its addresses")
    return length


def _source(header: bytes) -> str:
    size = ADDRESS_BYTES.get(header[13], 0)
    if header[12] == LOCAL or not size:
        return ""
    packed = header[FIXED_BYTES : FIXED_BYTES + size]
    return str(IPv4Address(packed) if size == 4 else IPv6Address(packed))


def _malformed(why: str) -> CallerError:
    return CallerError(f"The connection began with a byte of a PROXY header, but {why}.", reason="malformed_http")
