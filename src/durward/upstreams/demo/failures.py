"""Failing on request, as providers do: `demo:429` in the prompt, or `Demo-Fail: 429` in the head."""

import re
from typing import Literal, get_args

from durward.calls.ports import RequestHead

Failure = Literal["429", "500", "overloaded", "cut", "slow", "malformed", "silent"]

RETRY_SECONDS = 2
SILENT_SECONDS = 3600.0
"""Nobody waits longer than this for an answer that does not come."""
PIECES_BEFORE = 3
"""How many pieces of a stream come before it fails."""

_names = get_args(Failure)
_asked = re.compile(rf"\bdemo:({'|'.join(_names)})\b")


def failure_of(head: RequestHead, text: str) -> Failure | None:
    """The failure that the head or the prompt asks for."""
    for line in head.forward:
        name, _, value = line.partition(b":")
        if name.lower() == b"demo-fail":
            return _named(value.strip().decode("latin-1"))
    found = _asked.search(text)
    return _named(found[1]) if found else None


def _named(name: str) -> Failure | None:
    return next((failure for failure in _names if failure == name.lower()), None)
