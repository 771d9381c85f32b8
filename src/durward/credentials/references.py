"""Secret references: `${env:NAME}` and `${file:PATH}` inside a template, resolved when a snapshot is built."""

import re
from collections.abc import Mapping
from pathlib import Path

from durward.calls.errors import GateError

REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")
SECRET_LIMIT = 64 * 1024


def resolve(template: str, environment: Mapping[str, str]) -> str:
    """The template with every reference replaced. Raises GateError `credential_missing`, which names the reference, never a value."""
    return REFERENCE.sub(lambda found: _secret(found[1], found[2], environment), template)


def files(template: str) -> list[str]:
    """The files that a template refers to."""
    return [found[2] for found in REFERENCE.finditer(template) if found[1] == "file"]


def _secret(kind: str, name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "") if kind == "env" else _read(name)
    if not value or any(not 32 <= ord(letter) < 127 for letter in value):
        raise GateError(f"The credential {kind}:{name} is not set, or no header value.", reason="credential_missing")
    return value


def _read(path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(SECRET_LIMIT).strip()
    except (OSError, UnicodeDecodeError):
        return ""
