"""TLS on the listener, as any client meets it: what is offered, and which files make none."""

import ssl
from pathlib import Path

import pytest

from durward.calls.errors import GateError
from durward.config.settings import Tls
from durward.server.tls import listener_tls
from tests.upstreams.authority import Authority


class Hands:
    """A client and the listener's TLS that shake hands in memory."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(down, up, server_hostname="gate.test")
        self.server = server.wrap_bio(up, down, server_side=True)

    def shake(self) -> "Hands":
        for _ in range(4):
            for side in (self.client, self.server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        return self


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def files(authority: Authority, client_ca: str = "") -> Tls:
    cert, key = authority.pair("gate.test")
    return Tls(str(cert), str(key), client_ca)


def test_1_3_is_spoken_with_whoever_can_and_1_2_with_forward_secrecy(authority: Authority) -> None:
    server = listener_tls(files(authority))
    assert Hands(server, authority.client()).shake().server.version() == "TLSv1.3"
    older = authority.client()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    shaken = Hands(server, older).shake().server
    cipher = shaken.cipher()
    assert (shaken.version(), cipher is not None and cipher[0].startswith("ECDHE-")) == ("TLSv1.2", True)
    assert not any("CBC" in each["name"] or "SHA1" in each["name"] for each in server.get_ciphers())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_older_versions_and_ciphers_without_forward_secrecy_are_not_spoken(authority: Authority) -> None:
    server = listener_tls(files(authority))
    for version, ciphers in (
        (ssl.TLSVersion.TLSv1_1, "DEFAULT@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256"),
    ):
        client = authority.client()
        client.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        client.maximum_version = version
        client.set_ciphers(ciphers)
        with pytest.raises(ssl.SSLError):
            Hands(server, client).shake()


def test_http_1_1_is_the_only_protocol(authority: Authority) -> None:
    server = listener_tls(files(authority))
    for offered, taken in ((["h2", "http/1.1"], "http/1.1"), (["h2"], None), ([], None)):
        client = authority.client()
        if offered:
            client.set_alpn_protocols(offered)
        assert Hands(server, client).shake().client.selected_alpn_protocol() == taken


def test_with_client_ca_who_shows_no_certificate_of_it_is_refused(authority: Authority, tmp_path: Path) -> None:
    server = listener_tls(files(authority, authority.ca_file))
    own = authority.pair("agent.test")
    shaken = Hands(server, authority.client(own)).shake().server
    assert shaken.getpeercert()
    (tmp_path / "others").mkdir()
    stranger = Authority(tmp_path / "others").pair("agent.test")
    for client in (authority.client(), authority.client(stranger)):
        with pytest.raises(ssl.SSLError, match="certificate"):
            Hands(server, client).shake()


def test_files_that_changed_since_they_were_checked_are_told(authority: Authority) -> None:
    tls = files(authority)
    _, other = authority.pair("other.test")
    for wrong in (
        Tls(tls.cert, str(other)),
        Tls("/nowhere.pem", tls.key),
        Tls(tls.cert, tls.cert),
        Tls(tls.cert, tls.key, "/nowhere.pem"),
        Tls(tls.cert, tls.key, tls.key),
    ):
        with pytest.raises(GateError, match="TLS cannot be spoken with") as caught:
            listener_tls(wrong)
        assert caught.value.remedy == "`durward check` says what is wrong with them."
