"""Signed heads: made with a key of the data directory, checked with what they name."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from durward.calls.errors import GateError
from durward.records.heads import PRIVATE, PUBLIC, Head, Signer, holds, load_signer, public_key, signed_bytes


def head(signer: Signer, **changed: str | int) -> Head:
    members: dict[str, str | int] = {
        "writer": "host-1",
        "seq": 7,
        "hash": "ab" * 32,
        "time": "2026-11-21T07:43:12.000Z",
    }
    message = signed_bytes("host-1", 7, "ab" * 32, "2026-11-21T07:43:12.000Z")
    signed = members | {"v": 1, "key": signer.public, "signature": signer.sign(message)} | changed
    return Head(**signed)  # type: ignore[arg-type]


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = load_signer(tmp_path)
    assert load_signer(tmp_path).public == first.public == public_key(tmp_path)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {
        PRIVATE: 0o600,
        PUBLIC: 0o600,
    }


def test_gates_that_begin_at_once_sign_with_one_key(tmp_path: Path) -> None:
    barrier = Barrier(6)

    def made() -> str:
        barrier.wait()
        return load_signer(tmp_path).public

    with ThreadPoolExecutor(6) as threads:
        keys = {each.result() for each in [threads.submit(made) for _ in range(6)]}
    assert keys == {public_key(tmp_path)}


def test_other_tools_read_the_keys(tmp_path: Path) -> None:
    public = load_signer(tmp_path).public
    key = serialization.load_pem_private_key((tmp_path / PRIVATE).read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    assert key.public_key().public_bytes_raw().hex() == public
    other = serialization.load_pem_public_key((tmp_path / PUBLIC).read_bytes())
    assert other == key.public_key()


def test_a_head_holds_with_every_member_as_it_was_signed(tmp_path: Path) -> None:
    signer = load_signer(tmp_path)
    assert holds(head(signer))
    for changed in (
        {"writer": "host-2"},
        {"seq": 8},
        {"hash": "ac" * 32},
        {"time": "2026-11-21T07:43:13.000Z"},
        {"key": "00" * 32},
        {"key": "no hex"},
        {"signature": "00" * 64},
        {"signature": ""},
    ):
        assert not holds(head(signer, **changed)), changed


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\n!!!!\n"],
)
def test_a_key_that_is_none_is_said_and_never_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PRIVATE).write_bytes(content)
    with pytest.raises(GateError, match="journal.key") as caught:
        load_signer(tmp_path)
    assert caught.value.reason == "state_unavailable"
    assert (tmp_path / PRIVATE).read_bytes() == content


def test_where_no_key_can_be_written_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="cannot be written"):
        load_signer(tmp_path / "missing")
    assert public_key(tmp_path / "missing") is None
