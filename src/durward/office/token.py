"""The token that everything on the admin listener asks for: a file in the data directory. Standard library only."""

import hmac
import os
import secrets
from pathlib import Path

from durward.calls.errors import GateError

NAME = "admin-token"
SHORTEST = 32
"""Characters. What is shorter was cut, or never was a secret."""


def ensure(folder: Path) -> None:
    """Make the token where there is none: 256 random bits that only the owner may read. Raises GateError `state_unavailable`."""
    path = folder / NAME
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        if read(folder) is None:
            raise GateError(
                f"{path} holds no token.", reason="state_unavailable", remedy="Delete it; the next start makes one."
            ) from None
        return
    except OSError as error:
        raise GateError(f"{path} cannot be made: {error.strerror}.", reason="state_unavailable") from error
    try:
        with os.fdopen(fd, "w") as file:
            file.write(f"dwa_{secrets.token_urlsafe(32)}\n")
    except OSError as error:
        path.unlink()
        raise GateError(f"{path} cannot be written: {error.strerror}.", reason="state_unavailable") from error


def read(folder: Path) -> str | None:
    """The token, None where there is none that could be one."""
    try:
        text = (folder / NAME).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if len(text) >= SHORTEST else None


def opens(folder: Path, authorization: str) -> bool:
    """Whether a field `Authorization` holds the token (RFC 6750 §2.1). The file is read each time: a new token holds at once."""
    scheme, _, told = authorization.partition(" ")
    token = read(folder)
    if token is None or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(told.strip().encode(), token.encode())
