"""Brings one upstream answer to the caller: as one piece, as a followed stream, or as opaque bytes.

Each way settles the call before its terminal event, or its last bytes, are released: `settle` is called exactly then, and what it
raises keeps them back.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from durward.calls.errors import UpstreamError
from durward.calls.ports import Clock, Exchange, UpstreamAnswer
from durward.protocols.wire import ObjectId, StreamReader

QUIET_SECONDS = 15.0
"""Silence after which an event stream gets an empty line, so that nothing between caller and gate takes it for dead."""


class Settle(Protocol):
    """Settles the call; a stream says which error its terminal event reported, "" for none.

    What is answered, if it is not None, is to be awaited before anything is released.
    """

    def __call__(self, stream_error: str = "") -> Awaitable[None] | None: ...


Claim = Callable[[Iterable[ObjectId]], Awaitable[None]]


def answer_lines(call: str, answer: UpstreamAnswer, cookies: bool) -> bytes:
    """The header lines of an answer that is passed on: the call's id, then the upstream's own."""
    return b"Durward-Call: %b\r\n%b%b" % (call.encode(), answer.forward, answer.cookies if cookies else b"")


class Pulse:
    """Open event streams that may need a heartbeat. One coarse tick serves them all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._relays: dict[Relay, None] = {}

    def watch(self, relay: "Relay") -> None:
        """Have a stream kept alive until `forget`."""
        self._relays[relay] = None

    def forget(self, relay: "Relay") -> None:
        self._relays.pop(relay, None)

    def beat(self) -> None:
        """Write an empty line to every stream that has been silent for 15 s and stands between two events. Call each second."""
        now = self._clock.monotonic()
        for relay in self._relays:
            relay.beat(now)


class Relay:
    """Counts what went to the caller: `bytes_out` of body.

    `reader` follows the stream that the caller is reading, None where none has begun or its terminal event is out: only there can an
    error still be told.
    """

    __slots__ = (
        "_followed",
        "_held",
        "_pass_on",
        "_pulse",
        "_since",
        "_spoke",
        "bytes_out",
        "exchange",
        "reader",
    )

    def __init__(self, exchange: Exchange, pulse: Pulse) -> None:
        self.exchange = exchange
        self.bytes_out = 0
        self.reader: StreamReader | None = None
        self._pulse = pulse
        self._followed: StreamReader | None = None
        self._pass_on = exchange.pass_on  # looked up once: it is asked again with every piece
        self._spoke = True  # since the last beat
        self._since = 0.0  # when the silence was noticed first
        self._held = b""  # of a stream: what may be released once that is done for which it has stopped

    def pass_through(self, exchange: Exchange) -> None:
        """What is answered from now on goes through this exchange to the one before."""
        self.exchange = exchange
        self._pass_on = exchange.pass_on

    def whole(self, status: int, lines: bytes, body: bytes, settle: Settle) -> Awaitable[None] | None:
        """An answer that was read whole. Sent at once; where it has to wait, the wait for it is answered."""
        self.bytes_out = len(body)
        waits = settle()
        if waits is not None:
            return self._whole_later(waits, status, lines, body)
        self.exchange.send(status, lines, body)
        return None

    async def _whole_later(self, waits: Awaitable[None], status: int, lines: bytes, body: bytes) -> None:
        await waits
        self.exchange.send(status, lines, body)

    async def stream(
        self, answer: UpstreamAnswer, lines: bytes, reader: StreamReader, settle: Settle, claim: Claim
    ) -> None:
        """A followed event stream; `settle` runs before the terminal event, or at a clean end without one.

        Raises UpstreamError: of the upstream's connection, or `upstream_cut` where the stream ended before its content did.
        """
        self.exchange.begin(answer.status, lines, None)
        self._follow(reader)
        try:
            try:
                while await answer.pour(self._passes):
                    await self._stop_over(reader, settle, claim)
            except UpstreamError:
                # The caller that has the terminal event has the whole answer, however the upstream's connection then ends.
                if self.reader is not None:
                    raise
            rest = reader.finish()
            if reader.objects:
                await self._claim(reader, claim)
            if not (reader.ended or reader.finished):
                # What is left is the beginning of an event, and would swallow the error behind it.
                raise UpstreamError(
                    "The upstream ended its stream before the answer was complete.", reason="upstream_cut"
                )
            self.bytes_out += len(rest)
            if self.reader is not None:
                if (waits := settle(reader.error)) is not None:
                    await waits
                self.reader = None
            await self._release(rest)
            self.exchange.end()
        finally:
            self._pulse.forget(self)

    def _follow(self, reader: StreamReader) -> None:
        # Apart from `stream`: where it is assigned, types take `reader` for what it is then, whatever happens meanwhile.
        self.reader = reader
        self._followed = reader
        self._spoke = True
        self._pulse.watch(self)

    def _passes(self, data: bytes) -> bool:
        """One piece of a stream; False where something must be done first that takes a task: claim, settle, or wait for the caller."""
        reader = self._followed
        assert reader is not None
        self._spoke = True
        released = reader.feed(data)
        if reader.ended or reader.objects:
            self._held = released
            return False
        if not released:
            return True
        self.bytes_out += len(released)
        return self._pass_on(released)

    def beat(self, now: float) -> None:
        """A second has passed: keep a silent stream alive. Silence is counted from the first beat that finds it."""
        reader = self._followed
        if self._spoke or reader is None:
            self._spoke = False
            self._since = now
        elif now - self._since >= QUIET_SECONDS and reader.at_boundary() and not self.exchange.congested:
            self.exchange.write(b"\n")
            self._since = now

    async def _stop_over(self, reader: StreamReader, settle: Settle, claim: Claim) -> None:
        """What a piece has stopped for: new objects get their owner, the terminal event its record first, a slow caller time."""
        released, self._held = self._held, b""
        if reader.objects:
            await self._claim(reader, claim)
        ends = reader.ended and self.reader is not None
        if ends:
            released += reader.take_held()
        self.bytes_out += len(released)
        if ends:
            if (waits := settle(reader.error)) is not None:
                await waits
            # From here on no error can be told any more.
            self.reader = None
        await self._release(released)

    @staticmethod
    async def _claim(reader: StreamReader, claim: Claim) -> None:
        await claim(reader.objects)
        reader.objects.clear()

    async def opaque(self, answer: UpstreamAnswer, lines: bytes, settle: Settle) -> None:
        """Bytes as they come. The last bytes of a known length, or the end of any other, wait for `settle`."""
        if answer.ended() and answer.length == 0:
            if (waits := settle()) is not None:
                await waits
            # An answer without a body may still say how long it would be (RFC 9110 §9.3.2).
            self.exchange.begin(answer.status, lines, int(answer.fields.get(b"content-length", b"0")))
            self.exchange.end()
            return
        self.exchange.begin(answer.status, lines, answer.length)
        while data := await answer.chunk():
            self.bytes_out += len(data)
            if answer.ended():
                if (waits := settle()) is not None:
                    await waits
                self.exchange.write(data)
                break
            await self._release(data)
        if (waits := settle()) is not None:
            await waits
        self.exchange.end()

    async def _release(self, data: bytes) -> None:
        if data:
            self.exchange.write(data)
        if self.exchange.congested:
            await self.exchange.drained()
