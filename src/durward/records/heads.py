"""Signed heads: whoever keeps one outside can tell later whether the chain up to it is still there, byte for byte.

Ed25519 (RFC 8032). The private key lies in `data_dir/journal.key`, mode 0600, its public half in `journal.pub`, both PEM (RFC 8410 §10),
so that other tools read them. The gate signs by itself: the library costs it 7 MB and 8 ms, as long as its module for PEM, which
costs 3 MB and 40 ms more, is not touched. An Ed25519 key in PEM is a fixed prefix and 32 bytes, so we write that ourselves.
"""

import base64
import binascii
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from durward.calls.errors import GateError

PRIVATE = "journal.key"
PUBLIC = "journal.pub"

PRIVATE_DER = bytes.fromhex("302e020100300506032b657004220420")
"""RFC 8410 §7: everything of a OneAsymmetricKey but the key."""
PUBLIC_DER = bytes.fromhex("302a300506032b6570032100")
"""RFC 8410 §4: everything of a SubjectPublicKeyInfo but the key."""


class Head(msgspec.Struct, frozen=True):
    """A signed end of a writer's chain, in the form in which it is exported: one JSON object a line."""

    v: int
    writer: str
    seq: int
    hash: str
    time: str
    key: str
    """The public key, hex (RFC 8032 §5.1.5)."""
    signature: str
    """Over `signed_bytes`, hex."""


class Signer:
    """Signs heads with the key of a data directory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        """The signature, hex."""
        return self._key.sign(message).hex()


def signed_bytes(writer: str, seq: int, digest: str, time: str) -> bytes:
    """What a head's signature is over: four lines of text behind a fixed first one."""
    return f"durward head 1\n{writer}\n{seq}\n{digest}\n{time}\n".encode()


def load_signer(data_dir: Path) -> Signer:
    """The signer of a data directory; its key is made where there is none. Raises GateError `state_unavailable`."""
    try:
        return _known(data_dir)
    except FileNotFoundError:
        pass
    with _alone(data_dir):
        try:
            return _known(data_dir)  # Another gate of this start has made it meanwhile.
        except FileNotFoundError:
            return _make(data_dir)


def _known(data_dir: Path) -> Signer:
    return Signer(Ed25519PrivateKey.from_private_bytes(_read(data_dir / PRIVATE, PRIVATE_DER)))


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Let no other process do the same meanwhile. Raises GateError `state_unavailable`."""
    try:
        folder = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise GateError(f"The journal's key cannot be written: {error}.", reason="state_unavailable") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _make(data_dir: Path) -> Signer:
    key = Ed25519PrivateKey.generate()
    try:
        # The key last: while it is not there, a start that was cut short begins anew.
        _write(data_dir / PUBLIC, _pem("PUBLIC KEY", PUBLIC_DER + key.public_key().public_bytes_raw()))
        _write(data_dir / PRIVATE, _pem("PRIVATE KEY", PRIVATE_DER + key.private_bytes_raw()))
    except OSError as error:
        raise GateError(f"The journal's key cannot be written: {error}.", reason="state_unavailable") from error
    return Signer(key)


def _pem(label: str, der: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.b64encode(der).decode()}\n-----END {label}-----\n".encode()


def _read(path: Path, prefix: bytes) -> bytes:
    """The 32 bytes of a key. Raises FileNotFoundError, GateError `state_unavailable`."""
    try:
        der = base64.b64decode(b"".join(path.read_bytes().split(b"\n")[1:2]), validate=True)
    except FileNotFoundError:
        raise
    except (OSError, binascii.Error) as error:
        raise GateError(f"The journal's key {path} cannot be read: {error}.", reason="state_unavailable") from error
    if not der.startswith(prefix) or len(der) != len(prefix) + 32:
        raise GateError(f"The journal's key {path} is no Ed25519 key.", reason="state_unavailable")
    return der[len(prefix) :]


def _write(path: Path, content: bytes) -> None:
    whole = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
    whole.replace(path)


def public_key(data_dir: Path) -> str | None:
    """The public key of a data directory, hex; None where there is none. Raises GateError `state_unavailable`."""
    try:
        return _read(data_dir / PUBLIC, PUBLIC_DER).hex()
    except FileNotFoundError:
        return None


def holds(head: Head) -> bool:
    """Whether a head carries a signature of the key that it names."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head.key))
        key.verify(bytes.fromhex(head.signature), signed_bytes(head.writer, head.seq, head.hash, head.time))
    except (InvalidSignature, ValueError):
        return False
    return True
