"""Callers who come over TLS, on real sockets: what they are spared, and what they are refused."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from durward.calls.ports import Exchange
from durward.config.settings import Settings, Tls
from durward.protocols.proxy_protocol import SIGNATURE
from durward.server.accepting import Acceptor, Entry, read_entry
from durward.server.bounds import Bounds
from tests.server.caller import BOUNDS, House, house
from tests.server.guarded import LOOPBACK, guarded, heard, secure, tls, who
from tests.server.line import GET, POST, Waiting, echo
from tests.server.test_edge import eventually, until
from tests.upstreams.authority import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


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


async def test_an_answer_that_is_cut_short_is_no_proper_end(authority: Authority) -> None:
    async def app(exchange: Exchange) -> None:
        exchange.begin(200, b"", None)
        exchange.write(b"half")
        await cut.wait()
        exchange.abort()

    cut = asyncio.Event()
    async with guarded(Entry(tls(authority)), app) as opened:
        caller = await secure(opened, authority.client())
        caller.writer.write(b"GET / HTTP/1.0\r\nHost: gate\r\n\r\n")
        await caller.hear(b"half")
        cut.set()
        with pytest.raises(ConnectionResetError):
            await caller.hear_all()


async def test_a_reload_that_comes_while_draining_opens_nothing(authority: Authority) -> None:
    async with house(who) as opened:
        await opened.edge.drain(0)
        opened.edge.guard(Entry(tls(authority)))
        with pytest.raises(ConnectionRefusedError):
            await opened.call()


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


async def test_tls_may_be_spoken_from_the_start(authority: Authority) -> None:
    opened = House(who, BOUNDS)
    opened.edge.guard(Entry(tls(authority)))
    await opened.edge.listen(opened.listener)
    assert await (await secure(opened, authority.client())).ask() == b"127.0.0.1"
    await opened.edge.drain(0)
    for caller in opened.callers:
        caller.hang_up()


@pytest.mark.parametrize("entry", [Entry(), Entry(None, LOOPBACK)])
async def test_answers_leave_at_once_whoever_accepted_the_connection(entry: Entry) -> None:
    async with guarded(entry) as opened:
        caller = await opened.call()
        await caller.say(GET % 1)
        await caller.hear(b"127.0.0.1")
        (connection,) = opened.edge._shared.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# Bounds.


async def test_a_bug_before_http_is_told_and_nobody_else_pays(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    async with guarded(Entry(tls(authority))) as opened:
        asyncio.get_running_loop().set_exception_handler(lambda loop, event: told.append(event["exception"]))
        wrong = ZeroDivisionError()
        with monkeypatch.context() as patched:
            patched.setattr(Acceptor, "_let_in", broken(wrong))
            caller = await opened.call()
            assert await heard(caller) == b""
        assert told == [wrong]
        assert await (await secure(opened, authority.client())).ask() == b"127.0.0.1"


def broken(error: Exception) -> Callable[..., Awaitable[None]]:
    async def let_in(*_: object) -> None:
        raise error

    return let_in


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
