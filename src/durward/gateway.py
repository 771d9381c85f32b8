"""The sentence: one call, from arrival to record.

    identify → resolve → authorize → [once] → route → [credential → send]* → meter → record

Written once for every kind of traffic. Doors never call stages; what differs between kinds is said by their protocol, their catalog
entry and their price, never by another order of steps.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from msgspec.structs import replace

from durward.attempts import Attempts
from durward.calls.errors import DENIED_BY_RULE, CallerError, DurwardError, GateError, Refused
from durward.calls.identifiers import uuid7
from durward.calls.ports import Clock, Exchange, Journal, OnDisk, Random, RequestHead, UpstreamAnswer, Upstreams
from durward.calls.principal import Principal
from durward.calls.record import Closing
from durward.identity.keys import Keys, digest_of
from durward.listings import ListedModels, shows
from durward.metering.meter import Meter
from durward.protocols.arrival import Arrival, read_arrival
from durward.protocols.bodies import Asked, read_asked
from durward.protocols.objects import shown_objects
from durward.protocols.speakers import HTTP, Speaker, error_event, follow
from durward.protocols.trace import read_trace
from durward.protocols.wire import Answer
from durward.records.entry import Entry
from durward.records.times import timestamp
from durward.replays import Recording, Replays, ask_once
from durward.snapshot import Course, Known, Snapshot, suggesting
from durward.upstreams.relay import Pulse, Relay, answer_lines
from durward.upstreams.request import Outbound

WHOLE_ANSWER_LIMIT = 16 * 2**20
"""A plain answer is read whole up to this size; a larger one is passed on as it comes, its usage estimated."""


class Gateway:
    """One gate: a snapshot of the stages, and the ports to the outside. `handle` is the app of the edge."""

    def __init__(
        self, snapshot: Snapshot, keys: Keys, journal: Journal, upstreams: Upstreams, clock: Clock, random: Random
    ) -> None:
        self._keys = keys
        self._journal = journal
        self._on_disk = journal.on_disk
        self._upstreams = upstreams
        self._attempts = Attempts(upstreams, clock)
        self._listings = ListedModels(upstreams, journal.on_disk)
        self.replays = Replays()
        self._clock = clock
        self._random = random
        self.take_over(snapshot)
        self.pulse = Pulse(clock)
        self.stopping = False
        self.on_refused: Callable[[str, str], None] = _unheard
        """Told, with reason and address, of what is refused before it has an identity, and so leaves no record."""

    def take_over(self, snapshot: Snapshot) -> None:
        """From now on calls begin with this snapshot; those in progress keep theirs."""
        self._snapshot = snapshot
        snapshot.keep_health()
        snapshot.listings.fetch = partial(self._listings.fetch, snapshot)

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request. Whatever happens, the caller gets an answer in its own wire and the call its record."""
        now = self._clock.time()
        call = uuid7(int(now * 1000), self._random.bytes(10))
        speaker: Speaker = HTTP
        entry: Entry | None = None
        head = exchange.head
        relay = Relay(exchange, self.pulse)
        try:
            known = self.known(head)
            arrival = known.arrival
            speaker = arrival.speaker
            if arrival.address.door in ("health", "ready"):
                self._report_health(exchange, arrival.address.door == "ready")
                return
            principal = self.identify(known, head)
            trace, parent = read_trace(head.fields)
            opening = replace(
                known.opening,
                id=call,
                time=timestamp(now),
                trace=trace or self._random.bytes(16).hex(),
                parent=parent,
            )
            entry = Entry(self._journal, self._clock, opening, Closing(call, "unknown"))
            await self._govern(relay, known, principal, entry)
        except DurwardError as error:
            if entry is None:
                self.on_refused(error.reason, exchange.peer)
            await _refuse(relay, speaker, entry, error, call, self._on_disk)
            # Whoever failed may still hold it; the frames behind it would hold the call's body with it.
            error.__traceback__ = None
        # Raised again by name: behind an `await`, compiled code no longer knows which exception a bare `raise` means.
        except asyncio.CancelledError as cancelled:
            if not exchange.gone:
                stopping = GateError("The gate is stopping.", reason="stopping")
                await _refuse(relay, speaker, entry, stopping, call, self._on_disk)
            elif entry is not None:
                entry.fail(CallerError("The caller hung up.", reason="caller_gone"), exchange.started)
            raise cancelled
        except Exception as bug:
            await _refuse(relay, speaker, entry, GateError("The gate failed."), call, self._on_disk)
            raise bug

    def known(self, head: RequestHead) -> Known:
        """What the head tells, noted on it for the next one that is equal. Raises CallerError `bad_path`, `not_found`."""
        known = head.memo
        if not isinstance(known, Known) or known.snapshot is not self._snapshot:
            known = head.memo = Known(self._snapshot, read_arrival(head, self._snapshot.catalog.wire_of))
        return known

    def identify(self, known: Known, head: RequestHead) -> Principal:
        """Who calls; the key is looked up for each call, since it may have been rotated since the last.

        Raises CallerError `key_missing`, `key_unknown`, `conflicting_keys`.
        """
        if not known.digest:
            known.digest = digest_of(head.fields, known.arrival.query.keys)
        principal = self._keys.of(known.digest)
        if principal is not known.principal:
            known.introduce(principal, head)
        return principal

    async def _govern(self, relay: Relay, known: Known, principal: Principal, entry: Entry) -> None:
        exchange = relay.exchange
        snapshot = known.snapshot
        arrival = known.arrival
        if arrival.route is not None and arrival.route.kind in ("listing", "entry"):
            await self._listings.answer(exchange, known, principal, entry)
            return
        recording = None
        if known.once:
            exchange = recording = Recording(exchange, entry)
            relay.pass_through(exchange)
        asked = await read_asked(exchange, arrival)
        entry.waited(exchange.waited)
        request = asked.request
        if request is not None:
            entry.claim(request)
        try:
            course = snapshot.course(principal, arrival, exchange.head.method, request)
        except CallerError as error:
            raise suggesting(error, snapshot, arrival, asked, shows(snapshot, principal)) from None
        entry.decided(course.resource, course.decision)
        if not course.decision.allows:
            raise Refused(
                course.decision.message,
                rule=course.decision.rule,
                remedy=DENIED_BY_RULE if course.decision.rule else "",
            )
        if asked.place is not None or asked.objects:
            holders = await snapshot.ownership.holders(principal, course.resource, asked)
            course = course.within(holders)
        outbound = Outbound(exchange, arrival, asked, known.lines(exchange.head, entry.opening))
        if recording is None:
            await self._carry(known, course, outbound, relay, entry)
            return
        once = await ask_once(recording, arrival, principal, course, entry)
        carry = partial(self._carry, known, course, outbound, relay, entry)
        await self.replays.once(recording, once, entry, carry, self._on_disk)

    async def _carry(self, known: Known, course: Course, outbound: Outbound, relay: Relay, entry: Entry) -> None:
        """Send the call, and bring its answer back; its record is open before and closed behind."""
        snapshot, request = known.snapshot, outbound.asked.request
        entry.open(snapshot.worst_case(course, request))
        if self._on_disk is not None:
            await self._on_disk(entry.opening.id)
        meter = Meter(course.resource.action, request)
        try:
            answer = await self._attempts.answer(snapshot, course, outbound, meter, entry)
            try:
                await self._answer(known, outbound, relay, answer, meter, entry)
            finally:
                answer.cancel()
        finally:
            _measure(entry, outbound, relay, meter)

    async def _answer(
        self, known: Known, outbound: Outbound, relay: Relay, answer: UpstreamAnswer, meter: Meter, entry: Entry
    ) -> None:
        """Relay the answer in the way its kind needs; the call is settled before the answer's terminal event."""
        entry.answered(answer)
        snapshot, arrival, asked = known.snapshot, known.arrival, outbound.asked
        claim = partial(snapshot.ownership.claim, known.principal, entry.closing.provider)
        lines = answer_lines(entry.opening.id, answer, cookies=arrival.address.door == "api")
        good = answer.status < 400
        on_disk = self._on_disk

        def settle(stream_error: str = "") -> Awaitable[None] | None:
            _measure(entry, outbound, relay, meter)
            entry.settle(answer.status, stream_error)
            return None if on_disk is None else on_disk(entry.opening.id)

        if good and asked.request is not None and arrival.protocol is not None:
            hide = snapshot.providers[entry.closing.provider].asks_usage and not asked.request.wants_usage
            reader = follow(arrival.protocol, asked.request, answer, hide)
            if reader is not None:
                meter.follow(reader)
                outbound.let_go()
                await relay.stream(answer, lines, reader, settle, claim)
                return
        body = await answer.whole(WHOLE_ANSWER_LIMIT) if asked.reads_answer(answer) else None
        if body is None:
            await relay.opaque(answer, lines, settle)
            return
        entry.arrived()
        if good:
            told = _read_answer(arrival, asked, body)
            meter.follow(told)
            if told.objects:
                await claim(told.objects)
        if (waits := relay.whole(answer.status, lines, body, settle)) is not None:
            await waits

    def _report_health(self, exchange: Exchange, ready: bool) -> None:
        well = not ready or not (self.stopping or self._journal.unavailable())
        exchange.send(
            200 if well else 503,
            b"Content-Type: text/plain\r\nCache-Control: no-store\r\n",
            b"ok\n" if well else b"not ready\n",
        )


