"""Requests refused before anybody was identified: counted, and told in the log now and then, outside the journal."""

import logging
from collections import Counter

from durward.calls.errors import GateError
from durward.calls.ports import Clock, Exchange
from durward.protocols.http import write_error

log = logging.getLogger("gate")

QUIET_SECONDS = 60.0


class Refusals:
    """Counts by reason. One log line a minute at most, however many there are: strangers must not fill a disk."""

    def __init__(self, clock: Clock) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._told: Counter[str] = Counter()
        self._quiet_until = 0.0

    def note(self, reason: str, peer: str) -> None:
        """One more; `peer` is a sample, the address of the last one."""
        self.counts[reason] += 1
        now = self._clock.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + QUIET_SECONDS
        fresh = self.counts - self._told
        self._told = self.counts.copy()
        several = ", ".join(f"{reason} {count}" for reason, count in sorted(fresh.items()))
        log.info("refused before identification: %s (last from %s)", several, peer)


def turn_away(exchange: Exchange, full: bool) -> bool:
    """Refuse a call for which there is no room, at an edge that knows no more of it. See `Admission.turns_away`."""
    why = "The gate has as many calls in progress as it may." if full else "The gate has more to do than it can."
    rendered = write_error(GateError(why, reason="overloaded"), "")
    exchange.send(rendered.status, rendered.lines, rendered.body)
    return True
