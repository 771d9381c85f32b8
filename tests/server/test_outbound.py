"""The outbound proxy of the settings: where it is, what is presented there, and a secret that is not set."""

from pathlib import Path

import pytest

from durward.calls.errors import GateError
from durward.calls.origin import Origin
from durward.config.settings import OutboundProxy
from durward.server.outbound import outbound_proxy

API = Origin("https", "api.test", 443)


def test_without_one_upstreams_are_reached_directly() -> None:
    assert outbound_proxy(None, {}) is None


def test_where_it_is_and_what_is_presented_there(tmp_path: Path) -> None:
    (tmp_path / "login").write_text("u:p\n", "utf-8")
    for login in ("${env:PROXY}", f"${{file:{tmp_path / 'login'}}}"):
        made = outbound_proxy(OutboundProxy("http://[::1]:3128", login, (".corp",)), {"PROXY": "u:p"})
        assert made is not None
        assert made.origin == Origin("http", "::1", 3128)
        assert b"Proxy-Authorization: Basic dTpw\r\n" in made.request(API)
        assert made.carries(API)
        assert not made.carries(Origin("https", "crm.corp", 443))
        assert not made.carries(Origin("http", "localhost", 80))


def test_a_secret_that_is_not_set_is_told_by_whoever_needs_it() -> None:
    made = outbound_proxy(OutboundProxy("http://proxy.corp:3128", "${env:PROXY}", loopback=True), {})
    assert made is not None
    assert made.carries(Origin("http", "localhost", 80))
    with pytest.raises(GateError, match="env:PROXY") as caught:
        made.request(API)
    assert caught.value.reason == "credential_missing"
