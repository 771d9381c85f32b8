"""[credential → send]*: the targets of a course in their order, until one answers."""

from durward.calls.errors import GateError, UpstreamError
from durward.calls.ports import UpstreamAnswer, Upstreams
from durward.metering.meter import Meter
from durward.records.entry import Entry
from durward.routing.plan import falls_over, falls_over_error, plan
from durward.snapshot import Course, Snapshot
from durward.upstreams.request import Outbound


class Attempts:
    """Sends calls to their targets."""

    __slots__ = ("_upstreams",)

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams

    async def answer(
        self, snapshot: Snapshot, course: Course, outbound: Outbound, meter: Meter, entry: Entry
    ) -> UpstreamAnswer:
        """The first answer that is not a target's own failure, else the last target's. Raises UpstreamError of the last one."""
        steps = plan(course.steps)
        for step in steps:
            way = step.way
            credential = way.presented.lines(way.endpoint.origin, outbound.exchange.head.fields)
            if way.presented.displaces:
                outbound.leave_out(way.presented.displaces)
            attempt = entry.attempt(step.target)
            if outbound.asked.request is not None:
                head, body = outbound.model_call(step.line, credential, step.target.model, way.asks_usage)
            else:
                head, body = outbound.other_call(step.line, credential, way.body_limit)
            meter.sends(snapshot.price(course.resource, step), snapshot.other_prices(step, meter.request))
            try:
                answer = await self._upstreams.send(
                    way.endpoint.origin, head, body, way.endpoint.timeouts, entry.confirm
                )
            except UpstreamError as error:
                entry.attempted(attempt, 0, error.reason)
                if falls_over_error(error):
                    meter.void()
                if step is steps[-1] or not falls_over_error(error):
                    raise
                continue
            entry.attempted(attempt, answer.status, "")
            if answer.status >= 400:
                meter.void()
            if step is steps[-1] or not falls_over(answer.status):
                return answer
            answer.cancel()
        raise GateError("A resource has no target.")
