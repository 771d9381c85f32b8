"""What keeps a gate that has too much to do working: its bounds, what it measures of itself, and whom it turns away."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from durward.calls.ports import Clock
from durward.config.settings import Settings
from durward.server.admission import Admission, Door
from durward.server.bounds import Bounds, bounds, machine_memory, memory_limit, raise_files
from durward.server.edge import Edge
from durward.server.pressure import Pressure
from durward.server.resident import Resident

log = logging.getLogger("gate")

SAMPLE_SECONDS: Final = 0.25
GIVE_BACK_SECONDS: Final = 10.0
"""Between two tries to give memory back, which hold the loop up."""
QUIET_SECONDS: Final = 60.0
"""Between two lines of the log."""


class Overload:
    """Of one gate process."""

    def __init__(self, settings: Settings, door: Door, clock: Clock, on_refused: Callable[[str, str], None]) -> None:
        self._files = raise_files()
        self.bounds = self._bounds(settings)
        self._clock = clock
        self._pressure = Pressure(self.bounds.memory)
        self._admission = Admission(door, self._pressure, on_refused)
        self._admission.know(settings.agents)
        self._resident = Resident()
        self._edge: Edge | None = None
        self._gave_back = self._told = -QUIET_SECONDS

    def _bounds(self, settings: Settings) -> Bounds:
        found = bounds(settings.overload, memory_limit(), machine_memory(), self._files, settings.workers)
        for name in ("connections", "memory"):
            said, granted = getattr(settings.overload, name), getattr(found, name) * settings.workers
            if said > granted + settings.workers:
                log.warning("overload.%s is %d, and this machine allows %d: so many are granted", name, said, granted)
        return found

    def guard(self, edge: Edge) -> None:
        """Look after this edge."""
        self._edge = edge
        edge.ask_first(self._admission.turns_away)

    def take_over(self, settings: Settings) -> None:
        """Grant what these settings say, from now on."""
        self.bounds = self._bounds(settings)
        self._pressure.memory = self.bounds.memory
        self._admission.know(settings.agents)
        if self._edge is not None:
            self._edge.bound(self.bounds)

    async def watch(self) -> None:
        """Measure for ever."""
        lag = 0.0
        while True:
            try:
                self.sample(lag)
            except Exception:
                # A bug, or no word from the system; what was measured last would hold for ever.
                log.exception("the gate cannot be measured")
            due = self._clock.monotonic() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            lag = self._clock.monotonic() - due

    def sample(self, lag: float) -> None:
        """Act on how late the loop was, and how much memory there is."""
        pressure = self._pressure
        load = 0 if self._edge is None else self._edge.connections + self._edge.calls
        pressure.measure(max(0.0, lag), self._resident.read(), load)
        if self._edge is not None:
            self._edge.press(pressure.saves, pressure.parts, pressure.sheds)
        now = self._clock.monotonic()
        if pressure.tight and now - self._gave_back >= GIVE_BACK_SECONDS:
            self._gave_back = now
            self._resident.give_back()
        if pressure.sheds and now - self._told >= QUIET_SECONDS:
            self._told = now
            log.warning(
                "%s Calls are refused (loop %.0f ms late, memory %.0f %%)",
                *(pressure.why, pressure.lag * 1000, pressure.share * 100),
            )

    def state(self) -> dict[str, Any]:
        """For people and metrics: plain data."""
        edge = self._edge
        granted = self.bounds
        state = self._admission.state()
        if edge is None:
            return state
        return state | {
            "connections": {"open": edge.connections, "most": granted.connections},
            "calls": {"open": edge.calls, "most": granted.calls},
            "body_bytes": {"held": edge.body_bytes, "most": granted.body_memory},
        }

    def close(self) -> None:
        self._resident.close()
