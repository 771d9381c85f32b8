"""Callers who come over TLS, or by way of a proxy: on real sockets, with Python's own TLS at the other end."""

import asyncio
import errno
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from durward.calls.ports import Exchange
from durward.config.settings import Settings, Tls
from durward.protocols.forwarded import TrustedProxies
from durward.protocols.proxy_protocol import SIGNATURE
from durward.server.accepting import Acceptor, Entry, read_entry
from durward.server.bounds import Bounds
from durward.server.connection import App
from durward.server.tls import listener_tls
from tests.server.caller import BOUNDS, Caller, House, house
from tests.server.line import GET, POST, Waiting, echo
from tests.server.test_edge import eventually, until
from tests.upstreams.authority import Authority

LOOPBACK = TrustedProxies(["127.0.0.0/8"])


async def who(exchange: Exchange) -> None:
    exchange.send(200, b"", exchange.peer.encode())


def proxied(source: str, command: int = 0x21) -> bytes:
    packed = socket.inet_aton(source) * 2 + struct.pack("!HH", 4242, 443)
    return SIGNATURE + struct.pack("!BBH", command, 0x11, len(packed)) + packed


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def tls(authority: Authority, client_ca: str = "", name: str = "gate") -> ssl.SSLContext:
    cert, key = authority.pair("gate.test", name=name)
    return listener_tls(Tls(str(cert), str(key), client_ca))


