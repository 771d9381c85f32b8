"""Through an outbound proxy: which origins, what is said to it and what never, and how its failures are told."""

import asyncio
from pathlib import Path

import pytest

from durward.calls.errors import GateError, UpstreamError
from durward.calls.origin import Origin, Timeouts
from durward.upstreams.pool import PooledUpstreams
from durward.upstreams.proxying import OutboundProxy
from tests.upstreams.authority import Authority
from tests.upstreams.proxy import ConnectProxy, proxying
from tests.upstreams.scripted import GET, LIMIT, OK, TIMEOUTS, Peer, SetClock, turns
from tests.upstreams.test_dialing import dialer, listening

API = Origin("http", "api.test", 80)
PROXY = Origin("http", "proxy.test", 3128)


def through(proxy: ConnectProxy, ca_file: str | None = None, login: str | GateError = "") -> PooledUpstreams:
    """Upstreams behind a proxy that is known as proxy.test. Nothing else has an address here."""
    made = dialer(["127.0.0.1"], ca_file)
    scheme = proxy.url.partition(":")[0]
    made.go_through(OutboundProxy(Origin(scheme, "proxy.test", proxy.port), login))
    return PooledUpstreams(SetClock(), dial=made.dial)


async def answered(pool: PooledUpstreams, origin: Origin, peers: "asyncio.Queue[Peer]") -> Peer:
    call = asyncio.ensure_future(pool.send(origin, GET, b"", TIMEOUTS))
    peer = await peers.get()
    assert await peer.request(GET) == GET
    peer.send(OK)
    assert await (await call).whole(LIMIT) == b"ok"
    return peer


async def failure(pool: PooledUpstreams, origin: Origin = API) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await pool.send(origin, GET, b"", TIMEOUTS)
    assert caught.value.reason == "upstream_unreachable"
    pool.close()
    return caught.value


async def test_a_plain_origin_is_reached_through_a_tunnel_and_its_connection_is_used_again() -> None:
    with proxying("agent:s3cret") as proxy:
        async with listening() as (port, peers):
            pool = through(proxy, login="agent:s3cret")
            origin = Origin("http", "api.test", port)
            peer = await answered(pool, origin, peers)
            peers.put_nowait(peer)
            await answered(pool, origin, peers)
            assert (pool.counts.opened, pool.counts.reused) == (1, 1)
            pool.close()
            await peer.gone()
        head = f"CONNECT api.test:{port} HTTP/1.1\r\nHost: api.test:{port}\r\nProxy-Authorization: Basic YWdlbnQ6czNjcmV0\r\n\r\n"
        assert proxy.asked == [head]


@pytest.mark.parametrize("secure_proxy", [False, True])
async def test_tls_is_spoken_with_the_origin_itself(tmp_path: Path, secure_proxy: bool) -> None:
    authority = Authority(tmp_path)
    with proxying(tls=authority.server("proxy.test") if secure_proxy else None) as proxy:
        async with listening(authority.server("api.test")) as (port, peers):
            pool = through(proxy, authority.ca_file)
            peer = await answered(pool, Origin("https", "api.test", port), peers)
            assert peer.transport.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            pool.close()
            await peer.gone()


