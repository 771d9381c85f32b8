"""TLS towards upstreams: what is required of them."""

import ssl
from pathlib import Path

import pytest

from durward.upstreams.tls import upstream_tls
from tests.upstreams.authority import Authority


def test_the_other_side_is_always_checked() -> None:
    context = upstream_tls(None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_an_authority_of_the_operators_comes_besides_the_systems(tmp_path: Path) -> None:
    system = upstream_tls(None).cert_store_stats()["x509_ca"]
    assert upstream_tls(Authority(tmp_path).ca_file).cert_store_stats()["x509_ca"] == system + 1


def test_an_authority_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        upstream_tls(str(tmp_path / "none.pem"))
