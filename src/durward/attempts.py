"""[credential → send]*: the targets of a course in the order of its plan, until one answers."""

from collections.abc import Sequence

from durward.calls.errors import GateError, UpstreamError
from durward.calls.ports import Clock, UpstreamAnswer, Upstreams
from durward.metering.meter import Meter
from durward.protocols.retry_after import read_retry_after
from durward.records.entry import Entry
from durward.routing.plan import UNTOLD_SECONDS, falls_over, falls_over_error, outcome_of, plan
from durward.snapshot import Course, Snapshot, Step
from durward.upstreams.request import Body, Outbound
from durward.upstreams.stale import Stale


class Attempts:
    """Sends calls to their targets, and notes how each target stands."""

    __slots__ = ("_clock", "_upstreams")

    def __init__(self, upstreams: Upstreams, clock: Clock) -> None:
        self._upstreams = upstreams
        self._clock = clock

    async def answer(
        self, snapshot: Snapshot, course: Course, outbound: Outbound, meter: Meter, entry: Entry
    ) -> UpstreamAnswer:
        """The first answer that is not a target's own failure, else that of the last target that may be tried.

        Raises UpstreamError of that one, or `upstream_ejected` where none may be tried.
        """
        now = self._clock.monotonic()
        steps = plan(course.steps, now)
        if not steps:
            raise GateError("A resource has no target.")
        step = _first(steps, now)
        if step is None:
            raise UpstreamError(f"Every upstream of {course.resource.name} keeps failing.", reason="upstream_ejected")
        step.standing.retries.called(now)
        while True:
            way = step.way
            credential = _credential(step, outbound)
            attempt = entry.attempt(step.target)
            head, body = _request(step, outbound, credential)
            meter.sends(snapshot.price(course.resource, step), snapshot.other_prices(step, meter.request))
            step.standing.called(now)
            try:
                answer = await self._upstreams.send(
                    way.endpoint.origin, head, body, way.endpoint.timeouts, entry.confirm
                )
            except UpstreamError as error:
                entry.attempted(attempt, 0, error.reason)
                now = self._clock.monotonic()
                # A connection that was closed while it idled says nothing of the upstream.
                step.standing.note(step.target.model, "doubtful" if isinstance(error, Stale) else "failed", now)
                goes_on = falls_over_error(error)
                if goes_on:
                    meter.void()
                following = _following(steps, step, now, entry) if goes_on else None
                if following is None:
                    raise
                step = following
                continue
            entry.attempted(attempt, answer.status, "")
            if answer.status < 400 and step.standing.clear:
                return answer
            now = self._clock.monotonic()
            self._note(step, answer, now)
            if answer.status >= 400:
                meter.void()
            following = _following(steps, step, now, entry) if falls_over(answer.status) else None
            if following is None:
                return answer
            answer.cancel()
            step = following

    def _note(self, step: Step, answer: UpstreamAnswer, now: float) -> None:
        outcome = outcome_of(answer.status)
        wait: float | None = None
        # Callers' own credentials have limits of their own: what one is told is nothing to the others.
        if falls_over(answer.status) and not step.way.presented.caller:
            wait = read_retry_after(answer.fields, self._clock.time())
            if wait is None and outcome == "busy":
                wait = UNTOLD_SECONDS
        step.standing.note(step.target.model, outcome, now, wait)


def _credential(step: Step, outbound: Outbound) -> bytes:
    """The header lines that the target's upstream is shown. Raises GateError `credential_missing`: nothing was tried then."""
    presented = step.way.presented
    credential = presented.lines(step.way.endpoint.origin, outbound.exchange.head.fields)
    if presented.displaces:
        outbound.leave_out(presented.displaces)
    return credential


def _request(step: Step, outbound: Outbound, credential: bytes) -> tuple[bytes, Body]:
    """Head and body of the call at this target."""
    if outbound.asked.request is not None:
        return outbound.model_call(step.line, credential, step.target.model, step.way.asks_usage)
    return outbound.other_call(step.line, credential, step.way.body_limit)


def _first(steps: Sequence[Step], now: float) -> Step | None:
    """The first that may be tried."""
    for step in steps:
        if step.standing.clear or step.standing.admit(now):
            return step
    return None


def _following(steps: Sequence[Step], tried: Step, now: float, entry: Entry) -> Step | None:
    """The next one behind `tried` that may be tried, within the budget of its upstream."""
    behind = False
    for step in steps:
        if behind:
            if not step.standing.retries.take(now):
                entry.pass_over(step.target, "retries_spent")
            elif step.standing.clear or step.standing.admit(now):
                return step
        behind = behind or step is tried
    return None