async def test_an_origin_that_cannot_prove_its_name_is_unreachable_behind_a_proxy_too(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with proxying() as proxy:
        async with listening(authority.server("other.test")) as (port, _):
            error = await failure(through(proxy, authority.ca_file), Origin("https", "api.test", port))
            assert "api.test" in error.message
            assert "certificate is not valid" in error.message
            await asyncio.to_thread(proxy.hung_up.wait, 10)
            assert proxy.hung_up.is_set()


async def test_a_proxy_that_cannot_prove_its_name_is_told_of_by_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with proxying(tls=authority.server("other.test")) as proxy:
        error = await failure(through(proxy, authority.ca_file))
        assert (
            f"the outbound proxy proxy.test:{proxy.port} does not answer (its certificate is not valid" in error.message
        )


REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nnever"


@pytest.mark.parametrize(
    "answer,login,said",
    [
        (REFUSED, "", "makes no connection to api.test:80: it answered 403"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 504 Late\r\n\r\n", "", "it answered 504"),
        (b"HTTP/1.1 407 Authenticate\r\n\r\n", "", "wants a credential (407)"),
        (b"HTTP/1.1 407 Authenticate\r\n\r\n", "u:s3cret", "does not take the credential (407)"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "", "sent something unasked"),
        (b"220 mail.test ESMTP\r\n\r\n", "", "did not answer as HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "", "did not answer as HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "", "did not answer as HTTP"),
    ],
)
async def test_a_proxy_that_makes_no_tunnel_is_told_of_by_name(answer: bytes, login: str, said: str) -> None:
    with proxying(answer=answer) as proxy:
        error = await failure(through(proxy, login=login))
        assert error.message.startswith(f"The outbound proxy proxy.test:{proxy.port} ")
        assert said in error.message
        assert "s3cret" not in error.message + error.remedy
        assert "outbound_proxy" in error.remedy
        await asyncio.to_thread(proxy.hung_up.wait, 10)
        assert proxy.hung_up.is_set(), "its connection is closed"


async def test_a_proxy_that_is_not_there_is_told_of_by_name() -> None:
    with proxying() as proxy:
        pass
    error = await failure(through(proxy))
    assert (
        f"api.test:80 could not be reached: the outbound proxy proxy.test:{proxy.port} does not answer" in error.message
    )


async def test_a_proxy_that_closes_at_once_is_told_of_by_name() -> None:
    async with listening() as (port, peers):
        made = dialer(["127.0.0.1"])
        made.go_through(OutboundProxy(Origin("http", "proxy.test", port)))
        call = asyncio.ensure_future(failure(PooledUpstreams(SetClock(), dial=made.dial)))
        peer = await peers.get()
        await peer.request(b"\r\n\r\n")
        peer.close()
        assert (await call).message == f"The outbound proxy proxy.test:{port} closed the connection."


async def test_a_proxy_that_keeps_silent_is_told_of_by_name_when_time_is_up() -> None:
    clock = SetClock()
    pool = PooledUpstreams(clock)
    async with listening() as (port, peers):
        pool.go_through(OutboundProxy(Origin("http", "127.0.0.1", port)))
        call = asyncio.ensure_future(pool.send(API, GET, b"", Timeouts(connect=2.0)))
        peer = await peers.get()
        clock.now += 3.0
        pool.tick()
        with pytest.raises(
            UpstreamError, match=rf"no connection through the outbound proxy 127\.0\.0\.1:{port} in 2 s"
        ):
            await call
        await peer.gone()
        pool.close()


async def test_a_caller_that_hangs_up_meanwhile_closes_the_connection_to_the_proxy() -> None:
    with proxying(answer=b"") as proxy:
        pool = through(proxy)
        call = asyncio.ensure_future(pool.send(API, GET, b"", TIMEOUTS))
        await asyncio.to_thread(proxy.heard.wait, 10)
        call.cancel()
        await turns(5)
        await asyncio.to_thread(proxy.hung_up.wait, 10)
        assert proxy.hung_up.is_set()
        pool.close()


async def test_a_login_that_is_not_there_stops_the_call_before_the_proxy_is_asked() -> None:
    missing = GateError("The credential env:PROXY is not set, or no header value.", reason="credential_missing")
    with proxying() as proxy:
        pool = through(proxy, login=missing)
        with pytest.raises(GateError, match="env:PROXY") as caught:
            await pool.send(API, GET, b"", TIMEOUTS)
        assert caught.value.reason == "credential_missing"
        assert proxy.asked == []
        pool.close()


async def test_another_proxy_holds_for_connections_that_are_opened_from_then_on() -> None:
    with proxying() as proxy:
        async with listening() as (port, peers):
            pool = PooledUpstreams(SetClock())
            origin = Origin("http", "127.0.0.1", port)
            first = await answered(pool, origin, peers)
            pool.go_through(OutboundProxy(Origin("http", "127.0.0.1", proxy.port), loopback=True))
            peers.put_nowait(first)
            await answered(pool, origin, peers)
            assert proxy.asked == []
            first.close()
            await first.gone()
            second = await answered(pool, origin, peers)
            assert len(proxy.asked) == 1
            pool.close()
            await second.gone()


async def test_metadata_is_not_asked_of_a_proxy_either() -> None:
    with proxying() as proxy:
        for host in ("169.254.169.254", "metadata.google.internal"):
            assert "metadata" in (await failure(through(proxy), Origin("http", host, 80))).message
        assert proxy.asked == []


@pytest.mark.parametrize(
    "host,carried",
    [
        ("api.openai.com", True),
        ("api.openai.com.", True),
        ("crm.corp", False),
        ("crm.corp.", False),
        ("more.crm.corp", True),
        ("a.internal", False),
        ("a.b.internal", False),
        ("internal", True),
        ("10.1.2.3", False),
        ("192.0.2.1", True),
        ("fd00::1", False),
        ("2001:db8::1", True),
        ("localhost", False),
        ("app.localhost", False),
        ("127.8.0.1", False),
        ("::1", False),
    ],
)
def test_which_origins_are_reached_through_it(host: str, carried: bool) -> None:
    exempt = ("crm.corp", ".internal", "10.0.0.0/8", "fd00::/8")
    assert OutboundProxy(PROXY, exempt=exempt).carries(Origin("https", host, 443)) is carried


@pytest.mark.parametrize("host", ["localhost", "app.localhost", "127.0.0.1", "::1"])
def test_this_machine_is_reached_through_it_where_that_is_asked_for(host: str) -> None:
    assert OutboundProxy(PROXY, loopback=True).carries(Origin("http", host, 80))


def test_what_it_is_asked() -> None:
    asked = OutboundProxy(PROXY, "user:p:w").request(Origin("https", "2001:db8::1", 443))
    assert asked == (
        b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\nProxy-Authorization: Basic dXNlcjpwOnc=\r\n\r\n"
    )
    assert b"Authorization" not in OutboundProxy(PROXY).request(Origin("https", "a", 443))


async def test_an_origin_that_breaks_tls_off_behind_the_tunnel_is_unreachable(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with proxying() as proxy:
        async with listening() as (port, peers):
            call = asyncio.ensure_future(failure(through(proxy, authority.ca_file), Origin("https", "api.test", port)))
            peer = await peers.get()
            peer.close()
            assert "api.test" in (await call).message
