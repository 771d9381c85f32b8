"""Callers: they speak HTTP/1.1 with keep-alive, send ahead at times, read slowly, hang up at any byte, and note what they get."""

import asyncio
from random import Random
from typing import TYPE_CHECKING, NamedTuple, cast

from tests.simulation.answers import AnswerReader
from tests.simulation.pipes import End
from tests.simulation.traffic import request_of
from tests.simulation.truth import Call, Truth, Witness

if TYPE_CHECKING:
    from tests.simulation.loop import VirtualLoop

PATIENCE_SECONDS = 600.0
"""Longer than every deadline of the gate together: whoever waits so long waits in vain."""
AGAIN_SECONDS = 0.25
AGAIN = 40
"""How often a caller tries to connect while nobody listens."""


class Manner(NamedTuple):
    """How a caller behaves at one call."""

    hang_up: str = ""
    """How it ends the connection: `close`, `reset`, or `half` (it says no more, and reads on); empty: not at all."""
    request: float = 1.0
    """How much of the request it sends before that."""
    answer: int = -1
    """After how many bytes of the answer it hangs up; -1: after `wait` seconds."""
    wait: float = 0.0
    halts: float = 0.0
    """Seconds between the two halves in which it sends its request."""
    stalls: bool = False
    """It sends `request` of the request, and then nothing more, but does not hang up."""
    slow: float = 0.0
    """Seconds for which it reads nothing after each piece."""
    ahead: bool = False
    """It sends this call without waiting for the answer before."""
    think: float = 0.0
    """Seconds before it sends."""


class Asked(NamedTuple):
    """A call, and how its caller behaves."""

    call: Call
    manner: Manner


class Line(asyncio.Protocol):
    """One connection of a caller."""

    def __init__(self, loop: "VirtualLoop", truth: Truth) -> None:
        self.sent: list[Call] = []
        self.gone = False
        self.end: End
        self.bytes = 0
        self.slow = 0.0
        self.reader = AnswerReader(lambda at: self.sent[at].kind.method if at < len(self.sent) else None)
        self._loop = loop
        self._truth = truth
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.end = cast(End, transport)
        self.end.peer.spy = Witness(self._truth, self.sent).handed

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        self.reader.feed(data)
        for at, reading in enumerate(self.reader.readings):
            self.sent[at].reading = reading
        if self.slow:
            self.end.pause_reading()
            self._loop.call_later(self.slow, self.end.resume_reading)
        self._wake()

    def eof_received(self) -> bool:
        self.reader.ended()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        if self.reader.wrong:
            self._truth.violate("answer", f"{self.sent}: {self.reader.wrong}")
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def change(self) -> None:
        """Wait for anything to come, or for the end."""
        self._waiter = self._loop.create_future()
        await self._waiter


class Caller:
    """One caller, which asks one call after another and connects again where it has to."""

    def __init__(self, loop: "VirtualLoop", truth: Truth, dice: Random, script: list[Asked]) -> None:
        self._loop = loop
        self._truth = truth
        self._dice = dice
        self._script = script
        self._line: Line | None = None

    async def talk(self) -> None:
        """Ask everything."""
        script = self._script
        at = 0
        while at < len(script):
            after = at + 1
            while after < len(script) and script[after].manner.ahead:
                after += 1
            await self._ask_together(script[at:after])
            at = after
        if self._line is not None and not self._line.gone:
            self._line.end.close()

    async def _ask_together(self, group: list[Asked]) -> None:
        """Calls that are sent without a wait between them."""
        if group[0].manner.think:
            await asyncio.sleep(group[0].manner.think)
        line = await self._connected()
        if line is None:
            for asked in group:
                self._truth.note(f"{asked.call} finds nobody listening")
            return
        for place, asked in enumerate(group):
            alone = len(group) == 1
            asked.call.easy = alone and not (asked.manner.hang_up or asked.manner.stalls)
            if not await self._send(line, asked):
                for never in group[place + 1 :]:
                    never.call.gave_up = True
                group = group[: place + 1]
                break
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for asked in group:
                    await self._read(line, asked)
        except TimeoutError:
            self._truth.violate("deadline", f"{asked.call} waited for {PATIENCE_SECONDS:g} s")
            line.end.abort()

    async def _connected(self) -> Line | None:
        line = self._line
        if line is not None and not line.gone and not line.end.is_closing():
            return line
        for _ in range(AGAIN):
            try:
                opened = await self._loop.create_connection(lambda: Line(self._loop, self._truth), "gate", 7300)
            except OSError:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            self._line = cast(Line, opened[1])
            return self._line
        return None

    async def _send(self, line: Line, asked: Asked) -> bool:
        """Send one request, or a part of it; whether the connection is still of use then."""
        call, manner = asked
        request = request_of(call.kind, call.trace, call.key, call.size)
        count = len(request) if manner.request >= 1 else int(len(request) * manner.request)
        half = count * 9 // 10 if manner.halts else count
        line.sent.append(call)
        call.end = line.end.peer
        line.slow = manner.slow
        line.end.write(request[:half])
        if manner.halts:
            await asyncio.sleep(manner.halts)
            line.end.write(request[half:count])
        self._truth.note(f"{call} is sent: {count} of {len(request)} bytes, {manner}")
        if count == len(request):
            call.whole_at = self._loop.time()
        elif manner.stalls and line.sent == [call]:
            call.stalled_at = self._loop.time()
        return count == len(request) and not manner.hang_up

    async def _read(self, line: Line, asked: Asked) -> None:
        """Read the answer, as far as this caller wants it."""
        call, manner = asked
        begun = line.bytes
        if manner.hang_up and manner.answer < 0:
            await asyncio.sleep(manner.wait)
            self._hang_up(line, asked)
        while not (line.gone or (call.reading is not None and call.reading.complete)):
            if manner.hang_up and 0 <= manner.answer <= line.bytes - begun:
                self._hang_up(line, asked)
                return
            await line.change()
        if call.reading is not None and call.reading.complete and (call.reading.last or manner.request < 1):
            line.end.close()
        if line.gone:
            self._line = None

    def _hang_up(self, line: Line, asked: Asked) -> None:
        call, manner = asked
        if call.reading is None or not call.reading.complete:
            call.gave_up = True
        self._truth.note(f"{call} hangs up: {manner.hang_up}")
        self._line = None
        if manner.hang_up == "half":
            line.end.write_eof()
        elif manner.hang_up == "reset":
            line.end.lingers = False
            line.end.abort()
        else:
            line.end.close()