def _unheard(_reason: str, _peer: str) -> None:
    """For a gateway whose refusals nobody counts."""


def _measure(entry: Entry, outbound: Outbound, relay: Relay, meter: Meter) -> None:
    """Write into the closing half what went up, what came down, what it used and cost."""
    closing = entry.closing
    if not entry.closed:
        closing.bytes_in = outbound.bytes_in
        closing.bytes_out = relay.bytes_out
        meter.measure(closing)


def _read_answer(arrival: Arrival, asked: Asked, body: bytes) -> Answer:
    """What a whole answer tells: usage of a model call, new objects of a provider route."""
    if asked.place is not None:
        return Answer(objects=shown_objects(asked.place, body))
    return arrival.protocol.answer(body) if arrival.protocol is not None else Answer()


async def _refuse(
    relay: Relay, speaker: Speaker, entry: Entry | None, error: DurwardError, call: str, on_disk: OnDisk | None
) -> None:
    """The one place where an error becomes an answer: the record first, then the caller, in its own wire.

    In a body that has begun only a followed stream has a place for it; anything else is cut, and no byte of ours stands in it.
    """
    exchange = relay.exchange
    if entry is not None:
        entry.fail(error, exchange.started)
        if on_disk is not None:
            # It is told all the same where its record is not kept: it is no answer.
            with suppress(GateError):
                await on_disk(call)
    if not exchange.started:
        rendered = speaker.write_error(error, call)
        exchange.send(rendered.status, rendered.lines, rendered.body)
        return
    if relay.reader is not None and (event := error_event(speaker, relay.reader, error, call)):
        exchange.write(event)
    exchange.abort()
