"""Reads the answers on one connection as they come, to whoever: written apart from the gate's own readers, so that it can disagree."""

from collections.abc import Callable


class Reading:
    """How far one answer has come."""

    __slots__ = ("body", "complete", "fields", "method", "status")

    def __init__(self, method: str) -> None:
        self.method = method
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.complete = False

    def field(self, name: bytes) -> str:
        """A header's value, "" without one."""
        return self.fields.get(name, b"").decode("latin-1")

    @property
    def last(self) -> bool:
        """Whether the connection ends with it."""
        return self.field(b"connection").lower() == "close"


class AnswerReader:
    """Cuts answers out of bytes. `expected` tells of the next request that has no answer yet, its method, None where there is none."""

    def __init__(self, expected: Callable[[int], str | None]) -> None:
        self.readings: list[Reading] = []
        self.wrong = ""
        """What the bytes have that no answer can have."""
        self._expected = expected
        self._held = b""
        self._reading: Reading | None = None
        self._left: int | None = 0
        self._chunks = False

    def feed(self, data: bytes) -> None:
        """Take in what has come."""
        self._held += data
        while self._held and not self.wrong and self._step():
            pass

    def ended(self) -> None:
        """The connection was closed in order: an answer without a length is complete by that."""
        reading = self._reading
        if reading is not None and self._left is None and not self._chunks:
            reading.complete = True
            self._reading = None

    def _step(self) -> bool:
        reading = self._reading
        if reading is None:
            return self._head()
        if self._chunks:
            return self._chunk(reading)
        if self._left is None:
            reading.body += self._held
            self._held = b""
            return False
        piece, self._held = self._held[: self._left], self._held[self._left :]
        reading.body += piece
        self._left -= len(piece)
        if not self._left:
            self._done(reading)
        return True

    def _head(self) -> bool:
        head, blank, rest = self._held.partition(b"\r\n\r\n")
        if not blank:
            return False
        lines = head.split(b"\r\n")
        status = int(lines[0][9:12])
        self._held = rest
        if status < 200:
            return True
        method = self._expected(len(self.readings))
        if method is None:
            self.wrong = f"an answer {status} to no request"
            return False
        self._reading = reading = Reading(method)
        self.readings.append(reading)
        reading.status = status
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            reading.fields[name.lower()] = value.strip()
        self._chunks = b"transfer-encoding" in reading.fields
        length = reading.fields.get(b"content-length")
        self._left = int(length) if length is not None else None
        if method == "HEAD" or status in (204, 304) or self._left == 0:
            self._chunks = False
            self._done(reading)
        return True

    def _chunk(self, reading: Reading) -> bool:
        size, line, rest = self._held.partition(b"\r\n")
        if not line:
            return False
        count = int(size, 16)
        if len(rest) < count + 2:
            return False
        if rest[count : count + 2] != b"\r\n":
            self.wrong = "a chunk that is longer than it says"
            return False
        reading.body += rest[:count]
        self._held = rest[count + 2 :]
        if not count:
            self._done(reading)
        return True

    def _done(self, reading: Reading) -> None:
        reading.complete = True
        self._reading = None
