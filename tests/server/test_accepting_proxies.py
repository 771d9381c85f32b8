"""Callers who come by way of a proxy, over TLS or not: whose word is taken for where they come from."""

import asyncio
import random
import socket
import ssl
import struct
from pathlib import Path

import pytest

from durward.protocols.forwarded import TrustedProxies
from durward.protocols.proxy_protocol import SIGNATURE
from durward.server.accepting import Entry
from durward.server.bounds import Bounds
from tests.server.guarded import LOOPBACK, guarded, heard, secure, tls
from tests.server.line import GET
from tests.server.test_edge import eventually
from tests.upstreams.authority import Authority


def proxied(source: str, command: int = 0x21) -> bytes:
    packed = socket.inet_aton(source) * 2 + struct.pack("!HH", 4242, 443)
    return SIGNATURE + struct.pack("!BBH", command, 0x11, len(packed)) + packed


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_trusted_proxy_says_where_its_connection_comes_from() -> None:
    async with guarded(Entry(None, LOOPBACK)) as opened:
        caller = await opened.call()
        await caller.say(proxied("192.0.2.7") + GET % 1)
        await caller.hear(b"\r\n\r\n192.0.2.7")
        # What a caller of its own writes into a header is not the proxy's word.
        await caller.say(b"GET / HTTP/1.1\r\nHost: gate\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
        await caller.hear(b"\r\n\r\n192.0.2.7")


@pytest.mark.parametrize("piece", [1, 0])
async def test_its_header_comes_before_tls_however_it_is_cut(authority: Authority, piece: int) -> None:
    async with guarded(Entry(tls(authority), LOOPBACK)) as opened:
        end = socket.create_connection(opened.address)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def speak() -> bytes:
            header = proxied("192.0.2.7")
            for at in range(0, len(header), piece or len(header)):
                end.sendall(header[at : at + (piece or len(header))])
            with authority.client().wrap_socket(end, server_hostname="gate.test") as secured:
                secured.sendall(b"GET / HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n")
                return b"".join(iter(lambda: secured.recv(65536), b""))

        assert (await asyncio.to_thread(speak)).endswith(b"\r\n\r\n192.0.2.7")


async def test_the_header_and_the_handshake_may_come_in_one_write(authority: Authority) -> None:
    async with guarded(Entry(tls(authority), LOOPBACK)) as opened:
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = authority.client().wrap_bio(down, up, server_hostname="gate.test")
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        caller = await opened.call()
        await caller.say(proxied("192.0.2.7") + up.read())
        down.write(await caller.hear(b"\x17\x03\x03"))  # as far as the first encrypted record of its answer
        assert opened.refused == []


async def test_a_header_is_optional_and_a_proxy_may_speak_for_itself() -> None:
    async with guarded(Entry(None, LOOPBACK)) as opened:
        for before in (b"", proxied("192.0.2.7", command=0x20)):
            caller = await opened.call()
            await caller.say(before + GET % 1)
            await caller.hear(b"\r\n\r\n127.0.0.1")


async def test_a_header_in_a_row_of_proxies_is_followed_on() -> None:
    async with guarded(Entry(None, TrustedProxies(["127.0.0.1", "10.0.0.0/8"]))) as opened:
        caller = await opened.call()
        await caller.say(proxied("10.0.0.3") + b"GET / HTTP/1.1\r\nHost: gate\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
        await caller.hear(b"\r\n\r\n192.0.2.7")


FORWARDED = b"GET / HTTP/1.1\r\nHost: gate\r\nX-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\n\r\n"


async def test_a_trusted_proxy_says_where_each_request_comes_from() -> None:
    async with guarded(Entry(None, LOOPBACK)) as opened:
        caller = await opened.call()
        for source in (b"192.0.2.7", b"192.0.2.8", b"192.0.2.8"):
            await caller.say(FORWARDED.replace(b"192.0.2.7", source))
            await caller.hear(b"\r\n\r\n" + source)


@pytest.mark.parametrize("entry", [Entry(), Entry(None, TrustedProxies(["10.0.0.0/8"]))])
async def test_nobody_else_is_believed(entry: Entry) -> None:
    async with guarded(entry) as opened:
        caller = await opened.call()
        await caller.say(FORWARDED)
        await caller.hear(b"\r\n\r\n127.0.0.1")
        stranger = await opened.call()
        await stranger.say(proxied("192.0.2.7") + GET % 1)
        assert (await stranger.hear_all()).startswith(b"HTTP/1.1 400 ")
        assert opened.refused == ["malformed_http"]


async def test_nobody_else_is_believed_before_tls_either(authority: Authority) -> None:
    async with guarded(Entry(tls(authority), TrustedProxies(["10.0.0.0/8"]))) as opened:
        stranger = await opened.call()
        await stranger.say(proxied("192.0.2.7"))
        await heard(stranger)
        await eventually(lambda: opened.refused == ["tls_failed"])


async def test_what_begins_like_a_header_and_is_none_is_closed_and_counted() -> None:
    async with guarded(Entry(None, LOOPBACK)) as opened:
        for wrong in (b"\r\n\r\nGET / HTTP/1.1\r\n", SIGNATURE + b"\x31\x11\0\0"):
            caller = await opened.call()
            await caller.say(wrong)
            assert await heard(caller) == b""
        await eventually(lambda: opened.refused == ["malformed_http"] * 2)


async def test_a_header_that_does_not_come_whole_is_bounded_in_time() -> None:
    async with guarded(Entry(None, LOOPBACK), bounds=Bounds(head_seconds=0.02)) as opened:
        for begun in (b"", SIGNATURE):
            caller = await opened.call()
            if begun:
                await caller.say(begun)
            assert await heard(caller) == b""
        await eventually(lambda: opened.refused == ["request_timeout"] * 2)


async def test_whatever_bytes_come_nobody_else_notices(authority: Authority) -> None:
    dice = random.Random(7)
    async with guarded(Entry(tls(authority), LOOPBACK)) as opened:
        for _ in range(40):
            begun = dice.choice(
                [b"", SIGNATURE, SIGNATURE + b"\x21\x11\0\x0c", proxied("192.0.2.7"), b"\x16\x03\x01\x02\0\x01"]
            )
            caller = await opened.call()
            await caller.say(begun + dice.randbytes(dice.randrange(1, 300)))
            caller.hang_up()
        await eventually(lambda: not opened.edge._shared.admitting)
        assert set(opened.refused) <= {"tls_failed", "malformed_http"}
        assert await (await secure(opened, authority.client())).ask() == b"127.0.0.1"
