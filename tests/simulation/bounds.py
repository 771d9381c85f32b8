"""What must happen in time, and not before: cancelling, silence, and callers that stop in the middle of their request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durward.server.bounds import Bounds
from durward.server.edge import TICK as EDGE_TICK
from durward.upstreams.connection import TICK

if TYPE_CHECKING:
    from tests.simulation.truth import Arrival, Call, Truth
    from tests.simulation.world import World

CANCEL_SECONDS = 0.1
"""Within this long of a caller's end, the upstream's connection ends."""
SLACK = 0.001
WAY_SECONDS = 0.2
"""The longest that something is on its way."""
QUIET = ("silent", "stall")
"""What an upstream does when it says no more and leaves its connection open."""
BOUNDS = Bounds()


def check(world: World, call: Call, closing: dict[str, Any]) -> None:
    """Hold one call against every bound; `closing` is the closing half of its record, empty where there is none."""
    _check_cancel(world.truth, call)
    _check_stalling(world.truth, call)
    for arrival in call.arrivals:
        if not call.soiled:
            _check_silence(world, arrival, closing)


def _dead(arrival: Arrival) -> bool:
    life = arrival.end.life
    return life is not None and life.dead


def _check_cancel(truth: Truth, call: Call) -> None:
    """A caller that has gone takes its upstream's connection with it."""
    gone = call.end.gone_at if call.end is not None else None
    if gone is None or call.soiled or (call.released_at is not None and call.released_at <= gone):
        return
    for arrival in call.arrivals:
        ended = arrival.end.ended_at
        answered = arrival.answered_at
        if _dead(arrival) or (answered is not None and answered <= gone + SLACK):
            continue
        if ended is None or ended > max(gone, arrival.at) + CANCEL_SECONDS:
            truth.violate("cancel", f"{call}: its caller was gone at {gone:.4f}, its upstream's connection at {ended}")


def _check_silence(world: World, arrival: Arrival, closing: dict[str, Any]) -> None:
    """An upstream that says no more is given up in time, and not before."""
    timeouts, end, call = world.scenario.timeouts, arrival.end, arrival.call
    given_up = closing.get("reason") == "upstream_silent" and arrival is call.arrivals[-1]
    if given_up and arrival.plan.fault not in QUIET:
        world.truth.violate("deadline", f"{call} was given up for a silence that was none: {closing}")
    if not arrival.silent or end.ended_at is None or _dead(arrival):
        return
    # A part of a head is no answer yet: the whole of it may take as long as the first byte.
    quiet = end.ended_at - max(arrival.whole_at, end.delivered_at)
    least = min(timeouts.between_chunks, timeouts.first_byte)
    most = max(timeouts.between_chunks, timeouts.first_byte) + 2 * TICK + CANCEL_SECONDS
    if quiet > most and end.is_reading():
        world.truth.violate("deadline", f"{call}: its upstream was silent for {quiet:.2f} s")
    waited = end.ended_at - (max(call.up_at, end.delivered_at) if arrival.begun else call.up_at)
    if given_up and waited < least - SLACK:
        world.truth.violate("deadline", f"{call}: its upstream was given up after {waited:.2f} s")


def _check_stalling(truth: Truth, call: Call) -> None:
    """A caller that stops in the middle of its request is not waited for."""
    end, stalled = call.end, call.stalled_at
    if end is None or stalled is None or (end.life is not None and end.life.dead):
        return
    most = stalled + max(BOUNDS.head_seconds, BOUNDS.body_seconds) + 3 * EDGE_TICK + WAY_SECONDS
    ended = min((at for at in (call.released_at, end.gone_at, end.ended_at) if at is not None), default=None)
    if ended is None or ended > most:
        truth.violate("deadline", f"{call} stopped in its request at {stalled:.2f}, and was waited for until {ended}")
