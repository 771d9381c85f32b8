"""One call's way into the journal: opened once, closed once, whatever happens between."""

from durward.calls.decision import Decision
from durward.calls.errors import DurwardError, GateError
from durward.calls.ports import Clock, Journal, UpstreamAnswer
from durward.calls.record import Closing, Opening, Outcome
from durward.calls.resource import Resource, Target
from durward.calls.tokens import Attempt
from durward.protocols.wire import ModelRequest

ID_LENGTH = 128


class Entry:
    """The record of one call while it runs. `close` is safe to call again: the first end is the one that counts."""

    __slots__ = ("_arrived", "_clock", "_journal", "_started", "_waited", "closed", "closing", "opened", "opening")

    def __init__(self, journal: Journal, clock: Clock, opening: Opening, closing: Closing) -> None:
        self.opening = opening
        self.closing = closing
        self.opened = False
        self.closed = False
        self._journal = journal
        self._clock = clock
        self._started = clock.monotonic()
        self._waited = 0.0  # milliseconds of what has passed that others took
        self._arrived = 0.0  # when the upstream's answer was there as a whole, if it was read so

    def decided(self, resource: Resource, decision: Decision) -> None:
        """What was asked for and what policy said, also when the call will be refused."""
        opening = self.opening
        opening.resource = resource.name
        opening.action = resource.action
        opening.effect = resource.effect
        opening.decision = decision.verdict
        opening.rule = decision.rule

    def open(self, reserved: int | None) -> None:
        """Write the intent. Nothing may go upstream before. Raises GateError `journal_unavailable`."""
        self.opening.reserved_nano = reserved
        self._journal.intent(self.opening)
        self.opened = True

    def confirm(self) -> None:
        """Before the call goes upstream, if it had to wait. Raises GateError `journal_unavailable` where its intent was not kept."""
        self._journal.confirm(self.opening.id)

    def attempt(self, target: Target) -> Attempt:
        """Note that a target is tried now. Raises as `confirm` does: a further target is tried only after a wait for the one before."""
        if self.closing.attempts:
            self.confirm()
        attempt = Attempt(target.upstream, target.model, 0, "", self._elapsed())
        self.closing.attempts.append(attempt)
        self.closing.provider = target.upstream
        self.closing.upstream_model = target.model
        return attempt

    def attempted(self, attempt: Attempt, status: int, reason: str) -> None:
        """Note how the attempt ended: with an answer's status, or with a reason and none."""
        took = self._elapsed() - attempt.duration_ms
        self._waited += took
        attempt.duration_ms = _cut(took)
        attempt.status = status
        attempt.reason = reason

    def pass_over(self, target: Target, reason: str) -> None:
        """Note that a further target is not tried, and why."""
        self.closing.attempts.append(Attempt(target.upstream, target.model, 0, reason))

    def _give_up(self, attempt: Attempt, reason: str) -> None:
        """The attempt under way ends with the call."""
        if not attempt.reason:
            self.attempted(attempt, 0, reason)

    def answered(self, answer: UpstreamAnswer) -> None:
        """Note that the upstream's answer has begun, and the id it gave the request."""
        elapsed = self._elapsed()
        self.closing.first_byte_ms = _cut(elapsed)
        self.closing.gate_ms = _cut(elapsed - self._waited)
        fields = answer.fields
        found = fields.get(b"x-request-id") or fields.get(b"request-id") or fields.get(b"x-goog-request-id")
        if found:
            self.closing.request_id = found[:ID_LENGTH].decode("latin-1")

    def waited(self, seconds: float) -> None:
        """Note that so much of what has passed went by waiting for the caller's body."""
        self._waited += seconds * 1000

    def arrived(self) -> None:
        """Note that the upstream's answer is there as a whole: what comes now is the gate's own time."""
        self._arrived = self._elapsed()

    def claim(self, request: ModelRequest | None) -> None:
        """What the body claims: model, user, session, tags. Recorded, never decided by."""
        if request is None:
            return
        opening = self.opening
        opening.model = request.model
        opening.claimed_user = request.claimed_user[:ID_LENGTH]
        opening.session = opening.session or request.session[:ID_LENGTH]
        if request.tags:
            opening.tags = {**request.tags, **opening.tags}

    def settle(self, status: int, stream_error: str = "") -> None:
        """Close as the upstream ended it: ok, or failed where it answered with an error, in its status or inside its stream."""
        if stream_error:
            self.close("failed", status, "stream_error")
        elif status >= 400:
            self.close("failed", status, "upstream_error")
        else:
            self.close("ok", status)

    def close(self, outcome: Outcome, status: int, reason: str = "") -> None:
        """Write how the call ended. Nothing that completes the answer may be released before.

        Raises GateError `journal_unavailable` where even the reserve is full.
        """
        if self.closed:
            return
        self.closed = True
        closing = self.closing
        closing.outcome = outcome
        closing.status = status
        closing.reason = reason
        elapsed = self._elapsed()
        closing.duration_ms = _cut(elapsed)
        if self._arrived:
            closing.gate_ms = _cut(closing.gate_ms + elapsed - self._arrived)
        if not self.opened:
            self._journal.refused(self.opening, closing)
            return
        self._journal.settle(closing)

    def fail(self, error: DurwardError, begun: bool) -> None:
        """Close after an error, as far as the journal can still be written: the error itself must reach the caller.

        `begun`: the caller has already had a part of the answer.
        """
        outcome: Outcome = "cut" if begun else "refused"
        if not begun and (error.facts.fault == "upstream" or error.reason == "caller_gone"):
            outcome = "failed"
        if not self.closed and self.closing.attempts and self.closing.attempts[-1].status == 0:
            self._give_up(self.closing.attempts[-1], error.reason)
        try:
            self.close(outcome, error.status, error.reason)
        except GateError:
            # The journal counts what it could not write; recovery turns the open intent into `unknown`.
            self.closed = True

    def _elapsed(self) -> float:
        return (self._clock.monotonic() - self._started) * 1000


def _cut(milliseconds: float) -> float:
    """Microseconds are as far as a duration is known."""
    return int(milliseconds * 1000) / 1000
