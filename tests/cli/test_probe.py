"""Upstreams as `durward doctor` finds them: each way in which one can be out of reach, and what it costs to ask: nothing."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from durward.calls.errors import GateError
from durward.calls.origin import Origin
from durward.cli.checks import Finding
from durward.cli.probe import Way, probe
from durward.config.settings import Api, Credential, Provider
from durward.upstreams.proxying import OutboundProxy
from tests.upstreams.authority import Authority
from tests.upstreams.proxy import ConnectProxy, proxying

KEY = Credential(header="Authorization", template="Bearer ${env:KEY}")
ENVIRONMENT = {"KEY": "sk-secret"}


class Asked(list[str]):
    """The request lines that came, each with its credential."""


@contextmanager
def serving(status: int, date: str | None = None, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, Asked]]:
    asked = Asked()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path} {self.headers.get('Authorization', '')}".strip())
            self.send_response_only(status)
            if date is not None:
                self.send_header("Date", date)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def found(upstream: Provider | Api, ca_file: str | None = None, now: float = 1_800_000_000.0) -> list[Finding]:
    return found_on(Way(ca_file), upstream, now)


def found_on(way: Way, upstream: Provider | Api, now: float = 1_800_000_000.0) -> list[Finding]:
    findings = probe(upstream, ENVIRONMENT, way, lambda: now)
    assert all(finding.remedy for finding in findings if finding.verdict != "ok")
    assert "sk-secret" not in str(findings)
    return findings


def provider(port: int, credential: Credential | None = KEY, scheme: str = "http", host: str = "127.0.0.1") -> Provider:
    return Provider("one", "openai", f"{scheme}://{host}:{port}/v1", credential)


def test_a_provider_is_asked_for_its_models_and_an_api_for_its_head() -> None:
    with serving(200) as (port, asked):
        assert found(provider(port)) == [Finding("ok", "provider one", f"127.0.0.1:{port} answers (200)")]
        assert found(Api("crm", f"http://127.0.0.1:{port}/base", KEY))[0].verdict == "ok"
        assert found(Provider("g", "gemini", f"http://127.0.0.1:{port}"))[0].verdict == "ok"
    assert asked == [
        "GET /v1/models Bearer sk-secret",
        "HEAD /base Bearer sk-secret",
        "GET /v1beta/models?pageSize=1000",
    ]


@pytest.mark.parametrize(
    "status,credential,verdict,said",
    [
        (401, KEY, "fail", "refuses the credential (401)"),
        (403, KEY, "warn", "whether it takes the credential is not known"),
        (403, None, "ok", "wants a credential"),
        (401, None, "ok", "wants a credential"),
        (401, Credential(caller=True), "ok", "wants a credential"),
        (401, Credential(header="X-Key", template="${env:NOT_SET}"), "ok", "wants a credential"),
        (503, KEY, "warn", "answers with 503"),
        (404, KEY, "warn", "whether it takes the credential is not known"),
        (404, None, "ok", "answers (404)"),
    ],
)
def test_what_an_answer_means(status: int, credential: Credential | None, verdict: str, said: str) -> None:
    with serving(status) as (port, _):
        (finding,) = found(provider(port, credential))
    assert finding.verdict == verdict
    assert said in finding.said


def test_a_key_that_gemini_does_not_know_is_a_bad_request() -> None:
    with serving(400) as (port, _):
        (finding,) = found(Provider("g", "gemini", f"http://127.0.0.1:{port}", KEY))
    assert finding.verdict == "fail"


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(200) as (port, _), socket.create_server(("127.0.0.1", 0)) as once:
        dead = once.getsockname()
        once.close()
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in (dead, ("127.0.0.1", port))]
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: addresses)
        assert found(provider(port, host="one.example"))[0].verdict == "ok"


def test_a_name_that_is_none() -> None:
    (finding,) = found(provider(80, host="no-such-host.invalid"))
    assert finding.verdict == "fail"
    assert "no-such-host.invalid has no address" in finding.said


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    (finding,) = found(provider(port))
    assert finding.verdict == "fail"
    assert f"127.0.0.1:{port} cannot be reached: Connection refused" in finding.said


def test_what_answers_is_not_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def mumble() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 mail.example.com ESMTP\r\n")

        thread = threading.Thread(target=mumble)
        thread.start()
        (finding,) = found(provider(listener.getsockname()[1]))
        thread.join()
    assert finding.verdict == "fail"
    assert "does not answer as HTTP" in finding.said


def test_a_certificate_is_checked(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with serving(200, tls=authority.server("127.0.0.1")) as (port, _):
        (finding,) = found(provider(port, scheme="https"))
        assert finding.verdict == "fail"
        assert "is not valid" in finding.said
        assert found(provider(port, scheme="https"), authority.ca_file)[0].verdict == "ok"


@pytest.mark.parametrize(
    "date,seconds",
    [("Fri, 15 Jan 2027 08:00:00 GMT", 0), ("Fri, 15 Jan 2027 07:58:00 GMT", 120), ("yesterday", 0), (None, 0)],
)
def test_a_clock_that_goes_wrong_is_told(date: str | None, seconds: int) -> None:
    with serving(200, date) as (port, _):
        findings = found(provider(port))
    skews = [finding.said for finding in findings if finding.about == "clock"]
    assert skews == ([f"it differs from that of 127.0.0.1:{port} by {seconds} s"] if seconds else [])


# Through an outbound proxy.


def outbound(proxy: ConnectProxy, login: str | GateError = "") -> OutboundProxy:
    return OutboundProxy(Origin(proxy.url.partition(":")[0], "127.0.0.1", proxy.port), login)


def test_an_upstream_is_asked_through_the_outbound_proxy_over_tls_or_not(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with proxying("user:s3cret") as proxy:
        way = Way(authority.ca_file, outbound(proxy, "user:s3cret"))
        for scheme, tls in (("http", None), ("https", authority.server("api.test"))):
            with serving(200, tls=tls) as (port, asked):
                upstream = provider(port, host="api.test", scheme=scheme)
                assert found_on(way, upstream) == [Finding("ok", "provider one", f"api.test:{port} answers (200)")]
                assert asked == ["GET /v1/models Bearer sk-secret"]
                assert proxy.asked[-1].startswith(f"CONNECT api.test:{port} ")
        with serving(200, tls=authority.server("other.test")) as (port, _):
            (finding,) = found_on(way, provider(port, host="api.test", scheme="https"))
            assert f"the certificate of api.test:{port} is not valid" in finding.said


def test_what_is_wrong_with_the_outbound_proxy_is_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    missing = GateError("The credential env:PROXY is not set.", reason="credential_missing")
    for answer, login, said in (
        (b"HTTP/1.1 407 Who?\r\n\r\n", "", "wants a credential (407)"),
        (b"HTTP/1.1 403 No\r\n\r\n", "", "makes no connection to api.test:80: it answered 403"),
        (b"nonsense\r\n\r\n", "", "does not answer as HTTP"),
        (None, missing, "env:PROXY is not set"),
    ):
        with proxying(answer=answer) as proxy:
            (finding,) = found_on(Way(None, outbound(proxy, login)), provider(80, host="api.test"))
            assert (finding.verdict, said in finding.said) == ("fail", True), finding
    with proxying() as proxy:
        pass
    (finding,) = found_on(Way(None, outbound(proxy)), provider(80, host="api.test"))
    assert f"api.test:80, through the outbound proxy 127.0.0.1:{proxy.port}, cannot be reached" in finding.said
    with proxying(tls=authority.server("127.0.0.1")) as proxy, serving(200) as (port, _):
        (finding,) = found_on(Way(authority.ca_file, outbound(proxy)), provider(port, host="api.test"))
        assert (finding.verdict, "no further look" in finding.said) == ("ok", True)
