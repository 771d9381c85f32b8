"""A gate that speaks TLS, behind a proxy and in front of one, with the official SDKs: httpx2 is their TLS, and asks for HTTP/1.1."""

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from anthropic import Anthropic
from openai import APIConnectionError, OpenAI

from durward.protocols.proxy_protocol import SIGNATURE
from tests.clients.gate import CREDENTIAL, Gate, gate
from tests.clients.upstream import Upstream
from tests.server.running import SECONDS, until
from tests.upstreams.authority import Authority
from tests.upstreams.proxy import ConnectProxy, proxying

LOGIN = "agents:s3cret-of-the-proxy"
MESSAGES: Any = [{"role": "user", "content": "Hello!"}]


class House(NamedTuple):
    gate: Gate
    authority: Authority
    proxy: ConnectProxy
    cert: Path
    key: Path
    file: Path

    def client(self) -> httpx2.Client:
        return httpx2.Client(verify=self.authority.client())

    def connected(self) -> ssl.SSLSocket:
        opened = socket.create_connection(("127.0.0.1", self.gate.port), SECONDS)
        return self.authority.client().wrap_socket(opened, server_hostname="127.0.0.1")

    def serial(self) -> str:
        """Of the certificate that a new connection is shown."""
        with self.connected() as opened:
            shown = opened.getpeercert()
        assert shown is not None
        return str(shown["serialNumber"])

    def load(self) -> None:
        """Have the configuration loaded now, and not in a second."""
        os.kill(self.gate.running.pid, signal.SIGHUP)

    def log(self) -> str:
        return self.gate.running.log.read_text()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, own: Upstream) -> Iterator[House]:
    """Its upstreams have no address but through the proxy."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    cert, key = authority.pair("127.0.0.1", name="gate", days=90)
    (folder / "login").touch(0o600)
    (folder / "login").write_text(LOGIN)
    providers = {
        wire: {"protocol": wire, "base_url": f"http://{wire}.test:{own.port}", "credential": "env:UPSTREAM_CREDENTIAL"}
        for wire in ("openai", "anthropic")
    }
    with proxying(LOGIN) as proxy:
        configuration: dict[str, Any] = {
            "listen": {
                "address": "127.0.0.1:0",
                "tls": {"cert": "gate.pem", "key": "file:gate.key"},
                "trusted_proxies": ["127.0.0.0/8"],
            },
            "outbound_proxy": {"url": proxy.url, "credential": "file:login"},
            "providers": providers,
        }
        with gate(folder, configuration) as running:
            yield House(running, authority, proxy, cert, key, folder / "durward.yaml")


def test_a_proxy_in_front_tells_where_refused_callers_come_from(house: House) -> None:
    packed = socket.inet_aton("192.0.2.7") * 2 + struct.pack("!HH", 1, 2)
    opened = socket.create_connection(("127.0.0.1", house.gate.port), SECONDS)
    opened.sendall(SIGNATURE + struct.pack("!BBH", 0x21, 0x11, len(packed)) + packed)
    with house.authority.client().wrap_socket(opened, server_hostname="127.0.0.1") as secured:
        secured.sendall(b"GET /v1/models HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer dw_nobody\r\n\r\n")
        assert secured.recv(65536).startswith(b"HTTP/1.1 401 ")
    # Told at once, as the first refusal of this gate; of later ones only within a minute.
    assert "key_unknown 1 (last from 192.0.2.7)" in house.log()


def test_sdks_over_tls_through_the_outbound_proxy(house: House, own: Upstream) -> None:
    gate = house.gate
    assert gate.root.startswith("https://")
    with house.client() as client, gate.recording() as records:
        openai = OpenAI(base_url=f"{gate.root}/v1", api_key=gate.key, http_client=client)
        plain = openai.chat.completions.create(model="golden-openai-text", messages=MESSAGES)
        assert plain.choices[0].message.content
        streamed = openai.chat.completions.create(model="golden-openai-gate_asked", messages=MESSAGES, stream=True)
        assert any(chunk.choices and chunk.choices[0].delta.content for chunk in streamed)
        anthropic = Anthropic(base_url=gate.root, api_key=gate.key, http_client=client)
        with anthropic.messages.stream(model="golden-anthropic-text", max_tokens=10, messages=MESSAGES) as stream:
            assert "".join(stream.text_stream)
    assert [record["outcome"] for record in records] == ["ok"] * 3
    assert all(record["cost_nano"] for record in records)
    hosts = [head.split(" ")[1] for head in house.proxy.asked]
    assert {f"openai.test:{own.port}", f"anthropic.test:{own.port}"} == set(hosts)


def test_an_unmodified_client_trusts_the_authority_of_the_environment(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", house.authority.ca_file)
    with OpenAI(base_url=f"{house.gate.root}/v1", api_key=house.gate.key) as openai:
        assert openai.chat.completions.create(model="golden-openai-text", messages=MESSAGES).id
    monkeypatch.delenv("SSL_CERT_FILE")
    with (
        OpenAI(base_url=f"{house.gate.root}/v1", api_key=house.gate.key, max_retries=0) as openai,
        pytest.raises(APIConnectionError),
    ):
        openai.models.list()


def test_the_proxys_credential_goes_to_the_proxy_alone(house: House, own: Upstream) -> None:
    with house.client() as client:
        body = {"model": "golden-openai-text", "messages": MESSAGES}
        client.post(f"{house.gate.root}/v1/chat/completions", json=body, headers={"Durward-Key": house.gate.key})
    assert own.asked[-1].fields["authorization"] == f"Bearer {CREDENTIAL}"
    for asked in own.asked:
        assert not [name for name in asked.fields if name.startswith("proxy-")]
    assert CREDENTIAL not in "".join(house.proxy.asked), "and the origin's own not to the proxy"
    written = house.log() + json.dumps(list(house.gate.records().values()))
    assert "s3cret-of-the-proxy" not in written


def test_a_proxy_that_refuses_is_told_as_an_upstream_that_cannot_be_reached(house: House) -> None:
    house.proxy.answer = b"HTTP/1.1 403 Forbidden\r\n\r\n"
    try:
        with house.client() as client, house.gate.recording() as records:
            # A provider that no connection is open to any more: those that idle are closed within seconds.
            body = {"model": "anthropic/claude-x", "max_tokens": 5, "messages": MESSAGES}
            head = {"Durward-Key": house.gate.key, "anthropic-version": "2023-06-01"}

            def refused() -> str:
                answer = client.post(f"{house.gate.root}/v1/messages", json=body, headers=head)
                return answer.text if answer.status_code == 502 else ""

            told = until(refused, "a connection that has to be opened")
        assert f"outbound proxy 127.0.0.1:{house.proxy.port} makes no connection" in told
        assert records[-1]["reason"] == "upstream_unreachable"
    finally:
        house.proxy.answer = None


def test_plain_http_is_closed_and_the_gate_goes_on(house: House) -> None:
    with socket.create_connection(("127.0.0.1", house.gate.port), SECONDS) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP" not in plain.recv(65536)
    with house.client() as client:
        assert client.get(f"{house.gate.root}/healthz").status_code == 200


def test_a_renewed_certificate_is_taken_over_and_a_broken_one_is_not(house: House) -> None:
    first = house.serial()
    with house.client() as client:
        assert client.get(f"{house.gate.root}/healthz").status_code == 200

        house.authority.pair("127.0.0.1", name="gate", days=90)
        second = until(lambda: serial if (serial := house.serial()) != first else "", "the new certificate")
        # The connection of the old one still serves.
        assert client.get(f"{house.gate.root}/healthz").status_code == 200

    _, other = house.authority.pair("127.0.0.1", name="other")
    good = house.key.read_bytes()
    house.key.write_bytes(other.read_bytes())
    house.load()
    until(lambda: "this private key does not belong to the certificate" in house.log(), "what is wrong with it")
    assert house.serial() == second
    told = house.gate.running.command("doctor")
    assert "this private key does not belong to the certificate" in told.stdout + told.stderr
    house.key.write_bytes(good)
    house.load()
    until(lambda: house.gate.running.status()["refused"] == "", "the key as it was")
    assert house.serial() == second


def test_commands_speak_of_https_and_go_the_same_way(house: House) -> None:
    running = house.gate.running
    told = running.command("doctor").stdout
    assert f"Durward runs: pid {running.pid}, https://127.0.0.1:{house.gate.port}" in told
    assert f"ok    listen: the certificate {house.cert} holds" in told
    assert "credential of the outbound proxy: is there" in told
    made = running.command("agent", "add", "another")
    assert f"OPENAI_BASE_URL=https://127.0.0.1:{house.gate.port}/v1" in made.stdout + made.stderr


def test_callers_may_be_asked_for_a_certificate_without_a_restart(house: House) -> None:
    before = house.file.read_text()
    written = json.loads(before)
    written["listen"]["tls"]["client_ca"] = "ca.pem"
    house.file.write_text(json.dumps(written))
    house.load()

    def shut_out() -> bool:
        connection = http.client.HTTPSConnection("127.0.0.1", house.gate.port, context=house.authority.client())
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            return False
        return True

    until(shut_out, "a caller without a certificate")
    own = house.authority.client(house.authority.pair("agent.test"))
    with httpx2.Client(verify=own) as client:
        assert client.get(f"{house.gate.root}/healthz").status_code == 200
    house.file.write_text(before)
    house.load()
    until(lambda: not shut_out(), "callers without a certificate again")
