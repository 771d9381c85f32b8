"""Reads lines of the journal again where the index says that they stand."""

import sqlite3
from pathlib import Path

from durward.records.halves import PLACE_BITS, lines_of
from durward.records.stored import stored

KEPT = 32
"""Pieces that are kept, of 128 KiB each: calls that are listed together were read together."""
LINE = (1 << PLACE_BITS) - 1


class Places:
    """Lines by their places."""

    def __init__(self, base: sqlite3.Connection, journal: Path) -> None:
        self._base = base
        self._journal = journal
        self._pieces: dict[int, list[bytes]] = {}

    def line(self, place: int) -> bytes:
        """The line there; b"" where there is none any more. Raises OSError, sqlite3.Error."""
        number = place >> PLACE_BITS
        lines = self._pieces.get(number)
        if lines is None:
            if len(self._pieces) == KEPT:
                del self._pieces[next(iter(self._pieces))]
            lines = self._pieces[number] = self._read(number)
        at = place & LINE
        return lines[at] if at < len(lines) else b""

    def _read(self, number: int) -> list[bytes]:
        query = "SELECT writer, segment, offset, length FROM pieces WHERE n = ?"
        found = self._base.execute(query, (number,)).fetchone()
        if found is None:
            return []
        writer, segment, offset, length = found
        try:
            with stored(self._journal / writer, segment) as opened:
                return lines_of(opened.read(length, offset))
        except FileNotFoundError:
            return []  # the segment is gone, and its lines cannot be shown
