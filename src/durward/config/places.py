"""Addresses in the file: where the gate listens, and the base URLs of upstreams. Nothing is resolved or connected to here."""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from durward.config.mistakes import Wrong

HOST = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*"
)
LISTEN = re.compile(r"(\[[^\]]*\]|[^:\[\]]*):([0-9]{1,5})")
LISTEN_RULE = "Write an address and a port: 127.0.0.1:7300, [::1]:7300, 0.0.0.0:7300; port 0 takes a free one."
PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
"""RFC 3986 §3.3, path-abempty."""
URL_RULE = "Write scheme, host and, if need be, port and path: https://api.example.com/v1."
NETWORK_RULE = "Write an address or a network: 10.0.0.7, 10.0.0.0/8, fd00::/8."
PROXY_RULE = "Write scheme, host and port: http://proxy.internal:3128."
DIRECT_RULE = (
    "Write a host, .suffix (every name that ends so), an address or a network: crm.internal, .internal, 10.0.0.0/8."
)

METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
METADATA_NETWORKS = tuple(
    map(
        ip_network,
        ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32"),
    )
)
"""Link-local, where clouds keep instance metadata, and the addresses that AWS, Alibaba, Oracle and Azure use beside it."""
EMBEDDING = tuple(map(ip_network, ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48")))
"""IPv6 that holds an IPv4 address in its last 32 bits: mapped, compatible, NAT64 (RFC 6052, RFC 8215)."""


def listen(value: object) -> str:
    """`host:port` of the listener."""
    match = LISTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) > 65535:
        raise Wrong("this is not an address to listen on", LISTEN_RULE)
    host = match[1]
    if host.startswith("["):
        if not _is_ipv6(host[1:-1]):
            raise Wrong("what stands in brackets is no IPv6 address", LISTEN_RULE)
    elif not HOST.fullmatch(host):
        raise Wrong("the host to listen on is missing or not valid", LISTEN_RULE)
    return f"{host.lower()}:{int(match[2])}"


def listener(value: object) -> object:
    """A listener written as its address alone stands for a mapping."""
    if isinstance(value, list):
        raise Wrong("a list of listeners is not in this version", f"Write one. {LISTEN_RULE}")
    return value if isinstance(value, dict) else {"address": value}


def network(value: object) -> str:
    """A network in its shortest spelling; an address is a network of one."""
    if not isinstance(value, str):
        raise Wrong("this is neither an address nor a network", NETWORK_RULE)
    try:
        return str(ip_network(value))
    except ValueError:
        pass
    try:
        meant = ip_network(value, strict=False)
    except ValueError:
        raise Wrong("this is neither an address nor a network", NETWORK_RULE) from None
    raise Wrong("this network has bits set behind its prefix", f"Did you mean {meant}?")


def outbound_proxy(value: object) -> object:
    """An outbound proxy written as its URL alone stands for a mapping."""
    return value if isinstance(value, dict) else {"url": value}


def proxy_url(value: object) -> str:
    """Scheme, host and port of an outbound proxy."""
    if not isinstance(value, str):
        raise Wrong("this is not the URL of a proxy", PROXY_RULE)
    parts = _split(value)
    if parts.scheme not in ("http", "https"):
        raise Wrong("the URL of a proxy begins with http:// or https://", PROXY_RULE)
    if "@" in parts.netloc:
        raise Wrong(
            "the URL of a proxy holds no user or password", "Say them as `credential`: env:NAME, of `user:password`."
        )
    if parts.path.strip("/") or "?" in value or "#" in value:
        raise Wrong("the URL of a proxy ends with its port", PROXY_RULE)
    host, port = _host(parts)
    if not port:
        raise Wrong("the port of the proxy is missing", PROXY_RULE)
    return f"{parts.scheme}://{host}{port}"


def direct(value: object) -> str:
    """What is reached without the outbound proxy: a host, the end of names, or a network."""
    if not isinstance(value, str):
        raise Wrong("this is neither a host nor a network", DIRECT_RULE)
    if "/" in value or _address(value.strip("[]")) is not None:
        return network(value.strip("[]"))
    if not HOST.fullmatch(value.removeprefix(".")):
        raise Wrong("this is neither a host nor a network", DIRECT_RULE)
    return value.lower()


def host_name(value: object) -> str:
    """A host name, in lower case."""
    if not isinstance(value, str) or not HOST.fullmatch(value):
        raise Wrong("this is not a host name", "Write a name without scheme and port: durward.internal.")
    return value.lower()


def is_loopback(address: str) -> bool:
    """Whether a listen address is reached from this machine only."""
    host = address.rpartition(":")[0].strip("[]")
    numeric = _address(host)
    return host == "localhost" or (numeric is not None and numeric.is_loopback)


def base_url(value: object) -> str:
    """A base URL without a trailing slash, scheme and host in lower case. What it holds of secrets is never shown."""
    if not isinstance(value, str):
        raise Wrong("this is not a URL", URL_RULE)
    parts = _split(value)
    if parts.scheme not in ("http", "https"):
        raise Wrong("a base URL begins with http:// or https://", URL_RULE)
    if "@" in parts.netloc:
        raise Wrong("a base URL holds no user or password", "Say it as `credential`, with a reference to the secret.")
    if "?" in value or "#" in value:
        raise Wrong("a base URL has no query and no fragment", "If it is a key, say it as `credential`.")
    host, port = _host(parts)
    if not PATH.fullmatch(parts.path) or any(piece in (".", "..") for piece in parts.path.split("/")):
        raise Wrong("the path of this URL is not valid", URL_RULE)
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def _split(value: str) -> SplitResult:
    if not value.isascii() or not value.isprintable() or any(letter in value for letter in ' \\"<>^`{|}'):
        raise Wrong(
            "this URL holds characters that no URL has",
            "Write another script's host in punycode (xn--…), and the rest as %XX.",
        )
    try:
        return urlsplit(value)
    except ValueError:
        raise Wrong("this is not a URL", URL_RULE) from None


def _host(parts: SplitResult) -> tuple[str, str]:
    """Host and `:port` as they are written in the URL."""
    host = (parts.hostname or "").lower()
    try:
        number = parts.port
    except ValueError:
        number = 0
    if number == 0 or parts.netloc.endswith(":"):
        raise Wrong("the port of this URL is not valid", "A port is a number from 1 to 65535.")
    bracketed = parts.netloc.startswith("[")
    if not (_is_ipv6(host) if bracketed else HOST.fullmatch(host.removesuffix("."))):
        raise Wrong("the host of this URL is missing or not valid", URL_RULE)
    refuse_metadata(host)
    return f"[{host}]" if bracketed else host, "" if number is None else f":{number}"


def refuse_metadata(host: str) -> None:
    """Raise Wrong for a cloud's metadata address, in whatever form, and for IPv4 in forms that only some resolvers read."""
    host = host.removesuffix(".")
    address = _address(host)
    if address is None and _old_form(host):
        raise Wrong("this address is not written plainly", "Write an IPv4 address as four decimal numbers.")
    embedded = _embedded(address) if address is not None else None
    if host in METADATA_NAMES or any(embedded in network for network in METADATA_NETWORKS if embedded is not None):
        hint = "Whoever may call the gate could read the machine's own credentials there."
        raise Wrong("the gate never calls a cloud's metadata address", hint)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _old_form(host: str) -> bool:
    """One number, hex, octal, or fewer than four parts: what inet_aton, and so many a resolver, takes for an address."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if (
        isinstance(address, IPv6Address)
        and any(address in network for network in EMBEDDING)
        and int(address) & 0xFFFFFFFF > 1
    ):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_ipv6(text: str) -> bool:
    return isinstance(_address(text), IPv6Address) and "%" not in text
