"""Whom the gate turns away before a call begins: beyond its bound everybody, under pressure by class; health checks never."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from durward.calls.errors import CallerError, GateError
from durward.calls.ports import Exchange, RequestHead
from durward.calls.principal import Principal
from durward.config.settings import Agent
from durward.protocols.speakers import HTTP, Speaker
from durward.protocols.wire import Rendered
from durward.server.pressure import BATCH, INTERACTIVE, PRIORITIES, Pressure
from durward.snapshot import Known

CHECKS: Final = (b"/healthz", b"/readyz")
BATCH_SECONDS: Final = 10.0
"""What may wait waits longer."""


class Door(Protocol):
    """What is asked of the gateway."""

    def known(self, head: RequestHead) -> Known:
        """What the head tells. Raises CallerError."""

    def identify(self, known: Known, head: RequestHead) -> Principal:
        """Who calls. Raises CallerError."""


class Admission:
    """Costs a call nothing while there is room: the edge asks only when there is not, or not for all."""

    def __init__(self, door: Door, pressure: Pressure, on_refused: Callable[[str, str], None]) -> None:
        self._door = door
        self._pressure = pressure
        self._on_refused = on_refused
        self._batch: frozenset[str] = frozenset()
        self._answers: dict[tuple[Speaker, str, int], Rendered] = {}
        self.turned_away: Counter[str] = Counter()
        """How many, by class."""

    def know(self, agents: Iterable[Agent]) -> None:
        """Whose calls are of the lowest class."""
        self._batch = frozenset(agent.name for agent in agents if agent.priority == "batch")

    def turns_away(self, exchange: Exchange, full: bool) -> bool:
        """Answer a call with 503 that must not begin. `full`: no call may, by the bound of calls."""
        head = exchange.head
        if head.target in CHECKS:
            return False
        speaker: Speaker = HTTP
        priority = INTERACTIVE
        try:
            known = self._door.known(head)
            speaker = known.arrival.speaker
            priority = self._priority(known, head)
        except CallerError:
            pass  # Whatever is wrong with it, it can be told when there is room.
        if not full and not self._pressure.turns_away(priority):
            return False
        why = "The gate has as many calls in progress as it may." if full else self._pressure.why
        rendered = self._answer(speaker, why, priority)
        self.turned_away[PRIORITIES[priority]] += 1
        self._on_refused("overloaded", exchange.peer)
        exchange.send(rendered.status, rendered.lines, rendered.body)
        return True

    def _priority(self, known: Known, head: RequestHead) -> int:
        """The caller may only lower it: what a stranger says of himself gives him no right."""
        if head.fields.get(b"durward-priority", b"").lower() == b"batch":
            return BATCH
        if self._batch and self._door.identify(known, head).agent in self._batch:
            return BATCH
        return INTERACTIVE

    def _answer(self, speaker: Speaker, why: str, priority: int) -> Rendered:
        """Rendered once: a storm of refusals must cost less than the calls would."""
        key = (speaker, why, priority)
        if key not in self._answers:
            error = GateError(why, reason="overloaded")
            if priority == BATCH:
                error.retry_after = BATCH_SECONDS
            self._answers[key] = speaker.write_error(error, "")
        return self._answers[key]

    def state(self) -> dict[str, Any]:
        """For people and metrics: plain data."""
        return {"turned_away": {name: self.turned_away[name] for name in PRIORITIES}, **self._pressure.state()}
