"""Agent keys: where a call carries one, and whose it is.

A key is compared by its SHA-256 digest only; the digest is no credential, and the key itself is never kept.
"""

from collections.abc import Iterable
from hashlib import sha256

from durward.calls.errors import CallerError
from durward.calls.ports import Clock
from durward.calls.principal import Principal

CARRIERS = (b"x-api-key", b"api-key", b"x-goog-api-key")


def carried(fields: dict[bytes, bytes], query_keys: Iterable[str]) -> bytes:
    """The agent key of a call. `Durward-Key` wins; else the SDKs' own places, which must agree.

    Raises CallerError `key_missing`, `conflicting_keys`.
    """
    own = fields.get(b"durward-key")
    if own:
        return own
    keys = {fields[name] for name in CARRIERS if name in fields}
    if authorization := fields.get(b"authorization"):
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and token:
            keys.add(token.strip())
    keys.update(key.encode() for key in query_keys)
    if not keys:
        raise CallerError("The call carries no agent key.", reason="key_missing")
    if len(keys) > 1:
        raise CallerError("The call carries different keys in different places.", reason="conflicting_keys")
    return keys.pop()


def digest_of(fields: dict[bytes, bytes], query_keys: Iterable[str]) -> bytes:
    """The SHA-256 of a call's agent key. Raises CallerError `key_missing`, `conflicting_keys`."""
    return sha256(carried(fields, query_keys)).digest()


class Keys:
    """Digest of a key -> its agent, in memory: those of the file, and those made by command. An expired key is unknown."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: dict[bytes, tuple[Principal, float | None]] = {}
        self._agents: dict[bytes, tuple[Principal, float | None]] = {}

    def write(self, keys: Iterable[tuple[str, Principal]]) -> None:
        """Know these keys of the file, each by the hex SHA-256 of its bytes, and no others of it."""
        written: dict[bytes, tuple[Principal, float | None]] = {}
        for digest, agent in keys:
            written[bytes.fromhex(digest)] = (agent, None)
        self._agents = {**written, **self._made}

    def add(self, digest: str, agent: Principal, expires: float | None = None) -> None:
        """Know a key made by command; `expires` is Unix time in seconds."""
        self._made[bytes.fromhex(digest)] = self._agents[bytes.fromhex(digest)] = (agent, expires)

    def of(self, digest: bytes) -> Principal:
        """The agent whose key has this SHA-256. Raises CallerError `key_unknown`."""
        found = self._agents.get(digest)
        if found is None or (found[1] is not None and found[1] <= self._clock.time()):
            raise CallerError("The agent key is not known here.", reason="key_unknown")
        return found[0]
