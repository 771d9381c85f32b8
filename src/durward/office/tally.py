"""Adds up calls for the metrics page, as the index takes them in: one step a call, and a bounded number of label sets.

What a page shows is summed up from the cells when it is asked for. Two threads use a tally: who indexes, and who serves.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from durward.calls.tokens import Tokens
from durward.records.halves import Beginning, Ending, Unknown
from durward.records.merging import Pair

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
GATE_SECONDS = (0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
GEN_AI_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""As OpenTelemetry's conventions have it, and so below."""
GEN_AI_TOKENS = tuple(float(4**power) for power in range(14))
CELLS = 2_000
CELLS_AN_AGENT = 200
"""So that one agent that asks for ever new names cannot push the others into `other`."""
OTHER = "other"
NO_TOKENS = Tokens()


class Labels(NamedTuple):
    """What calls of one cell have in common."""

    action: str
    protocol: str
    agent: str
    resource: str
    provider: str
    model: str
    outcome: str
    reason: str


class Spread:
    """A histogram: how many values lie below each bound, and what they add up to."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def note(self, value: float) -> None:
        """One more value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add(self, other: "Spread") -> None:
        """All values of another one of the same bounds."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Cell:
    """Calls that have all labels in common."""

    __slots__ = (
        *("calls", "cost_nano", "duration", "first_byte", "gate", "gen_ai", "input", "output", "tokens"),
        *("unknown_nano", "unpriced", "upstream"),
    )

    def __init__(self) -> None:
        self.calls = 0
        self.unpriced = 0
        self.cost_nano = 0
        self.unknown_nano = 0
        self.tokens = [0, 0, 0, 0, 0]
        self.duration = Spread(SECONDS)
        self.gen_ai = Spread(GEN_AI_SECONDS)
        self.gate = Spread(GATE_SECONDS)
        self.upstream = Spread(SECONDS)
        self.first_byte = Spread(SECONDS)
        self.input = Spread(GEN_AI_TOKENS)
        self.output = Spread(GEN_AI_TOKENS)

    def take(self, ended: Ending) -> None:
        """One more call."""
        self.calls += 1
        seconds = ended.duration_ms / 1000
        self.duration.note(seconds)
        self.gen_ai.note(seconds)
        if ended.first_byte_ms is not None:
            self.first_byte.note(ended.first_byte_ms / 1000)
            self.gate.note(ended.gate_ms / 1000)
            self.upstream.note(max(0.0, ended.duration_ms - ended.gate_ms) / 1000)
        if type(ended) is Unknown:
            self.unknown_nano += ended.cost_nano or 0
            return
        self.unpriced += ended.price_partial
        self.cost_nano += ended.cost_nano or 0
        if ended.tokens is not None:
            self._take_tokens(ended.tokens)

    def _take_tokens(self, used: Tokens) -> None:
        tokens = self.tokens
        tokens[0] += used.input
        tokens[1] += used.cached_input
        tokens[2] += used.cache_write
        tokens[3] += used.output
        tokens[4] += used.reasoning
        self.input.note(used.input + used.cached_input + used.cache_write)
        self.output.note(used.output + used.reasoning)


class Tally:
    """All cells. `since` is a time as records write it: calls that ended before are of another life, and not counted."""

    def __init__(self, since: str = "") -> None:
        self.cells: dict[Labels, Cell] = {}
        self.attempts: Counter[tuple[str, str]] = Counter()
        self.folded = 0
        self.lock = threading.Lock()
        """Held by who reads, too."""
        self.since = since
        self._of_agents: Counter[str] = Counter()

    def take(self, pairs: list[Pair]) -> None:
        """Count calls whose both halves are known."""
        with self.lock:
            for began, ended in pairs:
                if ended.time >= self.since:
                    self._cell(began, ended).take(ended)
                    for attempt in ended.attempts:
                        result = attempt.reason or f"{attempt.status // 100}xx"
                        self.attempts[attempt.provider, result] += 1

    def _cell(self, began: Beginning, ended: Ending) -> Cell:
        labels = Labels(
            began.action,
            began.protocol,
            began.agent,
            group(began.resource),
            ended.provider,
            began.model if ended.provider else "",
            ended.outcome or "unknown",
            ended.reason,
        )
        cell = self.cells.get(labels)
        if cell is None and not self._has_room(labels.agent):
            self.folded += 1
            labels = labels._replace(agent=OTHER, resource=OTHER, provider=OTHER, model=OTHER)
            cell = self.cells.get(labels)
        if cell is None:
            cell = self.cells[labels] = Cell()
            self._of_agents[labels.agent] += 1
        return cell

    def _has_room(self, agent: str) -> bool:
        return len(self.cells) < CELLS and self._of_agents[agent] < CELLS_AN_AGENT


def group(resource: str) -> str:
    """A resource without what callers make up: `model/<name>`, `api/<name>`, `provider/<name>`, `models`."""
    kind, _, rest = resource.partition("/")
    if kind == "models":
        return kind
    return resource if kind == "model" else f"{kind}/{rest.partition('/')[0]}" if rest else kind
