"""The PROXY protocol's header, by bytes: however it is cut into reads, and whatever else comes in its place."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.protocols.proxy_protocol import REST_BYTES, SIGNATURE, ProxyHeader

V4, V6, UNSPECIFIED, UDP, UNIX = 0x11, 0x21, 0x00, 0x12, 0x31


def written(command: int, kind: int, rest: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, kind, len(rest)) + rest


def tcp(source: str, tlvs: bytes = b"") -> bytes:
    address = IPv6Address(source) if ":" in source else IPv4Address(source)
    packed = address.packed + address.packed + struct.pack("!HH", 4242, 443)
    return written(0x21, V4 if len(address.packed) == 4 else V6, packed + tlvs)


def read(data: bytes, cuts: list[int] | None = None) -> ProxyHeader:
    """Feed a header as its reader wants it, in reads of these sizes at most; what is behind it stays."""
    header, at, sizes = ProxyHeader(), 0, iter(cuts or [])
    while header.wanted and at < len(data):
        size = min(header.wanted, next(sizes, header.wanted))
        header.feed(data[at : at + size])
        at += size
    return header


def test_the_example_of_the_specification_over_ipv4() -> None:
    header = bytes.fromhex("0d0a0d0a000d0a515549540a 21 11 000c 7f000001 7f000001 ccb1 1f90")
    assert (read(header).source, read(header).wanted) == ("127.0.0.1", 0)


@given(
    st.ip_addresses().map(str),
    st.binary(max_size=600),
    st.lists(st.integers(1, 40), max_size=60),
)
def test_however_it_is_cut_the_source_is_read_and_nothing_behind_it(source: str, tlvs: bytes, cuts: list[int]) -> None:
    header = tcp(source, tlvs)
    done = read(header + b"GET / HTTP/1.1\r\n", cuts)
    assert (done.source, done.wanted) == (source, 0)


def test_what_a_proxy_says_for_itself_or_of_other_connections_names_nobody() -> None:
    for header in (
        written(0x20, UNSPECIFIED, b""),
        written(0x20, V4, b"x" * 12),
        written(0x21, UNSPECIFIED, b"\x03\x00\x04abcd"),
        written(0x21, UDP, b"x" * 12),
        written(0x21, UNIX, b"x" * 216),
    ):
        assert (read(header).source, read(header).wanted) == ("", 0)


@pytest.mark.parametrize(
    "header",
    [
        b"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\r",
        written(0x11, V4, b"x" * 12),  # version 1
        written(0x22, V4, b"x" * 12),  # a command that is none
        written(0x21, 0x41, b"x" * 12),
        written(0x21, 0x13, b"x" * 12),
        written(0x21, V4, b"x" * 11),
        written(0x21, V6, b"x" * 35),
        written(0x21, V4, b"x" * (REST_BYTES + 1)),
    ],
)
def test_what_is_no_such_header_is_refused(header: bytes) -> None:
    for cuts in ([], [1] * len(header)):
        with pytest.raises(CallerError) as caught:
            read(header, cuts)
        assert caught.value.reason == "malformed_http"


def test_the_longest_that_is_read() -> None:
    assert read(tcp("192.0.2.1", b"x" * (REST_BYTES - 12))).source == "192.0.2.1"


@given(st.binary(max_size=80), st.lists(st.integers(1, 20), max_size=80))
def test_any_bytes_are_a_header_or_refused_and_never_more_than_is_wanted_is_asked(data: bytes, cuts: list[int]) -> None:
    for begun in (data, SIGNATURE + data, SIGNATURE + b"\x21\x11" + data):
        try:
            header = read(begun, cuts)
        except CallerError:
            continue
        assert 0 <= header.wanted <= 16 + REST_BYTES
