"""What really happened in a world, as seen from outside the gate; and what may never happen, checked in the moment it would."""

import re
from collections.abc import Callable
from typing import NamedTuple

from tests.simulation.answers import AnswerReader, Reading
from tests.simulation.pipes import End
from tests.simulation.traffic import MARK, Kind

TRACED = re.compile(rb"\r\ntraceparent: 00-([0-9a-f]{32})-")
LINE = re.compile(
    rb'"type":"(intent|settle|refused|unknown)",.*?"id":"([0-9a-f-]{36})"(?:.*?"trace":"([0-9a-f]{32})")?'
)


class Plan(NamedTuple):
    """What an upstream does with a request."""

    fault: str = ""
    at: float = 0.0
    """How far into the answer it goes wrong, from 0 to 1."""
    delay: float = 0.0
    """Seconds before the answer begins."""
    pace: float = 0.0
    """The longest pause between two pieces."""
    words: int = 4
    then: str = ""
    """What becomes of the connection: kept, `close`d, or given `garbage`; `later` closes it while it idles."""
    retry_after: bool = False


class Arrival:
    """One request at an upstream, and what became of it."""

    __slots__ = (
        *("answered_at", "at", "attempt", "call", "credential", "end", "finished", "letter", "model", "plan"),
        *("begun", "silent", "status", "whole_at"),
    )

    def __init__(self, call: "Call", attempt: int, plan: Plan, at: float, end: End) -> None:
        self.call = call
        self.attempt = attempt
        self.plan = plan
        self.at = at
        """When its first byte came."""
        self.end = end
        """The gate's end of the connection."""
        self.whole_at = at
        """When its request had come whole."""
        self.letter = ""
        """The configuration that names this upstream, that of the credential it got, and that of the model it was asked for."""
        self.credential = ""
        self.model = ""
        self.status = 0
        self.finished = False
        """Whether the whole answer was written."""
        self.answered_at: float | None = None
        """When the gate had the last byte of it."""
        self.begun = False
        """Whether the gate has the head of the answer."""
        self.silent = False
        """Whether the upstream says no more, and leaves the connection open."""

    def begin(self) -> None:
        """The gate has the head of the answer."""
        self.begun = True


class Call:
    """One call: what its caller does, what its upstreams do, and what came of it."""

    def __init__(self, number: int, kind: Kind, key: str, size: int, plans: list[Plan]) -> None:
        self.number = number
        self.kind = kind
        self.key = key
        self.size = size
        self.plans = plans
        self.trace = f"{number + 1:016x}{0xABCDEF0123456789 + number:016x}"
        self.arrivals: list[Arrival] = []
        self.whole_at: float | None = None
        """When its request was written whole."""
        self.end: End | None = None
        """The gate's end of its caller's connection."""
        self.up_at = 0.0
        """When the gate wrote its request to an upstream, the last time."""
        self.started_at: float | None = None
        """When the gate handed out the first byte of the answer, and the last."""
        self.released_at: float | None = None
        self.reading: Reading | None = None
        """What the caller has of the answer."""
        self.soiled = False
        """Whether its upstream sent an answer that nobody asked for where this call could be taken for its asker."""
        self.easy = False
        """Whether its caller just waits for the answer, on a connection where nobody else's call is in the way."""
        self.stalled_at: float | None = None
        """When its caller stopped sending in the middle of it."""
        self.gave_up = False
        """Whether the caller hung up on it, of its own will."""

    def __repr__(self) -> str:
        return f"call {self.number} ({self.kind.name})"

    def asked_once(self, end: End) -> bool:
        """Whether its request has arrived on this connection."""
        return any(arrival.end is end for arrival in self.arrivals)

    def plan(self, attempt: int) -> Plan:
        """What the upstream does at this attempt, counted from 0."""
        return self.plans[min(attempt, len(self.plans) - 1)]


class Violation(NamedTuple):
    """Something that may never be."""

    invariant: str
    text: str


