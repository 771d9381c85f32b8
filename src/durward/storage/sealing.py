"""What makes kept answers unreadable without `answers.key`: a master key, names that only it can make, and data keys that it wraps.

AES-256-GCM (NIST SP 800-38D) with random nonces of 96 bits: one data key seals far fewer than 2^32 answers within its life. Whoever
destroys a data key has erased what it sealed; whoever destroys the master key, everything, in every copy of the file as well.
"""

import hmac
import os
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12


class Seal:
    """The master key, in use. Raises ValueError where something was not sealed by it, or was changed since."""

    def __init__(self, master: bytes) -> None:
        """Raises ValueError where `master` is no key."""
        if len(master) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(master)}")
        self._naming = hmac.digest(master, b"durward answers: names", "sha256")
        self._wrapping = hmac.digest(master, b"durward answers: data keys", "sha256")

    def name(self, kind: str, *parts: str | bytes) -> bytes:
        """A name that is the same for the same parts, and tells nobody without the key what they are (HMAC-SHA-256)."""
        written = [part.encode() if isinstance(part, str) else part for part in (kind, *parts)]
        return hmac.digest(self._naming, b"".join(b"%d:%b" % (len(part), part) for part in written), "sha256")

    def new_key(self, owner: bytes) -> bytes:
        """A fresh data key, wrapped for its owner's row."""
        return _sealed(self._wrapping, AESGCM.generate_key(KEY_BYTES * 8), owner)

    def seal(self, wrapped: bytes, owner: bytes, text: bytes, place: bytes) -> bytes:
        """Text under a data key; it opens at this place only."""
        return _sealed(_opened(self._wrapping, wrapped, owner), text, place)

    def open(self, wrapped: bytes, owner: bytes, sealed: bytes, place: bytes) -> bytes:
        """What `seal` was given."""
        return _opened(_opened(self._wrapping, wrapped, owner), sealed, place)


def load_seal(path: Path) -> Seal:
    """The seal of a key file (mode 0600), which is made where there is none. Raises OSError, ValueError."""
    try:
        return Seal(path.read_bytes())
    except FileNotFoundError:
        pass
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(fd)
        # Of several processes that make one, the first one's is it, and it is whole from the beginning.
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    return Seal(path.read_bytes())


def _sealed(key: bytes, text: bytes, place: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text, place)


def _opened(key: bytes, sealed: bytes, place: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
    except InvalidTag as error:
        raise ValueError("it was not sealed by this key, or was changed since") from error
