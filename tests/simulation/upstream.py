"""Upstreams that keep the truth: they answer every kind of call as planned, and fail as planned."""

import asyncio
import re
from random import Random
from typing import TYPE_CHECKING, cast

from tests.simulation.pipes import End
from tests.simulation.traffic import HOSTS, LETTERS, Reply, address_of, error_event, host_of, reply_of
from tests.simulation.truth import TRACED, Arrival, Call, Truth

if TYPE_CHECKING:
    from tests.simulation.loop import VirtualLoop

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
SECRET = re.compile(rb"(?i)\r\nauthorization: secret-([a-z]+)-([ab])\r\n")
MODEL = re.compile(rb'"model":"[a-z]+-([ab])"|/models/[a-z]+-([ab]):')
ERRORS = {
    "429": b"429 Too Many Requests",
    "500": b"500 Internal Server Error",
    "503": b"503 Service Unavailable",
    "400": b"400 Bad Request",
}
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
UNASKED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FLOOD = 17
"""More interim answers than anybody takes."""
STALE_SECONDS = 3.0


class Upstreams:
    """All of them, each at its own address."""

    def __init__(self, loop: "VirtualLoop", truth: Truth, dice: Random) -> None:
        self.loop = loop
        self.truth = truth
        self.dice = dice
        for letter in LETTERS:
            for name in HOSTS:
                self._open(name, letter)

    def _open(self, name: str, letter: str) -> None:
        address = address_of(name, letter)
        # Some hosts have a second address, where nobody listens; it comes first, or last.
        nobody = f"10.1.{address.partition('.0.')[2]}"
        found = {"gemini": (nobody, address), "anthropic": (address, nobody)}.get(name, (address,))
        self.loop.name(host_of(name, letter), *found)
        self.loop.place(f"{nobody}:80")
        listener = self.loop.place(f"{address}:80")
        self.loop.serve(listener, lambda: UpstreamConnection(self, name, letter))


