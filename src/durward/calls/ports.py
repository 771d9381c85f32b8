"""The outside world as the gate sees it: clock, randomness, the caller's exchange, the upstream's answer, the journal.

`server/` builds the real ones; a simulation builds others. Nothing in the call path asks the operating system directly.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Literal, NamedTuple, Protocol

from durward.calls.once import KeptAnswer, Once
from durward.calls.origin import Origin, Timeouts
from durward.calls.record import Closing, Opening
from durward.calls.retries import RetryBudget

OnDisk = Callable[[str], Awaitable[None]]
"""See `Journal.on_disk`."""


class Clock(Protocol):
    """Wall time for records and windows, monotonic time for durations and deadlines."""

    def time(self) -> float:
        """Unix time in seconds."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""


class Random(Protocol):
    """A source of random bytes; the real one is the operating system's."""

    def bytes(self, count: int) -> bytes: ...


class RequestHead:
    """A request's head, valid by grammar (RFC 9112), its framing already decided.

    `fields` holds the headers the gate acts on, by lower-case name, values stripped of outer whitespace.
    `forward` holds, in order and byte for byte, the header lines (without CRLF) that may go upstream; a field that is both read
    and passed on stands in both. Hop-by-hop headers, key carriers and the gate's own headers are never in `forward`.
    """

    __slots__ = ("fields", "forward", "length", "memo", "method", "target")

    def __init__(
        self, method: str, target: bytes, fields: dict[bytes, bytes], forward: list[bytes], length: int | None
    ) -> None:
        self.method = method
        self.target = target
        """The request-target as received: origin-form, or `*`."""
        self.fields = fields
        """Of a body's length `length` alone tells; a `content-length` in here may be that of an earlier head."""
        self.forward = forward
        self.length = length
        """Bytes of the body: 0 without one, None when it comes chunked."""
        self.memo: object = None
        """Whatever the app noted about this head. A connection hands it on to the next head that differs in
        its length and its `traceparent` alone."""


class Exchange(Protocol):
    """One request on one caller's connection, and the answer to it. The task that holds it is cancelled when the caller hangs up."""

    @property
    def head(self) -> RequestHead:
        """The request's head."""

    @property
    def peer(self) -> str:
        """The caller's address, for sampling refusals; never authority."""

    @property
    def started(self) -> bool:
        """True once any byte of the final answer has been handed to the connection."""

    @property
    def gone(self) -> bool:
        """True once the caller has hung up."""

    @property
    def congested(self) -> bool:
        """True while the caller reads slower than the answer is written; then await `drained()` before writing more."""

    @property
    def waited(self) -> float:
        """Seconds for which `body` has had to wait for the caller."""

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises CallerError `too_large` beyond `limit` bytes, `malformed_http`, `request_timeout`."""

    async def chunk(self) -> bytes:
        """The next bytes of the body, b"" at its end: for bodies that are passed on as they come."""

    def let_go(self) -> None:
        """The body is needed no longer, though the call goes on."""

    def send(self, status: int, lines: bytes, body: bytes) -> None:
        """The whole answer at once. `lines` are header lines, each ended by CRLF, without framing headers."""

    def begin(self, status: int, lines: bytes, length: int | None) -> None:
        """Start an answer whose body follows by `write`; `length` None: until `end` (chunked, or close for HTTP/1.0)."""

    def write(self, data: bytes) -> None:
        """More of the body of an answer that has begun. Never blocks; mind `congested`."""

    def pass_on(self, data: bytes) -> bool:
        """As `write`, for bytes on which no line of the journal hangs: they need not wait for it. False if `congested` now."""

    async def drained(self) -> None:
        """Wait until the caller has read enough. Bounded by the edge's deadline for slow readers."""

    def end(self) -> None:
        """The answer is complete."""

    def abort(self) -> None:
        """Close the connection so that the caller sees an answer cut short (no terminal chunk)."""


class UpstreamAnswer(Protocol):
    """An upstream's final (never 1xx) response head, and the body behind it."""

    status: int
    fields: dict[bytes, bytes]
    """Headers the gate reads, lower-case name to value: content-type, content-encoding, retry-after, request ids."""
    forward: bytes
    """Header lines that may go back to the caller, byte for byte, each ended by CRLF; no hop-by-hop, framing, alt-svc, set-cookie."""
    cookies: bytes
    """The Set-Cookie lines, kept apart: only `/api` passes them on."""
    length: int | None
    """Content-Length, 0 for an empty body, None when the end is found by chunks or by close."""

    async def chunk(self) -> bytes:
        """The next bytes of the body as they came (decoded from chunks), b"" at its end.

        Raises UpstreamError `upstream_cut`, `upstream_silent`, `upstream_malformed`.
        """

    async def pour(self, into: Callable[[bytes], bool]) -> bool:
        """Hand the body to `into` piece by piece as it comes, in the very moment it comes, until `into` answers False: then True.

        False at the body's end. What follows a stop is kept for the next `pour` or `chunk`. `into` must not raise. Raises as `chunk`.
        """

    def ended(self) -> bool:
        """True when every byte of the body has been handed out by `chunk` or lies complete in what it will hand out next."""

    async def whole(self, limit: int) -> bytes | None:
        """The whole body if it has at most `limit` bytes, else None and `chunk` still yields every byte."""

    def cancel(self) -> None:
        """Drop the rest: closes the connection unless the body had ended. Safe to call twice."""


