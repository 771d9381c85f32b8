"""Certificates and keys that the file names: what cannot be used is told before anybody listens."""

import datetime as dt
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from durward.config.certificates import certificate_doubts, certificate_mistakes, said_of_time
from durward.config.load import compose
from durward.config.mistakes import Mistake, Source
from durward.config.nodes import Node
from durward.config.settings import Tls
from tests.upstreams.authority import NOW, Authority


def parsed(text: str) -> Node:
    root = compose(Source("durward.yaml", text), text)
    assert root is not None
    return root


def pair(cert: object, key: object, client_ca: object = "") -> str:
    third = f", client_ca: {client_ca}" if client_ca else ""
    return f"listen: {{tls: {{cert: {cert}, key: {key}{third}}}}}"


def found(folder: Path, text: str) -> list[str]:
    """Column and message of every mistake."""
    return [f"{each.span.column}: {each.message}" for each in certificate_mistakes(parsed(text), folder) if each.span]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_what_can_be_used_is_no_mistake(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.pair("gate.test")
    for written in (key.name, f"file:{key.name}", str(key)):
        assert not found(tmp_path, f"ca_file: ca.pem\n{pair(cert.name, written, 'ca.pem')}")
    # One file may hold both.
    (tmp_path / "both.pem").write_bytes(key.read_bytes() + cert.read_bytes())
    assert not found(tmp_path, pair("both.pem", "both.pem"))
    assert not found(tmp_path, "listen: 127.0.0.1:1")
    assert not found(tmp_path, "listen: {tls: {cert: 1, key: [x]}}"), "the schema says what is wrong"


def test_what_cannot_be_used_is_told_at_its_place(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.pair("gate.test")
    _, other = authority.pair("other.test")
    (tmp_path / "cut.pem").write_bytes(cert.read_bytes()[:200])
    (tmp_path / "cut.key").write_bytes(key.read_bytes()[:100] + b"\n-----END PRIVATE KEY-----\n")
    for text, expected in (
        (pair("no.pem", "no.key", "no.ca"), ["53: no", "21: no", "34: no"]),
        (pair(key.name, key.name), ["21: there is no certificate in this file"]),
        (pair(cert.name, cert.name), ["41: there is no private key in this file"]),
        (pair("cut.pem", key.name), ["21: the certificates of this file cannot be read"]),
        (pair(cert.name, "cut.key"), ["41: the private key of this file cannot be read"]),
        (pair(cert.name, other.name), ["41: this private key does not belong to the certificate"]),
        (pair(cert.name, key.name, key.name), ["67: there is no certificate in this file"]),
        ("ca_file: cut.pem", ["9: the certificates of this file cannot be read"]),
        (f"ca_file: {tmp_path}", ["9: this file cannot be read"]),
    ):
        told = found(tmp_path, text)
        assert len(told) == len(expected), told
        for line, wanted in zip(told, expected, strict=True):
            column, _, words = wanted.partition(": ")
            assert line.startswith(f"{column}: this file cannot be read: No" if words == "no" else wanted), told


def test_a_key_with_a_passphrase_is_never_asked_for_it(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.pair("gate.test")
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
        key.write_bytes(
            private.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"secret"))
        )
        assert found(tmp_path, pair(cert.name, key.name)) == ["41: this private key has a passphrase"]


def test_a_key_that_openssl_takes_for_too_weak_is_a_mistake(authority: Authority, tmp_path: Path) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    cert, key = authority.pair("gate.test", private=weak)
    assert found(tmp_path, pair(cert.name, key.name)) == [
        "21: TLS cannot be spoken with this certificate: EE_KEY_TOO_SMALL"
    ]


def test_a_key_that_was_written_into_the_file_is_not_looked_for(authority: Authority, tmp_path: Path) -> None:
    cert, _ = authority.pair("gate.test")
    assert not found(tmp_path, pair(cert.name, '"-----BEGIN PRIVATE KEY-----"'))


def doubts(cert: Path, key: Path, now: dt.datetime) -> list[Mistake]:
    return list(certificate_doubts(parsed(pair(cert, key)), Tls(str(cert), str(key)), now))


def test_a_certificate_is_doubted_by_its_time(authority: Authority) -> None:
    cert, key = authority.pair("gate.test", days=90)
    day = dt.timedelta(days=1)
    assert not doubts(cert, key, NOW)
    for now, said in (
        (NOW - 2 * day, "does not hold before"),
        (NOW + 80 * day, "expires on"),
        (NOW + 91 * day, "has expired on"),
    ):
        (doubt,) = doubts(cert, key, now)
        assert doubt.message.startswith(f"the certificate {said} ")
        assert doubt.span is not None
        assert said_of_time(cert, now) == doubt.message.removeprefix("the certificate ")


def test_a_key_that_everybody_may_read_is_doubted(authority: Authority) -> None:
    cert, key = authority.pair("gate.test", days=90)
    key.chmod(0o644)
    assert [doubt.message for doubt in doubts(cert, key, NOW)] == [
        "everybody on this machine may read this private key"
    ]
