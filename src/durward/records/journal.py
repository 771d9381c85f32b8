"""The gate's writer: every line on the disk, chained, before the method that wrote it returns, or before the turn of the event loop
ends in which it was written, where `later` says so: then nothing else may leave the gate before `commit`.

While the disk takes no more lines, new calls are refused, and calls that are open settle into the reserve. Once a second at most the
writer looks whether it can go on; then the reserve's lines become the segment's next ones, so that the chain has no seam.
Lines survive the death of the process, not of the machine (`durability: process`); for that see `lasting`.
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from durward.calls.errors import GateError
from durward.calls.ports import Clock, OnDisk
from durward.calls.record import Closing, Opening
from durward.records.heads import Signer, signed_bytes
from durward.records.pending import ALL_KEPT, Kept, Parked, Posted
from durward.records.segment import Write
from durward.records.times import time_member, timestamp
from durward.records.writer import Calls, Writer

PROBE_SECONDS = 1.0
"""How often at most a writer that cannot write looks whether it can again."""
ROOM_BYTES = 2 * 2**20
"""A writer goes on only when the file system has this much left, so that it does not stumble again at the next line."""
POSTED_A_TICK = 500
"""Lines from recovery that one tick writes: some 5 ms of the event loop."""

_encode = msgspec.json.Encoder().encode


class FileJournal:
    """The journal of one gate; all methods but `post` belong to one thread.

    Making one never fails for want of room or rights: it is then `unavailable` until it can begin.
    """

    def __init__(
        self,
        data_dir: Path,
        host: str,
        clock: Clock,
        signer: Signer | None = None,
        write: Write = os.write,
        later: Callable[[], None] | None = None,
    ) -> None:
        """`later` has `commit` called before anything leaves the gate; without it every line is written at once."""
        self.on_disk: OnDisk | None = None
        """See `Journal`."""
        self._later = later
        self._parked: list[Parked] = []
        self._clock = clock
        self._signer = signer
        self._writer = Writer(data_dir, host, clock, write)
        self._open: Calls = self._writer.calls
        self._begun: Calls = {}  # their intents are parked; they are open once these are written
        self._lost: Calls = {}
        self._forgotten: set[str] = set()
        """Calls under way whose intent could not be kept."""
        self._posted: deque[Posted] = deque()
        self._signed_seq = 0
        self._failure = ""
        self._probe_at = 0.0
        self._try_begin()

    @property
    def writer(self) -> Path | None:
        """This writer's folder, once it has one."""
        return self._writer.folder

    @property
    def failure(self) -> str:
        """Why lines cannot be written; "" while they can."""
        return self._failure

    # Calls.

    def intent(self, opening: Opening) -> None:
        """A call is about to go upstream. Raises GateError `journal_unavailable`."""
        self._put(b"intent", _encode(opening)[1:-1], opening.id)
        (self._open if self._later is None else self._begun)[opening.id] = opening.reserved_nano

    def confirm(self, call: str) -> None:
        """For a call that had to wait before it goes upstream. Raises GateError `journal_unavailable` where its intent was not kept."""
        if call in self._forgotten:
            raise self._refusal()

    def settle(self, closing: Closing) -> None:
        """An intent's end. Raises GateError `journal_unavailable` where even the reserve is full; the call will then be `unknown`."""
        if self._forgotten and closing.id in self._forgotten:
            self._forgotten.discard(closing.id)
            raise self._refusal()  # its intent could not be kept: nothing of the call went anywhere
        members = _closing(closing)
        if self._later is not None and (self._parked or not self._failure or self.on_disk is not None):
            # Behind what is parked, also where that will not be kept: its beginning may be there.
            self._park((b"settle", members, closing, closing.id))
            return
        if self._failure:
            self._set_aside(closing, members)
        else:
            try:
                self._writer.append(b"settle", self._now() + members)
            except OSError as error:
                self._fail(error)
                self._set_aside(closing, members)
        self._open.pop(closing.id, None)

    def refused(self, opening: Opening, closing: Closing) -> None:
        """A call that went nowhere. Raises GateError `journal_unavailable`."""
        ending = _closing(closing)
        self._put(b"refused", _encode(opening)[1:-1] + ending[ending.index(b',"outcome":') :], opening.id)

    def unavailable(self) -> bool:
        """True while new calls cannot be recorded."""
        return bool(self._failure) and not self._recovers()

    # What the gate does beside calls.

    def tick(self) -> None:
        """Due once a second: signs a head if anything was written since the last one, and writes what recovery has posted."""
        if self.unavailable():
            return
        try:
            self._write_posted()
            self._write_head(b"head")
        except OSError as error:
            self._fail(error)

    def post(self, lines: Iterable[tuple[bytes, bytes]]) -> Posted:
        """Have lines written at the next ticks, from any thread; each is a type and its members without `time`."""
        posted = Posted(lines)
        self._posted.append(posted)
        return posted

    def close(self) -> None:
        """The last line of the chain, and the end of this writer. A chain that cannot be ended now is ended by recovery."""
        self.commit()
        if not self.unavailable():
            with contextlib.suppress(OSError):
                self._write_unknown(self._open)
                self._write_head(b"close")
                self._writer.drop_reserve()
        self._writer.close()
        self._failure = "it is closed"
        self._probe_at = float("inf")

    # Writing.

    def commit(self) -> Kept:
        """Write what was parked in this turn, in one piece."""
        parked, self._parked = self._parked, []
        if not parked:
            return ALL_KEPT
        begun, self._begun = self._begun, {}
        now = self._now()
        writer = self._writer
        try:
            if self._failure:
                raise OSError(self._failure)
            segment = writer.current()
            entries = [(kind, members if end is None else now + members) for kind, members, end, _ in parked]
            segment.append(writer.chain.lines(entries))
        except OSError as error:
            if not self._failure:
                self._fail(error)
            return self._rescue(parked)
        writer.chain.take()
        self._open.update(begun)
        for _, _, end, call in parked:
            if end is not None:
                self._open.pop(call, None)
        return ALL_KEPT

    def _rescue(self, parked: list[Parked]) -> Kept:
        """The disk takes no lines: ends go into the reserve, beginnings are forgotten, for nothing of their calls has left yet."""
        beginnings = ends = True
        for line in parked:
            if not self._save(line):
                beginnings = beginnings and line[2] is not None
                ends = ends and line[2] is None
        return Kept(beginnings, ends)

    def _save(self, line: Parked) -> bool:
        """Do what can be done for one of them. Whether what hangs on it may leave."""
        kind, members, closing, call = line
        if closing is None:
            if kind == b"intent":
                self._forgotten.add(call)
            return kind != b"intent"
        if call in self._forgotten:
            # It began and ended within the turn, and neither is kept.
            self._forgotten.discard(call)
            return False
        try:
            self._set_aside(closing, members)
        except GateError:
            return False
        self._open.pop(call, None)
        return True

    def _park(self, line: Parked) -> None:
        if not self._parked and self._later is not None:
            self._later()
        self._parked.append(line)

    def _put(self, kind: bytes, members: bytes, call: str) -> None:
        if self._failure and not self._recovers():
            raise self._refusal()
        if self._later is not None:
            self._park((kind, members, None, call))
            return
        try:
            self._writer.append(kind, members)
        except OSError as error:
            self._fail(error)
            raise self._refusal() from error

    def _set_aside(self, closing: Closing, members: bytes) -> None:
        """Settle into the reserve. What does not even fit there becomes `unknown` as soon as lines can be written again."""
        writer = self._writer
        try:
            if writer.reserve is None:
                raise OSError("there is no reserve")
            writer.reserve.append(writer.chain.line(b"settle", self._now() + members))
        except OSError as error:
            if closing.id in self._open:
                self._lost[closing.id] = self._open.pop(closing.id)
            raise self._refusal() from error
        writer.chain.take()

    def _write_head(self, kind: bytes) -> None:
        members = self._head(kind)
        if members:
            self._writer.append(kind, members)
            self._signed_seq = self._writer.chain.seq

    def _head(self, kind: bytes) -> bytes:
        """The members of a head of the chain as it is; b"" where none is due."""
        chain = self._writer.chain
        if kind == b"head" and (self._signer is None or chain.seq == self._signed_seq):
            return b""
        time = timestamp(self._clock.time())
        members = b'"time":"%b"' % time.encode()
        if self._signer is not None:
            message = signed_bytes(self._writer.name, chain.seq, chain.prev.decode(), time)
            members += b',"key":"%b","signature":"%b"' % (
                self._signer.public.encode(),
                self._signer.sign(message).encode(),
            )
        return members

    def _write_posted(self) -> None:
        for _ in range(POSTED_A_TICK):
            if not self._posted:
                return
            posted = self._posted[0]
            if posted.lines:
                kind, members = posted.lines[0]
                self._writer.append(kind, self._now() + members)
                posted.lines.popleft()
            if not posted.lines:
                self._posted.popleft()
                posted.written.set()

    def _write_unknown(self, calls: dict[str, int | None]) -> None:
        for call in list(calls):
            self._writer.append(b"unknown", self._now() + unknown(call, calls[call]))
            del calls[call]

    # Failing, and going on.

    def _try_begin(self) -> None:
        try:
            self._writer.begin()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._failure = error.strerror or str(error)
        self._probe_at = self._clock.monotonic() + PROBE_SECONDS

    def _refusal(self) -> GateError:
        return GateError(f"The journal cannot be written: {self._failure}.", reason="journal_unavailable")

    def _recovers(self) -> bool:
        """Whether lines can be written again; looked at once a second at most."""
        now = self._clock.monotonic()
        if now < self._probe_at:
            return False
        self._probe_at = now + PROBE_SECONDS
        try:
            self._go_on()
        except OSError as error:
            self._fail(error)
            return False
        self._failure = ""
        return True

    def _go_on(self) -> None:
        writer = self._writer
        proven = writer.segment is None or bool(self._lost)
        if writer.segment is None:
            writer.begin()
        segment, reserve = writer.segment, writer.reserve
        assert segment is not None
        assert reserve is not None
        if segment.room() < ROOM_BYTES + reserve.used:
            raise OSError("the disk is full")
        if reserve.used:
            segment.append(reserve.lines())
            reserve.used = 0
            proven = True
        self._write_unknown(self._lost)
        if not proven:
            # A disk that fails tells so only when it is written to.
            self._signed_seq = 0
            self._write_head(b"head")

    def _now(self) -> bytes:
        return time_member(self._clock.time())


def unknown(call: str, reserved: int | None) -> bytes:
    """The members of an `unknown` line: nobody knows what the call used, so what was set aside for it counts."""
    return _encode(Closing(call, "unknown", cost_nano=reserved))[1:-1]


def _closing(closing: Closing) -> bytes:
    members = _encode(closing)[1:-1]
    if closing.usage is not None and (members.find(b"\n") >= 0 or members.find(b"\r") >= 0):
        # Only between the tokens of the provider's usage object; a line must not have them.
        members = members.replace(b"\n", b" ").replace(b"\r", b" ")
    return members
