"""Calls with an `Idempotency-Key`: each is carried once, and its answer kept; the same call again gets that answer.

After draft-ietf-httpapi-idempotency-key-header-07. The answer is caught on its way to the caller, and its end held back until it is
kept, so that who has seen the end of an answer gets that answer again.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256

from durward.calls.errors import CallerError, GateError
from durward.calls.once import KeptAnswer, Once
from durward.calls.ports import AnswerStore, Exchange, OnDisk, RequestHead
from durward.calls.principal import Principal
from durward.protocols.arrival import Arrival
from durward.protocols.bodies import MODEL_BODY_LIMIT, OTHER_BODY_LIMIT
from durward.records.entry import Entry
from durward.snapshot import Course

MARK = b"Idempotent-Replayed: true\r\n"
ASKED_BY = (b"content-encoding", b"anthropic-version", b"anthropic-beta")
"""Header fields that say, beside the media type, what a body means."""
UNKEPT = frozenset((408, 409, 425, 429))
"""Statuses below 500 that tell of a moment, not of the call."""
OF_OURS = frozenset((401, 402, 403))
"""Statuses that tell of the credential that was presented: where it is the gate's own, not of the call."""
UNSENT = frozenset(
    ("upstream_unreachable", "upstream_ejected", "retries_spent", "credential_missing", "journal_unavailable")
)
"""How an attempt may end of which the upstream has seen nothing."""

_plain = re.compile(rb"[ -~]{1,255}").fullmatch
_quoted = re.compile(rb'"((?:[ !#-\[\]-~]|\\["\\])*)"').fullmatch
_escaped = re.compile(rb'\\(["\\])').sub
_boundary = re.compile(rb'boundary="?([^";,]+)"?', re.IGNORECASE).search

log = logging.getLogger("replays")


class Replays:
    """Sees to it that a call takes effect once. `answers` and `max_answer` (bytes of a body) are set by whoever builds the gate."""

    __slots__ = ("answers", "max_answer")

    def __init__(self) -> None:
        self.answers: AnswerStore | None = None
        self.max_answer = 0

    async def once(
        self,
        recording: "Recording",
        once: Once,
        entry: Entry,
        carry: Callable[[], Awaitable[None]],
        on_disk: OnDisk | None,
    ) -> None:
        """Carry the call, or answer it as it was answered before.

        Raises what `carry` raises, CallerError `idempotency_mismatch`, `idempotency_in_progress`, `idempotency_unknown`,
        `idempotency_not_kept`, GateError `idempotency_unavailable`, `overloaded`.
        """
        answers = self.answers
        if answers is None:
            raise GateError("This gate keeps no answers.", reason="idempotency_unavailable")
        kept = await _begun(answers, once)
        if kept is not None:
            await _replay(recording, kept, entry, on_disk)
            return
        ending = Ending(answers, once, entry, recording)
        recording.begins(self.max_answer, ending.keep)
        whole = False
        try:
            await carry()
            await ending.keep()
            whole = True
        finally:
            ending.leave()
            if whole:
                recording.release()
            else:
                recording.forget()


class Ending:
    """How a call that was begun ends: its answer is kept, once it is complete and the call's own, or it is left."""

    __slots__ = ("_answers", "_entry", "_kept", "_once", "_recording")

    def __init__(self, answers: AnswerStore, once: Once, entry: Entry, recording: "Recording") -> None:
        self._answers = answers
        self._once = once
        self._entry = entry
        self._recording = recording
        self._kept = False

    async def keep(self) -> None:
        """Keep the answer, if there is one to keep; once."""
        recording = self._recording
        if self._kept or not (recording.complete and _lasts(self._entry, recording.shows_ours)):
            return
        self._kept = True
        await _keep(self._answers, self._once, recording.answer())

    def leave(self) -> None:
        """It is over. What was not kept may be made again, or is not known."""
        if not self._kept:
            self._answers.leave(self._once, _unknown(self._once, self._entry, self._recording))