class UpstreamConnection(asyncio.Protocol):
    """The upstream's end of one connection."""

    def __init__(self, upstreams: Upstreams, name: str, letter: str) -> None:
        self._upstreams = upstreams
        self._name = name
        self._letter = letter
        self._received = b""
        self._begun_at: float | None = None
        self._arrival: Arrival | None = None
        self._answering = False
        self._complete = False
        self._soiled = False
        self._last: Call | None = None
        self._end: End

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._end = cast(End, transport)
        self._end.peer.spy = self._comes

    def _comes(self, data: bytes) -> None:
        """The gate writes this to us."""
        call = self._upstreams.truth.goes_up(self._end.peer, data)
        if call is not None:
            self._last = call
            call.soiled |= self._soiled

    def data_received(self, data: bytes) -> None:
        if self._begun_at is None:
            self._begun_at = self._upstreams.loop.time()
        self._received += data
        self._next()

    def _next(self) -> None:
        head, blank, rest = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        if self._arrival is None:
            self._arrival = self._meet(head)
        arrival = self._arrival
        if arrival is None:
            self._upstreams.truth.violate("denied", f"{self._name} is asked what nobody asked: {head[:80]!r}")
            self._end.abort()
            return
        if arrival.plan.fault == "early" and not self._answering:
            self._answering = True
            self._answer(arrival, head, b"")
        size = self._size(head, rest)
        if size is None:
            return
        body, self._received = rest[:size], self._received[len(head) + 4 + size :]
        self._begun_at = None
        found = MODEL.search(head.partition(b"\r\n")[0] + body)
        if found:
            arrival.model = (found[1] or found[2]).decode()
        self._complete = True
        arrival.whole_at = self._upstreams.loop.time()
        if arrival.finished:
            self._free(arrival)
        elif not self._answering:
            self._answering = True
            self._answer(arrival, head, body)

    @staticmethod
    def _size(head: bytes, rest: bytes) -> int | None:
        """Bytes of the body, None while it has not come whole."""
        if b"\r\nTransfer-Encoding: chunked" in head:
            end = rest.find(b"0\r\n\r\n")
            while end > 0 and rest[end - 1 : end] != b"\n":
                end = rest.find(b"0\r\n\r\n", end + 1)
            return end + 5 if end >= 0 else None
        found = LENGTH.search(head)
        size = int(found[1]) if found else 0
        return size if len(rest) >= size else None

    def _meet(self, head: bytes) -> Arrival | None:
        found = TRACED.search(head)
        assert self._begun_at is not None
        arrival = self._upstreams.truth.arrived(found[1].decode() if found else "", self._begun_at, self._end.peer)
        if arrival is not None:
            arrival.letter = self._letter
            secret = SECRET.search(head + b"\r\n")
            if secret is None or secret[1].decode() != self._name:
                self._upstreams.truth.violate(
                    "credential", f"{arrival.call} came to {self._name} without its credential"
                )
            else:
                arrival.credential = secret[2].decode()
        return arrival

    # Answering.

    def _answer(self, arrival: Arrival, head: bytes, body: bytes) -> None:
        plan, call = arrival.plan, arrival.call
        if plan.fault == "silent":
            arrival.silent = True
            return
        if plan.fault in ERRORS:
            wanted = self._error(arrival, ERRORS[plan.fault])
        else:
            asks = b'"include_usage":true' in body or plan.fault == "early"
            wanted = self._whole(arrival, reply_of(call.kind, call.number, plan.words, asks))
        wanted = self._spoilt(arrival, wanted)
        self._upstreams.loop.call_later(plan.delay, self._emit, arrival, wanted, 0)

    def _error(self, arrival: Arrival, status: bytes) -> list[bytes]:
        arrival.status = int(status[:3])
        body = b'{"error":{"message":"not now","type":"busy","code":"busy"}}'
        lines = b"Retry-After: 1\r\n" if arrival.plan.retry_after else b""
        return [self._head(arrival, status, b"application/json", lines + b"Content-Length: %d\r\n" % len(body)) + body]

    @staticmethod
    def _head(arrival: Arrival, status: bytes, media: bytes, framing: bytes) -> bytes:
        name = b"req-%d-%d" % (arrival.call.number, arrival.attempt)
        kind = b"Content-Type: %b\r\n" % media if media else b""
        if arrival.plan.then == "close":
            kind += b"Connection: close\r\n"
        return b"HTTP/1.1 %b\r\n%bX-Request-Id: %b\r\n%b\r\n" % (status, kind, name, framing)

    def _whole(self, arrival: Arrival, reply: Reply) -> list[bytes]:
        """The answer as it is written, one piece a write."""
        arrival.status = int(reply.status[:3])
        plan = arrival.plan
        pieces = reply.pieces
        if plan.fault == "event" and (event := error_event(arrival.call.kind)) and arrival.call.kind.stream:
            pieces = [*pieces[: 1 + int(plan.at * (len(pieces) - 2))], event]
        if reply.framing == "chunked":
            framed = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
            return [
                self._head(arrival, reply.status, reply.media, b"Transfer-Encoding: chunked\r\n"),
                *framed,
                b"0\r\n\r\n",
            ]
        if reply.framing == "close":
            return [self._head(arrival, reply.status, reply.media, b""), *pieces]
        length = sum(map(len, pieces))
        framing = b"" if reply.status.startswith(b"204") else b"Content-Length: %d\r\n" % length
        head = self._head(arrival, reply.status, reply.media, framing)
        return [head + b"".join(pieces)] if arrival.call.kind.method != "HEAD" else [head]

    @staticmethod
    def _spoilt(arrival: Arrival, wanted: list[bytes]) -> list[bytes]:
        """The pieces up to where it goes wrong."""
        fault = arrival.plan.fault
        if fault == "malformed":
            return [b"HTTP/1.1 20x Fine\r\nContent-Length: zero\r\n\r\n"]
        if fault == "switch":
            return [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"]
        if fault == "interim":
            return [INTERIM + wanted[0], *wanted[1:]]
        if fault == "flood":
            return [INTERIM * FLOOD + wanted[0], *wanted[1:]]
        if fault not in ("reset", "cut", "stall"):
            return wanted
        left = int(sum(map(len, wanted)) * arrival.plan.at)
        kept = []
        for piece in wanted:
            if left > 0:
                kept.append(piece[:left])
            left -= len(piece)
        arrival.finished = left >= 0
        return kept

    def _emit(self, arrival: Arrival, pieces: list[bytes], at: int) -> None:
        end, loop, plan = self._end, self._upstreams.loop, arrival.plan
        if end.is_closing():
            return
        if at < len(pieces):
            end.write(pieces[at])
            if not at and arrival.status and b"\r\n\r\n" in pieces[0]:
                end.when_taken(arrival.begin)
            pause = self._upstreams.dice.uniform(0.0, plan.pace) if plan.pace else 0.0
            if at + 1 < len(pieces) and pause:
                loop.call_later(pause, self._emit, arrival, pieces, at + 1)
            else:
                self._emit(arrival, pieces, at + 1)
        elif plan.fault == "reset":
            end.lingers = False
            end.abort()
        elif plan.fault == "cut":
            end.close()
        elif plan.fault == "stall" and not arrival.finished:
            arrival.silent = True
        else:
            self._finish(arrival)

    def _finish(self, arrival: Arrival) -> None:
        end, loop = self._end, self._upstreams.loop
        arrival.finished = True

        def taken() -> None:
            arrival.answered_at = loop.time()

        end.when_taken(taken)
        if self._arrival is not None and not self._complete:
            # Its request has not come whole; the connection is of use again when it has.
            return
        self._free(arrival)

    def _free(self, arrival: Arrival) -> None:
        end, loop, plan = self._end, self._upstreams.loop, arrival.plan
        self._arrival = None
        self._answering = self._complete = False
        reply = reply_of(arrival.call.kind, arrival.call.number, plan.words, False)
        if plan.then == "close" or (reply.framing == "close" and plan.fault not in ERRORS):
            end.close()
        elif plan.then == "later":
            loop.call_later(self._upstreams.dice.uniform(0.0, STALE_SECONDS), self._close_idle)
        elif plan.then == "garbage":
            loop.call_later(self._upstreams.dice.choice((0.0, 0.002, 0.1)), self._write_garbage)
        if self._received:
            self._next()

    def _close_idle(self) -> None:
        """As servers do with a connection that was idle for a while: a request may be on its way already."""
        if self._arrival is None and not self._received:
            self._end.close()

    def _write_garbage(self) -> None:
        """An answer that nobody asked for. Nobody can tell it from that to a request which is on its way already."""
        self._soiled = True
        last, idle = self._last, self._arrival is None
        if last is not None and not (idle and last.asked_once(self._end.peer)):
            last.soiled = True
            idle = False
        self._end.write(UNASKED)
        if idle and not self._end.is_closing():
            self._end.when_taken(lambda: self._look_closed(last))

    def _look_closed(self, last: Call | None) -> None:
        """What nobody asked for has come to the gate."""
        near = self._end.peer
        if near.ended_at is None and self._last is last and not (near.life is not None and near.life.dead):
            self._upstreams.truth.violate(
                "unasked", f"a connection to {self._name} was sent what nobody asked for and lives"
            )
