"""The header line presented to each upstream, kept together with the one origin it may go to."""

from collections.abc import Mapping
from hashlib import sha256

from durward.calls.errors import GateError
from durward.calls.origin import Origin
from durward.config.settings import Credential
from durward.credentials.references import resolve

CALLER_FIELDS = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")


class Presented:
    """What is presented to one upstream: nothing, a line of ours, or the caller's own authorization."""

    def __init__(self, credential: Credential | None, origin: Origin, environment: Mapping[str, str]) -> None:
        self._origin = origin
        self._caller = credential is not None and credential.caller
        self._missing: GateError | None = None
        self._line = b""
        self.displaces = b""
        """Lower-case name of the field that is ours alone: the caller's own lines of that name stay back. Empty for carriers of keys,
        which never pass on."""
        if credential is not None and not credential.caller:
            self._resolve(credential, environment)

    def _resolve(self, credential: Credential, environment: Mapping[str, str]) -> None:
        name = credential.header.lower().encode("ascii")
        self.displaces = b"" if name in CALLER_FIELDS else name
        try:
            self._line = f"{credential.header}: {resolve(credential.template, environment)}\r\n".encode("ascii")
        except GateError as missing:
            self._missing = missing

    @property
    def caller(self) -> bool:
        """True where the caller's own authorization is passed on."""
        return self._caller

    @property
    def digest(self) -> bytes:
        """Tells one credential from another, and nothing of it; that of callers' own counts as one."""
        return b"caller" if self._caller else sha256(self._line).digest()

    def lines(self, origin: Origin, fields: dict[bytes, bytes]) -> bytes:
        """Header lines for a request to `origin`.

        Raises GateError `credential_missing`; `internal` for any origin but the one this credential is bound to.
        """
        if origin != self._origin:
            raise GateError("A credential was asked for an origin it is not bound to.")
        if self._missing is not None:
            raise GateError(self._missing.message, reason="credential_missing")
        return self._callers_own(fields) if self._caller else self._line

    def _callers_own(self, fields: dict[bytes, bytes]) -> bytes:
        # Without Durward-Key these fields carried the agent's key, which never goes upstream.
        if b"durward-key" not in fields:
            raise GateError(
                "This upstream is called with the caller's own login, so the agent key must come as `Durward-Key`.",
                reason="credential_missing",
            )
        return b"".join(b"%b: %b\r\n" % (name, fields[name]) for name in CALLER_FIELDS if name in fields)
