"""Where the gate listens, and where it may send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.config.mistakes import Wrong
from durward.config.places import (
    METADATA_NETWORKS,
    base_url,
    direct,
    is_loopback,
    listen,
    listener,
    network,
    outbound_proxy,
    proxy_url,
)


@pytest.mark.parametrize(
    "value,read",
    [
        ("127.0.0.1:7300", "127.0.0.1:7300"),
        ("localhost:0", "localhost:0"),
        ("[::1]:7300", "[::1]:7300"),
        ("0.0.0.0:07300", "0.0.0.0:7300"),
        ("Gate.internal:65535", "gate.internal:65535"),
    ],
)
def test_listen(value: str, read: str) -> None:
    assert listen(value) == read


@pytest.mark.parametrize(
    "value",
    [
        "",
        "7300",
        7300,
        ":7300",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "::1:7300",
        "[::g]:1",
        "[1.2.3.4]:1",
        "a b:1",
        None,
    ],
)
def test_what_is_no_listen_address(value: object) -> None:
    with pytest.raises(Wrong):
        listen(value)


def test_a_listener_may_be_its_address_alone_and_no_list_yet() -> None:
    assert listener("127.0.0.1:1") == {"address": "127.0.0.1:1"}
    assert listener({"tls": 1}) == {"tls": 1}
    with pytest.raises(Wrong, match="not in this version"):
        listener(["127.0.0.1:1"])


@pytest.mark.parametrize(
    "value,read",
    [
        ("10.0.0.7", "10.0.0.7/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("FD00::/8", "fd00::/8"),
        ("::1", "::1/128"),
    ],
)
def test_networks(value: str, read: str) -> None:
    assert network(value) == read


@pytest.mark.parametrize(
    "value", ["", "10.0.0", "10.0.0.0/33", "proxy.internal", "fe80::1%eth0/64x", 10, None, ["10.0.0.7"]]
)
def test_what_is_no_network(value: object) -> None:
    with pytest.raises(Wrong, match="neither an address nor a network"):
        network(value)


def test_a_network_with_bits_behind_its_prefix_is_told_which_one_is_meant() -> None:
    with pytest.raises(Wrong) as caught:
        network("10.1.2.3/8")
    assert caught.value.hint == "Did you mean 10.0.0.0/8?"


@pytest.mark.parametrize(
    "value,read",
    [
        ("http://Proxy.Corp:3128", "http://proxy.corp:3128"),
        ("https://10.0.0.1:443/", "https://10.0.0.1:443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_urls_of_proxies(value: str, read: str) -> None:
    assert proxy_url(value) == read
    assert outbound_proxy(value) == {"url": value}
    assert outbound_proxy({"url": value}) == {"url": value}


@pytest.mark.parametrize(
    "value,why",
    [
        ("http://proxy.corp", "port"),
        ("http://user:secret@proxy.corp:3128", "no user or password"),
        ("socks5://proxy.corp:1080", "begins with"),
        ("http://proxy.corp:3128/pac", "ends with its port"),
        ("http://proxy.corp:3128?x", "ends with its port"),
        ("http://169.254.169.254:80", "metadata"),
        ("http://:3128", "host"),
        (3128, "not the URL"),
    ],
)
def test_what_is_no_url_of_a_proxy(value: object, why: str) -> None:
    with pytest.raises(Wrong, match=why) as caught:
        proxy_url(value)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "value,read",
    [
        ("CRM.internal", "crm.internal"),
        (".Internal", ".internal"),
        ("10.0.0.7", "10.0.0.7/32"),
        ("[::1]", "::1/128"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_what_is_reached_directly(value: str, read: str) -> None:
    assert direct(value) == read


@pytest.mark.parametrize("value", ["", ".", "*.internal", "a b", "http://crm.internal", 7, None])
def test_what_says_nothing_that_is_reached_directly(value: object) -> None:
    with pytest.raises(Wrong):
        direct(value)


@pytest.mark.parametrize(
    "address,loopback",
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("h:1", False),
    ],
)
def test_loopback(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


@pytest.mark.parametrize(
    "value,read",
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("HTTPS://API.OpenAI.com/v1/", "https://api.openai.com/v1"),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://ollama_1:80/", "http://ollama_1:80"),
        ("https://h/a%20b/~x", "https://h/a%20b/~x"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://h./x", "https://h./x"),
    ],
)
def test_base_urls(value: str, read: str) -> None:
    assert base_url(value) == read
    assert base_url(read) == read


@pytest.mark.parametrize(
    "value",
    [
        "",
        "api.openai.com",
        "ftp://h",
        "//h",
        "https://",
        "https:///v1",
        "https://:80",
        "https://h:",
        "https://h:0",
        "https://h:99999",
        "https://h:x",
        "https://user@h",
        "https://user:pw@h",
        "https://h?x=1",
        "https://h?",
        "https://h/#f",
        "https://h/a b",
        "https://h/\\x",
        "https://h\n",
        "https://-h",
        "https://h-",
        "https://a..b",
        "https://münchen.de",
        "https://[::1",
        "https://[1.2.3.4]",
        "https://[fe80::1%25eth0]",
        "https://h/../x",
        "https://h/./x",
        "https://h/%zz",
        "https://h/{x}",
        5,
        None,
    ],
)
def test_what_is_no_base_url(value: object) -> None:
    with pytest.raises(Wrong):
        base_url(value)


@pytest.mark.parametrize("value", ["https://user:hunter2@h/v1", "https://h/v1?key=hunter2", "ht tp://hunter2"])
def test_what_a_bad_url_holds_is_never_repeated(value: str) -> None:
    with pytest.raises(Wrong) as caught:
        base_url(value)
    assert "hunter2" not in caught.value.message + caught.value.hint


METADATA = [
    *("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    *("metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data.ec2.internal"),
    *("[fd00:ec2::254]", "[fe80::1]", "[::ffff:169.254.169.254]", "[::169.254.169.254]", "[64:ff9b::a9fe:a9fe]"),
]
OLD_FORMS = [
    "2852039166",
    "0xA9FEA9FE",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.16689662",
    "127.1",
    "0x7f000001",
]


@pytest.mark.parametrize("host", METADATA)
def test_cloud_metadata_is_never_called(host: str) -> None:
    with pytest.raises(Wrong, match="metadata"):
        base_url(f"http://{host}/latest")


@pytest.mark.parametrize("host", OLD_FORMS)
def test_addresses_are_written_plainly(host: str) -> None:
    with pytest.raises(Wrong, match="plainly"):
        base_url(f"http://{host}/")


@given(
    st.sampled_from(METADATA_NETWORKS[:1]).flatmap(
        lambda network: st.integers(0, network.num_addresses - 1).map(lambda at: network[at])
    )
)
def test_no_link_local_address_in_any_form(address: object) -> None:
    for host in (str(address), f"[::ffff:{address}]", f"[64:ff9b::{address}]"):
        with pytest.raises(Wrong, match="metadata"):
            base_url(f"http://{host}")