async def ask_once(
    recording: "Recording", arrival: Arrival, principal: Principal, course: Course, entry: Entry
) -> Once:
    """What tells two calls apart: who asks, where, under which key, and what. Reads the body of a call whose body was not read.

    Raises CallerError `idempotency_key_invalid`, and as `Exchange.body`.
    """
    head = recording.head
    key = read_key(head.fields[b"idempotency-key"])
    recording.shows_ours = not all(step.way.presented.caller for step in course.steps)
    before = recording.waited
    limit = (
        MODEL_BODY_LIMIT
        if arrival.protocol is not None
        else min((step.way.body_limit for step in course.steps), default=OTHER_BODY_LIMIT)
    )
    body = await recording.body(limit)
    entry.waited(recording.waited - before)
    path = "/".join((arrival.address.upstream, *arrival.address.path.raw))
    address = arrival.place or f"{head.method} {arrival.address.door} {path}?{arrival.query.text}"
    reads = course.resource.effect == "read"
    return Once(entry.opening.id, principal.tenant, principal.agent, address, key, digest_of(head, body), reads)


def read_key(field: bytes) -> str:
    """The key: a string of structured fields (RFC 9651 §3.3.3), or bare. Raises CallerError `idempotency_key_invalid`."""
    if field.startswith(b'"'):
        found = _quoted(field)
        bare = _escaped(rb"\1", found[1]) if found is not None else b""
    else:
        bare = field
    if _plain(bare) is None:
        raise CallerError("Idempotency-Key is no string of 1 to 255 characters.", reason="idempotency_key_invalid")
    return bare.decode("ascii")


def digest_of(head: RequestHead, body: bytes) -> bytes:
    """Over what is asked (SHA-256). A multipart boundary is left out: clients make up another one each time they try."""
    media = head.fields.get(b"content-type", b"")
    if media.lower().startswith(b"multipart/") and (found := _boundary(media)) is not None:
        body = body.replace(b"--" + found[1], b"--")
        media = media.replace(found[1], b"")
    digest = sha256()
    for part in (media, *(head.fields.get(name, b"") for name in ASKED_BY), body):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


async def _begun(answers: AnswerStore, once: Once) -> KeptAnswer | None:
    """A beginning that nobody has waited for to the end may have been made all the same: it is taken back then."""
    settled = False
    try:
        kept = await answers.begin(once)
        settled = True
        return kept
    except CallerError:
        settled = True
        raise
    finally:
        if not settled:
            answers.leave(once, False)


async def _keep(answers: AnswerStore, once: Once, answer: KeptAnswer | None) -> None:
    try:
        await answers.keep(once, answer)
    except GateError as error:
        # It has taken effect, and its answer is there: the caller gets it. Until its end is written the key stays in progress.
        log.error("the answer of call %s is not kept yet: %s", once.call, error.message)


def _lasts(entry: Entry, shows_ours: bool) -> bool:
    """Whether an answer is the call's own, and not of a moment or of our credential; of a stream that reported an error, it is not."""
    status = entry.closing.status
    if status >= 500 or status in UNKEPT or (shows_ours and status in OF_OURS):
        return False
    return entry.closing.reason in ("", "upstream_error")


def _unknown(once: Once, entry: Entry, recording: "Recording") -> bool:
    """Whether the call may have taken effect without anybody having seen how it ended."""
    if once.reads or recording.complete:
        return False
    return any(attempt.status or attempt.reason not in UNSENT for attempt in entry.closing.attempts)


async def _replay(recording: "Recording", kept: KeptAnswer, entry: Entry, on_disk: OnDisk | None) -> None:
    """The answer again, under this call's own id; nothing went up, and nothing is paid."""
    call = entry.opening.id
    entry.open(0)
    entry.closing.cost_nano = 0
    entry.closing.bytes_out = len(kept.body)
    entry.settle(kept.status)
    if on_disk is not None:
        await on_disk(call)
    recording.replay(kept, b"Durward-Call: %b\r\n%b%b" % (call.encode(), MARK, kept.lines))


