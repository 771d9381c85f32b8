"""Opening connections: which address, over TLS or not, and what is told where none opens."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from durward.calls.errors import GateError, UpstreamError
from durward.calls.origin import Origin
from durward.upstreams.connection import Connection, Ticks
from durward.upstreams.dialing import Dialer
from durward.upstreams.pool import PooledUpstreams
from durward.upstreams.resolution import Names
from tests.upstreams.authority import Authority
from tests.upstreams.scripted import GET, LIMIT, OK, TIMEOUTS, Peer, SetClock, post, turns


class Nobody:
    def release(self, connection: Connection) -> None: ...
    def gone(self, connection: Connection) -> None: ...


def connection() -> Connection:
    return Connection("upstream", Nobody(), Ticks(0.0), asyncio.get_running_loop())


def dialer(addresses: list[str], ca_file: str | None = None) -> Dialer:
    async def lookup(host: str) -> list[str]:
        return addresses

    return Dialer(Names(SetClock(), lookup), ca_file)


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, asyncio.Queue[Peer]]]:
    """A port on 127.0.0.1, and the connections that are made to it."""
    peers: asyncio.Queue[Peer] = asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(lambda: Peer(peers.put_nowait), "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], peers
    finally:
        server.close()
        await turns(3)


async def test_a_name_is_connected_to_at_its_address() -> None:
    async with listening() as (port, peers):
        opened = await dialer(["127.0.0.1"]).dial(Origin("http", "api.test", port), connection)
        peer = await peers.get()
        opened.abort()
        await peer.gone()


async def test_an_address_that_refuses_is_passed_over() -> None:
    async with listening() as (port, peers):
        opened = await dialer(["127.0.0.2", "127.0.0.3", "127.0.0.1"]).dial(
            Origin("http", "api.test", port), connection
        )
        peer = await peers.get()
        opened.abort()
        await peer.gone()


async def test_an_address_that_keeps_silent_is_not_waited_for_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durward.upstreams.dialing.HEAD_START_SECONDS", 0.0)
    tried: list[str] = []
    left: list[str] = []
    silent = dialer(["192.0.2.1", "127.0.0.1"])
    directly = silent._open

    async def watched(origin: Origin, address: str, factory: object) -> Connection:
        tried.append(address)
        if address != "127.0.0.1":
            try:
                await asyncio.Event().wait()
            finally:
                left.append(address)
        return await directly(origin, address, connection)

    monkeypatch.setattr(silent, "_open", watched)
    async with listening() as (port, peers):
        opened = await silent.dial(Origin("http", "api.test", port), connection)
        await turns(2)
        assert (tried, left) == (["192.0.2.1", "127.0.0.1"], ["192.0.2.1"])
        peer = await peers.get()
        opened.abort()
        await peer.gone()


async def test_of_two_connections_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    both = dialer(["127.0.0.1", "127.0.0.2"])
    opened: list[Connection] = []
    both_open = asyncio.Barrier(2)

    async def at_once(origin: Origin, address: str, factory: object) -> Connection:
        protocol: Callable[[], Any] = connection
        made = await asyncio.get_running_loop().create_connection(protocol, "127.0.0.1", origin.port)
        one: Connection = made[1]
        opened.append(one)
        await both_open.wait()
        return one

    monkeypatch.setattr(both, "_open", at_once)
    monkeypatch.setattr("durward.upstreams.dialing.HEAD_START_SECONDS", 0.0)
    async with listening() as (port, _):
        winner = await both.dial(Origin("http", "api.test", port), connection)
        await turns(3)
        assert [each.closed for each in opened if each is not winner] == [True]
        assert not winner.closed
        winner.abort()
        await turns(3)


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.1", "127.0.0.2"]])
async def test_where_no_address_answers_the_reason_is_told(addresses: list[str]) -> None:
    async with listening() as (port, _):
        pass
    with pytest.raises(UpstreamError, match=rf"api\.test:{port} could not be reached: .*refused") as caught:
        await dialer(addresses).dial(Origin("http", "api.test", port), connection)
    assert caught.value.reason == "upstream_unreachable"


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
async def test_that_no_descriptor_is_left_is_not_the_upstreams_failure(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_left(*_: Any, **__: Any) -> Any:
        raise OSError(number, "Too many open files")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", none_left, raising=False)
    with pytest.raises(GateError) as caught:
        await dialer(["127.0.0.1"]).dial(Origin("http", "api.test", 1), connection)
    assert caught.value.reason == "overloaded"


async def test_a_name_that_is_none_is_unreachable() -> None:
    async def lookup(host: str) -> list[str]:
        raise UnicodeError("label too long")

    with pytest.raises(UpstreamError, match="its name is not valid"):
        await Dialer(Names(SetClock(), lookup), None).dial(Origin("http", "x" * 70, 80), connection)


async def test_a_metadata_address_is_unreachable_by_any_name() -> None:
    with pytest.raises(UpstreamError, match="metadata") as caught:
        await dialer(["169.254.169.254"]).dial(Origin("http", "api.test", 80), connection)
    assert caught.value.reason == "upstream_unreachable"


# TLS.


def over_tls(ca_file: str | None) -> PooledUpstreams:
    return PooledUpstreams(SetClock(), dial=dialer(["127.0.0.1"], ca_file).dial)


async def test_calls_over_tls_reuse_their_connection_and_speak_http_1(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with listening(authority.server("api.test")) as (port, peers):
        pool = over_tls(authority.ca_file)
        origin = Origin("https", "api.test", port)
        body = b"x" * 300_000
        peer: Peer | None = None
        for _ in range(2):
            call = asyncio.ensure_future(pool.send(origin, post(body), body, TIMEOUTS))
            peer = peer or await peers.get()
            assert await peer.request(post(body) + body) == post(body) + body
            peer.send(OK)
            assert await (await call).whole(LIMIT) == b"ok"
            assert repr(pool) == "0 active, 1 idle"
        assert peer is not None
        assert peer.transport.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        assert (pool.counts.opened, pool.counts.reused) == (1, 1)
        pool.close()
        await peer.gone()


async def test_streams_surplus_and_hang_ups_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with listening(authority.server("api.test")) as (port, peers):
        pool = over_tls(authority.ca_file)
        origin = Origin("https", "api.test", port)

        call = asyncio.ensure_future(pool.send(origin, GET, b"", TIMEOUTS))
        peer = await peers.get()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        answer = await call
        assert await answer.chunk() == b"ab"
        answer.cancel()
        await peer.gone()

        call = asyncio.ensure_future(pool.send(origin, GET, b"", TIMEOUTS))
        peer = await peers.get()
        await peer.request()
        peer.send(OK + b"surplus")
        assert await (await call).whole(LIMIT) == b"ok"
        await peer.gone()

        call = asyncio.ensure_future(pool.send(origin, GET, b"", TIMEOUTS))
        peer = await peers.get()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nuntil close")
        peer.close()
        assert await (await call).whole(LIMIT) == b"until close"
        assert repr(pool) == "0 active, 0 idle"
        pool.close()


async def test_a_body_until_close_over_tls_that_anybody_could_have_cut_is_cut(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = authority.server("api.test")

    def close_without_notice(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        secure = tls.wrap_socket(plain, server_side=True)
        secure.recv(1000)
        secure.sendall(b"HTTP/1.1 200 OK\r\n\r\nuntil")
        with socket.socket(fileno=secure.detach()) as plain:
            plain.shutdown(socket.SHUT_WR)
            plain.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = asyncio.ensure_future(asyncio.to_thread(close_without_notice, listener))
        pool = over_tls(authority.ca_file)
        answer = await pool.send(Origin("https", "api.test", listener.getsockname()[1]), GET, b"", TIMEOUTS)
        assert await answer.chunk() == b"until"
        with pytest.raises(UpstreamError) as caught:
            await answer.chunk()
        assert caught.value.reason == "upstream_cut"
        pool.close()
        await upstream


async def test_a_large_answer_over_tls_comes_at_the_readers_pace(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    size = 5_000_000
    async with listening(authority.server("api.test")) as (port, peers):
        pool = over_tls(authority.ca_file)
        call = asyncio.ensure_future(pool.send(Origin("https", "api.test", port), GET, b"", TIMEOUTS))
        peer = await peers.get()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        answer = await call
        got, largest = 0, 0
        while data := await answer.chunk():
            got += len(data)
            largest = max(largest, len(data))
        assert got == size
        assert largest < 500_000
        assert repr(pool) == "0 active, 1 idle"
        pool.close()
        await peer.gone()


@pytest.mark.parametrize("trusted,host", [(False, "api.test"), (True, "other.test"), (True, "127.0.0.1")])
async def test_a_server_that_cannot_prove_its_name_is_unreachable(tmp_path: Path, trusted: bool, host: str) -> None:
    authority = Authority(tmp_path)
    async with listening(authority.server("api.test")) as (port, _):
        pool = over_tls(authority.ca_file if trusted else None)
        with pytest.raises(UpstreamError, match="its certificate is not valid") as caught:
            await pool.send(Origin("https", host, port), GET, b"", TIMEOUTS)
        assert caught.value.reason == "upstream_unreachable"
        assert repr(pool) == "0 active, 0 idle"
        pool.close()


async def test_a_server_may_prove_an_address(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with listening(authority.server("127.0.0.1")) as (port, peers):
        pool = over_tls(authority.ca_file)
        call = asyncio.ensure_future(pool.send(Origin("https", "127.0.0.1", port), GET, b"", TIMEOUTS))
        peer = await peers.get()
        await peer.request()
        peer.send(OK)
        assert (await call).status == 200
        pool.close()
        await peer.gone()


async def test_a_server_that_speaks_no_tls_is_unreachable() -> None:
    async with listening() as (port, peers):
        pool = over_tls(None)
        call = asyncio.ensure_future(pool.send(Origin("https", "api.test", port), GET, b"", TIMEOUTS))
        peer = await peers.get()
        await peer.some()
        peer.send(OK)
        with pytest.raises(UpstreamError, match="TLS failed") as caught:
            await call
        assert caught.value.reason == "upstream_unreachable"
        peer.transport.abort()
        pool.close()


async def test_a_handshake_that_is_not_answered_ends_with_the_connect_deadline() -> None:
    clock = SetClock()
    async with listening() as (port, peers):
        pool = PooledUpstreams(clock, dial=dialer(["127.0.0.1"]).dial)
        call = asyncio.ensure_future(pool.send(Origin("https", "api.test", port), GET, b"", TIMEOUTS))
        peer = await peers.get()
        while not peer.received:
            await turns(1)
        clock.now += TIMEOUTS.connect + 1
        pool.tick()
        with pytest.raises(UpstreamError, match="no connection in 5 s") as caught:
            await call
        assert caught.value.reason == "upstream_unreachable"
        await peer.gone()
        assert repr(pool) == "0 active, 0 idle"
        pool.close()