class Truth:
    """Everything that was seen."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.calls: dict[str, Call] = {}
        self.violations: list[Violation] = []
        self.log: list[tuple[float, str]] = []
        self.intended: dict[str, str] = {}
        """Call id to trace, of the intents that are on the disk; and the ids whose end is."""
        self.lasting = False
        """Whether lines wait for the disk."""
        self.troubled = False
        """Whether the disk has trouble in this world."""
        self.begun: set[str] = set()
        self.ended: set[str] = set()

    def note(self, text: str) -> None:
        """A line of the world's log."""
        self.log.append((self.now(), text))

    def violate(self, invariant: str, text: str) -> None:
        """Something is not as it must be."""
        self.violations.append(Violation(invariant, text))
        self.note(f"VIOLATION {invariant}: {text}")

    def wrote(self, lines: bytes) -> None:
        """These lines are in the journal now."""
        for kind, call, trace in LINE.findall(lines):
            name = call.decode()
            if kind == b"intent":
                self.intended[name] = trace.decode()
                self.begun.add(trace.decode())
            else:
                self.ended.add(name)
            known = self.calls.get(trace.decode())
            self.note(f"journal: {kind.decode()} {name[-6:]} {known or ''}")

    def goes_up(self, end: End, data: bytes) -> Call | None:
        """The gate hands bytes to an upstream's connection: whose request begins with them, if one does."""
        call = None
        for found in TRACED.findall(data):
            trace = found.decode()
            call = self.calls.get(trace)
            if call is None:
                continue
            call.up_at = self.now()
            if trace not in self.begun:
                self.violate("intent first", f"{call} goes up, and its intent is not in the journal")
            if any(arrival.begun and arrival.status < 400 for arrival in call.arrivals):
                self.violate("no retry after the first byte", f"{call} goes up again, and was being answered")
            if call.started_at is not None:
                self.violate(
                    "no retry after the first byte", f"{call} goes up again; its caller has a part of an answer"
                )
            gone = call.end.gone_at if call.end is not None else None
            if gone is not None and call.released_at is None and self.now() > gone + 0.1:
                self.violate("cancel", f"{call} goes up {self.now() - gone:.3f} s after its caller has gone")
        return call

    def arrived(self, trace: str, at: float, end: End) -> Arrival | None:
        """A request's head is at an upstream."""
        call = self.calls.get(trace)
        if call is None:
            return None
        attempt = len(call.arrivals)
        arrival = Arrival(call, attempt, call.plan(attempt), at, end)
        call.arrivals.append(arrival)
        self.note(f"{call} is at its upstream, attempt {attempt}: {arrival.plan}")
        return arrival


class Witness:
    """Stands at the gate's end of a caller's connection and sees every byte before it leaves."""

    def __init__(self, truth: Truth, sent: list[Call]) -> None:
        self._truth = truth
        self._sent = sent
        self._seen = 0
        self._reader = AnswerReader(lambda at: sent[at].kind.method if at < len(sent) else None)

    def handed(self, data: bytes) -> None:
        """The gate hands this to the caller's connection."""
        reader = self._reader
        reader.feed(data)
        if reader.wrong:
            self._truth.violate("answer", reader.wrong)
        readings = reader.readings
        while self._seen < len(readings):
            reading, call = readings[self._seen], self._sent[self._seen]
            if call.started_at is None:
                call.started_at = self._truth.now()
                self._truth.note(f"{call} is answered {reading.status}")
            if call.released_at is None and (reading.complete or self._is_last(call, reading, len(data))):
                self._release(call, reading)
            if not reading.complete:
                return
            self._seen += 1

    @staticmethod
    def _is_last(call: Call, reading: Reading, size: int) -> bool:
        if not call.kind.stream or reading.status != 200:
            return False
        tail = bytes(reading.body[-size - 200 :])
        return (bool(call.kind.terminal) and call.kind.terminal in tail) or MARK.encode() in tail

    def _release(self, call: Call, reading: Reading) -> None:
        truth = self._truth
        call.released_at = truth.now()
        name = reading.field(b"durward-call")
        truth.note(f"{call} has its terminal event ({name[-6:]})")
        # Where not even the end can be written, the caller gets an error instead of the answer, and the call becomes unknown.
        lost = truth.troubled and reading.status >= 400 and not reading.field(b"x-request-id")
        if name in truth.intended and name not in truth.ended and not lost:
            truth.violate(
                "settle first",
                f"the terminal event of {call} is out, its settle not in the journal: {bytes(reading.body[-300:])!r}",
            )