class Recording:
    """An Exchange that keeps what passes through it: the request's body, so that it can be read again, and the answer.

    What is written once the call's record is closed waits until the answer is kept: it is its end. Whoever relays a stream comes by
    `drained` then, and the end goes on at once, however long the upstream's connection stays open behind it.
    """

    __slots__ = (
        "_body",
        "_caught",
        "_counted",
        "_entry",
        "_exchange",
        "_held",
        "_keep",
        "_lines",
        "_most",
        "_size",
        "_status",
        "complete",
        "shows_ours",
    )

    def __init__(self, exchange: Exchange, entry: Entry) -> None:
        self.shows_ours = True
        """Whether what is presented upstream is the gate's own credential."""
        self.complete = False
        """Whether the whole answer was written."""
        self._exchange = exchange
        self._entry = entry
        self._body: bytes | None = None
        self._most = -1  # bytes of an answer that is caught; nothing is while it is negative
        self._status = 0
        self._lines = b""
        self._counted = True
        self._caught: list[bytes] = []
        self._size = 0
        self._held: list[Callable[[], None]] = []
        self._keep: Callable[[], Awaitable[None]] | None = None

    @property
    def head(self) -> RequestHead:
        return self._exchange.head

    @property
    def peer(self) -> str:
        return self._exchange.peer

    @property
    def started(self) -> bool:
        return self._exchange.started

    @property
    def gone(self) -> bool:
        return self._exchange.gone

    @property
    def congested(self) -> bool:
        return bool(self._held) or self._exchange.congested

    @property
    def waited(self) -> float:
        return self._exchange.waited

    def begins(self, most: int, keep: Callable[[], Awaitable[None]]) -> None:
        """Catch the answer from now on, if its body has at most so many bytes; `keep` is called when its end has come."""
        self._most = most
        self._keep = keep

    def answer(self) -> KeptAnswer | None:
        """What was caught; None where it was too much."""
        if self._size > self._most:
            return None
        return KeptAnswer(self._status, self._lines, b"".join(self._caught), self._counted)

    def release(self) -> None:
        """Let the answer's end go."""
        self._most = -1
        for step in self._held:
            step()
        self._held.clear()

    def forget(self) -> None:
        """The answer will not end: what comes now passes at once."""
        self._most = -1
        self._held.clear()

    def replay(self, kept: KeptAnswer, lines: bytes) -> None:
        """Write a kept answer, in the form in which it was."""
        exchange = self._exchange
        if kept.counted:
            exchange.send(kept.status, lines, kept.body)
            return
        exchange.begin(kept.status, lines, None)
        exchange.write(kept.body)
        exchange.end()

    async def body(self, limit: int) -> bytes:
        """See `Exchange`."""
        if self._body is None:
            self._body = await self._exchange.body(limit)
        return self._body

    async def chunk(self) -> bytes:
        """See `Exchange`: the body that was read, at once."""
        body, self._body = self._body or b"", b""
        return body

    def let_go(self) -> None:
        """See `Exchange`."""
        self._body = None
        self._exchange.let_go()

    def send(self, status: int, lines: bytes, body: bytes) -> None:
        """See `Exchange`."""
        self._head(status, lines, True)
        self._catch(body)
        self.complete = True
        self._pass(partial(self._exchange.send, status, lines, body))

    def begin(self, status: int, lines: bytes, length: int | None) -> None:
        """See `Exchange`."""
        self._head(status, lines, length is not None)
        self._pass(partial(self._exchange.begin, status, lines, length))

    def write(self, data: bytes) -> None:
        """See `Exchange`."""
        self._catch(data)
        self._pass(partial(self._exchange.write, data))

    def pass_on(self, data: bytes) -> bool:
        """See `Exchange`."""
        if self._holds():
            self.write(data)
            return True
        self._catch(data)
        return self._exchange.pass_on(data)

    async def drained(self) -> None:
        """See `Exchange`. What is held is the terminal event of a stream: with it the answer is complete."""
        if self._held and self._keep is not None:
            self.complete = True
            await self._keep()
            self.release()
        if self._exchange.congested:
            await self._exchange.drained()

    def end(self) -> None:
        """See `Exchange`."""
        self.complete = True
        self._pass(self._exchange.end)

    def abort(self) -> None:
        """See `Exchange`."""
        self._held.clear()
        self._exchange.abort()

    def _holds(self) -> bool:
        return self._most >= 0 and self._entry.closed

    def _pass(self, step: Callable[[], None]) -> None:
        if self._holds():
            self._held.append(step)
        else:
            step()

    def _head(self, status: int, lines: bytes, counted: bool) -> None:
        self._status = status
        self._lines = lines.partition(b"\r\n")[2]  # the first is the call's id
        self._counted = counted

    def _catch(self, data: bytes) -> None:
        if self._most < 0:
            return
        self._size += len(data)
        if self._size <= self._most:
            self._caught.append(data)
        else:
            self._caught.clear()
