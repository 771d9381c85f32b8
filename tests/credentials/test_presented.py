"""A credential goes to its own origin or nowhere; the caller's own login needs its own carrier."""

import pytest

from durward.calls.errors import GateError
from durward.calls.origin import Origin
from durward.config.settings import Credential
from durward.credentials.presented import Presented

HERE = Origin("https", "api.example.com", 443)
OURS = Credential(header="Authorization", template="Bearer ${env:TOKEN}")


def test_nothing_is_presented_where_nothing_is_configured() -> None:
    assert Presented(None, HERE, {}).lines(HERE, {b"authorization": b"Bearer agent"}) == b""


def test_our_own_line_replaces_whatever_the_caller_sent() -> None:
    presented = Presented(OURS, HERE, {"TOKEN": "t"})
    assert presented.lines(HERE, {b"authorization": b"Bearer agent"}) == b"Authorization: Bearer t\r\n"


@pytest.mark.parametrize(
    "elsewhere",
    [
        Origin("http", "api.example.com", 443),
        Origin("https", "api.example.com.evil.example", 443),
        Origin("https", "api.example.com", 8443),
    ],
)
def test_another_origin_raises_before_anything_is_sent(elsewhere: Origin) -> None:
    with pytest.raises(GateError):
        Presented(OURS, HERE, {"TOKEN": "t"}).lines(elsewhere, {})


def test_a_missing_credential_is_an_error_of_each_call_not_of_the_start() -> None:
    presented = Presented(OURS, HERE, {})
    with pytest.raises(GateError) as caught:
        presented.lines(HERE, {})
    assert caught.value.reason == "credential_missing"


def test_the_callers_login_passes_on_only_beside_durward_key() -> None:
    presented = Presented(Credential(caller=True), HERE, {})
    fields = {b"durward-key": b"dw_agent", b"authorization": b"Bearer login", b"x-api-key": b"sk"}
    assert presented.lines(HERE, fields) == b"authorization: Bearer login\r\nx-api-key: sk\r\n"
    with pytest.raises(GateError) as caught:
        presented.lines(HERE, {b"authorization": b"Bearer dw_agent"})
    assert caught.value.reason == "credential_missing"
