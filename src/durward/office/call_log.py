"""A log line a call, where the operator wants it: of what the record holds, written as the index takes it in."""

import logging
from collections.abc import Iterator
from typing import Any

from durward.records.halves import Beginning, Ending
from durward.records.merging import Pair

log = logging.getLogger("calls")


class CallLog:
    """Tells of calls. Those that ended before `since` were told of in another life."""

    def __init__(self, since: str = "") -> None:
        self.since = since

    def take(self, pairs: list[Pair]) -> None:
        """One line each."""
        for began, ended in pairs:
            if ended.time >= self.since:
                call = dict(_told(began, ended))
                text = " ".join(f"{name}={value}" for name, value in call.items())
                log.info("%s", text, extra={"call": call})


def _told(began: Beginning, ended: Ending) -> Iterator[tuple[str, Any]]:
    """Names are those of a record; what a call did not have is left out."""
    told = {
        "id": began.id,
        "agent": began.agent,
        "session": began.session,
        "trace": began.trace,
        "action": began.action,
        "resource": began.resource,
        "provider": ended.provider,
        "status": ended.status,
        "outcome": ended.outcome,
        "reason": ended.reason,
        "duration_ms": ended.duration_ms,
        "gate_ms": ended.gate_ms,
    }
    yield from ((name, value) for name, value in told.items() if value)
    if ended.tokens is not None:
        yield "input_tokens", ended.tokens.input + ended.tokens.cached_input + ended.tokens.cache_write
        yield "output_tokens", ended.tokens.output + ended.tokens.reasoning
    if ended.cost_nano is not None:
        yield "cost_nano", ended.cost_nano