class Upstreams(Protocol):
    """Sends one request to one origin."""

    async def send(
        self,
        origin: Origin,
        head: bytes,
        body: "bytes | Callable[[], Awaitable[bytes]]",
        timeouts: Timeouts,
        confirm: Callable[[], None] | None = None,
    ) -> UpstreamAnswer:
        """Write the head (request line to blank line, framing headers included) and the body, and wait for the final response head.

        A body that comes in pieces is a function that answers the next one, b"" at the end; the head then says
        `Transfer-Encoding: chunked` and the pool frames it, or says Content-Length and it is written as it comes.
        Where a connection has to be waited for, `confirm` is asked before anything is written; what it raises is raised.
        Raises UpstreamError `upstream_unreachable`, `upstream_silent`, `upstream_malformed`, `upstream_cut`.
        """


Outcome = Literal["answered", "busy", "doubtful", "failed"]
"""What a call says of its upstream: it works; it has too much to do; it failed, perhaps through the request; it failed."""


class UpstreamKey(NamedTuple):
    """What is well or not as one: an upstream of the configuration, where it is, and the digest of what is presented there."""

    name: str
    origin: Origin
    credential: bytes


class Standing(Protocol):
    """How one upstream stands, as its last calls found it. Times are monotonic seconds; nothing here waits."""

    clear: bool
    """Nothing speaks against it: neither `rank` nor `admit` need be asked, and a good answer need not be noted."""
    retries: RetryBudget

    def called(self, now: float) -> None:
        """It is sent a call."""

    def rank(self, model: str, now: float) -> int:
        """The lower, the rather it should be tried: 0 well, 1 asked to wait for this model, 2 ejected."""

    def admit(self, now: float) -> bool:
        """Whether it may be sent a call now; if so, that counts."""

    def note(self, model: str, outcome: Outcome, now: float, wait: float | None = None) -> None:
        """How a call ended there; `wait`: for how many seconds it asked to be left alone."""


class Health(Protocol):
    """Whose state outlives a configuration."""

    def of(self, key: UpstreamKey) -> Standing:
        """The same object for the same key, until `keep` leaves it out."""

    def keep(self, keys: Iterable[UpstreamKey]) -> None:
        """Forget all others."""


class Journal(Protocol):
    """The chained, append-only journal: a line is written before anything that hangs on it leaves the gate.

    It may write the lines of one turn of the event loop together. Whoever waits between `intent` and sending asks `confirm`.
    Raises GateError `journal_unavailable` where a line cannot be written; `settle` uses the reserve and raises only when that is full.
    """

    on_disk: OnDisk | None
    """None where a line may be relied upon at once. Else asked with a call's id: what hangs on its last line waits for this.

    Raises GateError `journal_unavailable` where that line is not known to be on the disk.
    """

    def intent(self, opening: Opening) -> None: ...

    def confirm(self, call: str) -> None:
        """Whether the intent of a call that has waited since is still to be relied upon."""

    def settle(self, closing: Closing) -> None: ...

    def refused(self, opening: Opening, closing: Closing) -> None: ...

    def unavailable(self) -> bool:
        """True while new calls cannot be recorded; readiness agrees."""


class AnswerStore(Protocol):
    """Keeps the answers of calls that are to take effect once, for all gates of this machine.

    Raises GateError `idempotency_unavailable` where it cannot be used, `overloaded` where too much waits for it.
    """

    async def begin(self, once: Once) -> KeptAnswer | None:
        """Begin a call, None then; or the kept answer of the one before that is the same.

        Raises CallerError `idempotency_mismatch`, `idempotency_in_progress`, `idempotency_unknown`, `idempotency_not_kept`.
        """

    async def keep(self, once: Once, answer: KeptAnswer | None) -> None:
        """The call is complete, as it is written when this returns; None where its answer is too large to be kept."""

    def leave(self, once: Once, unknown: bool) -> None:
        """The call ended otherwise: it may be made again, or, `unknown`, nobody knows whether it took effect.

        Never waits, and is done behind what was asked before; a call that has not begun, or is complete, stays as it is.
        """