class Secured:
    """The other end of a connection over TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def ask(self, request: bytes = GET % 1) -> bytes:
        """The body of the answer."""
        self.writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return await self._reader.readexactly(length)

    async def hear_all(self) -> bytes:
        """What comes until the other side ends the connection, as TLS ends it."""
        return await self._reader.read()

    def serial(self) -> str:
        """Of the certificate that was shown."""
        return str(self.writer.get_extra_info("peercert")["serialNumber"])

    def hang_up(self) -> None:
        self.writer.close()


async def secure(opened: House, client: ssl.SSLContext) -> Secured:
    host, port = opened.address
    secured = Secured(*await asyncio.open_connection(host, port, ssl=client, server_hostname="gate.test"))
    opened.callers.append(secured)
    return secured


@asynccontextmanager
async def guarded(entry: Entry, app: App = who, bounds: Bounds = BOUNDS) -> AsyncIterator[House]:
    async with house(app, bounds) as opened:
        opened.edge.guard(entry)
        yield opened
    for _ in range(5):
        await asyncio.sleep(0)  # for TLS to end on both sides


# TLS.


async def test_calls_large_and_small_over_tls(authority: Authority) -> None:
    async with guarded(Entry(tls(authority)), echo) as opened:
        caller = await secure(opened, authority.client())
        for body in (b"x", bytes(range(256)) * 3000):
            assert await caller.ask(POST % len(body) + body) == b"/" + body
        caller.hang_up()
        await eventually(lambda: opened.edge.connections == 0)
        assert opened.refused == []


async def test_a_caller_that_hangs_up_cancels_its_call(authority: Authority) -> None:
    app = Waiting()
    async with guarded(Entry(tls(authority)), app) as opened:
        caller = await secure(opened, authority.client())
        caller.writer.write(GET % 1)
        await until(app.asked)
        caller.writer.close()
        await eventually(lambda: opened.edge.calls == 0)
        assert app.cancelled == [b"/1"]


async def test_an_answer_that_ends_the_connection_comes_whole_and_is_closed_properly(authority: Authority) -> None:
    body = bytes(range(256)) * 4000

    async def app(exchange: Exchange) -> None:
        exchange.send(200, b"", body)

    async with guarded(Entry(tls(authority)), app) as opened:
        caller = await secure(opened, authority.client())
        caller.writer.write(b"GET / HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n")
        # Without the end that TLS itself tells, this would raise.
        assert (await caller.hear_all()).endswith(body)


async def test_a_reader_that_takes_nothing_is_noticed(authority: Authority) -> None:
    congested = asyncio.Event()

    async def app(exchange: Exchange) -> None:
        exchange.begin(200, b"", None)
        while not exchange.congested:
            exchange.write(b"x" * 65536)
            await asyncio.sleep(0)
        congested.set()
        await exchange.drained()

    async with guarded(Entry(tls(authority)), app) as opened:
        caller = await secure(opened, authority.client())
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        caller.writer.write(GET % 1)
        await until(congested)
        opened.let_pass(BOUNDS.reader_seconds + 1)
        await eventually(lambda: opened.edge.connections == 0)
        caller.writer.close()


async def heard(caller: Caller) -> bytes:
    """What comes until the connection ends, one way or the other."""
    try:
        return await caller.hear_all()
    except ConnectionResetError:
        return b""


async def test_plain_http_on_a_listener_with_tls_is_closed_and_counted(authority: Authority) -> None:
    async with guarded(Entry(tls(authority))) as opened:
        caller = await opened.call()
        await caller.say(GET % 1)
        assert b"HTTP" not in await heard(caller)
        await eventually(lambda: opened.refused == ["tls_failed"])
        assert opened.edge.connections == 0
        assert await (await secure(opened, authority.client())).ask() == b"127.0.0.1"


async def test_a_caller_without_the_certificate_that_is_asked_for_never_gets_to_http(authority: Authority) -> None:
    async with guarded(Entry(tls(authority, authority.ca_file))) as opened:
        assert await (await secure(opened, authority.client(authority.pair("agent.test")))).ask() == b"127.0.0.1"
        # In TLS 1.3 a client is done before the server has looked at its certificate.
        stranger = await secure(opened, authority.client())
        stranger.writer.write(GET % 1)
        with suppress(OSError):
            assert await stranger.hear_all() == b""
        await eventually(lambda: opened.refused == ["tls_failed"])
        assert opened.edge.connections == 1


async def test_a_handshake_that_does_not_come_is_bounded_in_time(authority: Authority) -> None:
    async with guarded(Entry(tls(authority)), bounds=Bounds(head_seconds=0.02)) as opened:
        for begun in (b"", b"\x16\x03\x01"):
            caller = await opened.call()
            if begun:
                await caller.say(begun)
            assert await heard(caller) == b""
        await eventually(lambda: opened.refused == ["request_timeout"] * 2)


async def test_who_only_looks_whether_anybody_listens_is_not_counted(authority: Authority) -> None:
    async with guarded(Entry(tls(authority), LOOPBACK)) as opened:
        for begun in (b"", b"\x16", SIGNATURE):
            caller = await opened.call()
            if begun:
                await caller.say(begun)
            caller.hang_up()
        assert await (await secure(opened, authority.client())).ask() == b"127.0.0.1"
        await eventually(lambda: not opened.edge._shared.admitting)
        assert opened.refused == []


async def test_a_new_certificate_is_for_new_connections_and_old_ones_stay(authority: Authority) -> None:
    async with guarded(Entry(tls(authority, name="one"))) as opened:
        old = await secure(opened, authority.client())
        opened.edge.guard(Entry(tls(authority, name="two")))
        new = await secure(opened, authority.client())
        assert old.serial() != new.serial()
        for caller in (old, new):
            assert await caller.ask() == b"127.0.0.1"


async def test_tls_can_be_turned_on_and_off_while_callers_are_connected(authority: Authority) -> None:
    async with house(who) as opened:
        plain = await opened.call()
        opened.edge.guard(Entry(tls(authority)))
        assert await (await secure(opened, authority.client())).ask() == b"127.0.0.1"
        opened.edge.guard(Entry())
        for caller in (plain, await opened.call()):
            await caller.say(GET % 1)
            await caller.hear(b"\r\n\r\n127.0.0.1")


# Bounds.


async def test_who_shakes_hands_counts_among_the_connections(authority: Authority) -> None:
    async with guarded(Entry(tls(authority)), bounds=Bounds(connections=1)) as opened:
        silent = [await opened.call() for _ in range(2)]
        await eventually(lambda: len(opened.edge._shared.admitting) == 2)
        shut_out = await opened.call()
        assert await heard(shut_out) == b""
        assert opened.refused == ["overloaded"]
        for caller in silent:
            caller.hang_up()
        await eventually(lambda: not opened.edge._shared.admitting)
        assert await (await secure(opened, authority.client())).ask() == b"127.0.0.1"


async def test_without_descriptors_callers_wait_in_the_queue(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durward.server.accepting.PAUSE_SECONDS", 0.01)
    told: list[object] = []
    async with guarded(Entry(tls(authority))) as opened:
        asyncio.get_running_loop().set_exception_handler(lambda loop, event: told.append(event["exception"]))
        (acceptor,) = opened.edge._acceptors
        listener, short = acceptor._listener, OutOfDescriptors()
        acceptor._listener = Short(listener, short)  # type: ignore[assignment]
        assert await (await secure(opened, authority.client())).ask() == b"127.0.0.1"
        assert told == [short]


class OutOfDescriptors(OSError):
    def __init__(self) -> None:
        super().__init__(errno.EMFILE, "Too many open files")


class Short:
    """A listener that once cannot accept."""

    def __init__(self, listener: socket.socket, error: OSError) -> None:
        self._listener = listener
        self._errors = [error]

    def accept(self) -> object:
        if self._errors:
            raise self._errors.pop()
        return self._listener.accept()

    def fileno(self) -> int:
        return self._listener.fileno()

    def close(self) -> None:
        self._listener.close()


async def test_draining_lets_in_who_is_shaking_hands_and_answers_them(authority: Authority) -> None:
    async with guarded(Entry(tls(authority)), bounds=Bounds(farewell_seconds=2)) as opened:
        opening = asyncio.ensure_future(secure(opened, authority.client()))
        await eventually(lambda: bool(opened.edge._shared.admitting))
        draining = asyncio.ensure_future(opened.edge.drain(60))
        caller = await opening
        assert await caller.ask() == b"127.0.0.1"
        assert await caller.hear_all() == b""
        await draining
        with pytest.raises(ConnectionRefusedError):
            await opened.call()


async def test_draining_waits_no_longer_than_it_may_for_those_who_say_nothing(authority: Authority) -> None:
    async with guarded(Entry(tls(authority))) as opened:
        caller = await opened.call()
        await eventually(lambda: bool(opened.edge._shared.admitting))
        await opened.edge.drain(0.01)
        assert await heard(caller) == b""
        assert not opened.edge._shared.admitting


# Proxies.


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


def test_the_entry_that_settings_ask_for(authority: Authority) -> None:
    assert read_entry(Settings("127.0.0.1:0", "/d")) == Entry()
    cert, key = authority.pair("gate.test")
    entry = read_entry(Settings("127.0.0.1:0", "/d", tls=Tls(str(cert), str(key)), trusted_proxies=("10.0.0.0/8",)))
    assert isinstance(entry.tls, ssl.SSLContext)
    assert entry.trusted is not None
    assert entry.trusted.trusts("10.0.0.1")


async def test_an_acceptor_that_is_closed_twice_is_closed(authority: Authority) -> None:
    async with house(who) as opened:
        acceptor = Acceptor(opened.listener.dup(), Entry(), opened.edge._shared)
        acceptor.close()
        acceptor.close()
