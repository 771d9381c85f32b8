"""Where a forwarded request comes from: the nearest address that no trusted proxy has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.protocols.forwarded import HOPS, TrustedProxies, read_address

PROXY = "10.0.0.1"
TRUSTED = TrustedProxies(["10.0.0.0/8", "fd00::/8"])


def caller(*lines: str) -> str:
    head = "\r\n".join(["GET / HTTP/1.1", "Host: gate", *lines, "", ""]).encode("latin-1")
    behind = b"X-Forwarded-For: 198.51.100.1\r\n\r\n"
    return TRUSTED.caller(PROXY, head + behind, len(head))


@pytest.mark.parametrize(
    "lines,expected",
    [
        ([], PROXY),
        (["X-Forwarded-For: 192.0.2.7"], "192.0.2.7"),
        (["x-forwarded-for:192.0.2.7"], "192.0.2.7"),
        # Anybody may have written what stands before the nearest address that is nobody's whom we trust.
        (["X-Forwarded-For: 203.0.113.9, 192.0.2.7"], "192.0.2.7"),
        (["X-Forwarded-For: 203.0.113.9, 192.0.2.7, 10.1.2.3, 10.0.0.2"], "192.0.2.7"),
        (["X-Forwarded-For: 203.0.113.9", "Accept: a", "X-Forwarded-For: 192.0.2.7"], "192.0.2.7"),
        (["X-Forwarded-For: 10.1.2.3"], "10.1.2.3"),
        (["X-Forwarded-For: 192.0.2.7:4242"], "192.0.2.7"),
        (["X-Forwarded-For: [2001:db8::7]:4242"], "2001:db8::7"),
        (["X-Forwarded-For: 2001:DB8:0::7"], "2001:db8::7"),
        (["X-Forwarded-For: ::ffff:192.0.2.7"], "192.0.2.7"),
        (["X-Forwarded-For: 192.0.2.7, unknown"], PROXY),
        (["X-Forwarded-For: 192.0.2.7, nonsense, 10.0.0.9"], "10.0.0.9"),
        (["X-Forwarded-For:"], PROXY),
        (["X-Forwarded-For: 192.0.2.7,"], PROXY),
        (["Forwarded: for=192.0.2.7;proto=https;by=10.0.0.1"], "192.0.2.7"),
        (["Forwarded: proto=https; For=192.0.2.7"], "192.0.2.7"),
        (['Forwarded: for=203.0.113.9, for="[2001:db8::7]:47", for=10.0.0.3'], "2001:db8::7"),
        (["Forwarded: for=203.0.113.9", "Forwarded: for=192.0.2.7"], "192.0.2.7"),
        (["Forwarded: for=_hidden"], PROXY),
        (["Forwarded: proto=https"], PROXY),
        (["Forwarded: for=192.0.2.7;for=192.0.2.8"], PROXY),
        (['Forwarded: for="203.0.113.9, for=192.0.2.7'], PROXY),
        (['Forwarded: by="a,b;for=203.0.113.9";for=192.0.2.7'], "192.0.2.7"),
        (['Forwarded: by="a\\",for=203.0.113.9;";for=192.0.2.7'], "192.0.2.7"),
        # One of the two is the caller's own where they differ.
        (["Forwarded: for=203.0.113.9", "X-Forwarded-For: 192.0.2.7"], PROXY),
        (["Forwarded: for=192.0.2.7", "X-Forwarded-For: 203.0.113.9, 192.0.2.7"], "192.0.2.7"),
        (["X-Forwarded-For-More: 192.0.2.7", "More-X-Forwarded-For: 192.0.2.7"], PROXY),
    ],
)
def test_the_nearest_address_that_no_trusted_proxy_has(lines: list[str], expected: str) -> None:
    assert caller(*lines) == expected


def test_proxies_in_a_row_are_followed_within_a_bound() -> None:
    row = ", ".join(["192.0.2.7"] + ["10.0.0.5"] * (HOPS - 1))
    assert caller(f"X-Forwarded-For: {row}") == "192.0.2.7"
    assert caller(f"X-Forwarded-For: {row}, 10.0.0.5") == "10.0.0.5"


@given(
    st.lists(st.sampled_from(['"', "\\", ",", ";", "for=", "192.0.2.7", "10.0.0.1", "a", " ", "="]), max_size=30).map(
        "".join
    )
)
def test_whatever_a_caller_wrote_before_does_not_change_what_the_proxy_said(written: str) -> None:
    assert caller(f"X-Forwarded-For: {written}, 198.51.100.4") == "198.51.100.4"
    # Quotes that are left open take in what follows; then nothing is believed.
    assert caller(f"Forwarded: {written}, for=198.51.100.4") in ("198.51.100.4", PROXY)


@given(st.ip_addresses())
def test_any_address_reads_as_itself(address: object) -> None:
    read = read_address(str(address))
    assert read == (getattr(address, "ipv4_mapped", None) or address)


@pytest.mark.parametrize(
    "text", ["", "a", "1.2.3", "1.2.3.4.5", "[1.2.3.4", "1.2.3.4:x", "::1]", "1.2.3.4 5", "[::1]x", "999.1.1.1"]
)
def test_what_is_no_address(text: str) -> None:
    assert read_address(text) is None


def test_whom_it_trusts() -> None:
    assert TRUSTED.trusts("10.255.0.1")
    assert TRUSTED.trusts("::ffff:10.0.0.1"), "as a listener on [::] sees it"
    assert TRUSTED.trusts("fd12::1%eth0")
    assert not TRUSTED.trusts("192.0.2.1")
    assert not TRUSTED.trusts("")
