"""Reads lines of the journal again where the index says that they stand."""

import os
import sqlite3
from pathlib import Path

from durward.records import layout
from durward.records.halves import PLACE_BITS

WINDOW = 32 * 1024
"""Bytes that are read at once: calls that are listed together lie together."""
OVER = 4 * 1024
"""What is read behind a window's end, for lines that begin in it."""
WINDOWS = 64

OFFSET = (1 << PLACE_BITS) - 1


class Places:
    """Lines by their places; the last windows that were read are kept."""

    def __init__(self, base: sqlite3.Connection, journal: Path) -> None:
        self._base = base
        self._journal = journal
        self._paths: dict[int, Path] = {}
        self._windows: dict[int, bytes] = {}

    def line(self, place: int) -> bytes:
        """The line that begins there; b"" where none does any more. Raises OSError, sqlite3.Error."""
        begin = place // WINDOW * WINDOW
        window = self._windows.get(begin)
        if window is None:
            if len(self._windows) == WINDOWS:
                self._windows.clear()
            window = self._windows[begin] = self._read(begin, WINDOW + OVER)
        end = window.find(b"\n", place - begin)
        return window[place - begin : end] if end >= 0 else self._long(place)

    def _long(self, place: int) -> bytes:
        """A line that goes beyond its window, or was written since that was read."""
        size = WINDOW
        while True:
            content = self._read(place, size)
            end = content.find(b"\n")
            if end >= 0 or len(content) < size:
                return content[: max(0, end)]
            size *= 2

    def _read(self, place: int, count: int) -> bytes:
        fd = os.open(self._path(place >> PLACE_BITS), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, count, place & OFFSET)
        finally:
            os.close(fd)

    def _path(self, number: int) -> Path:
        path = self._paths.get(number)
        if path is None:
            found = self._base.execute("SELECT writer, segment FROM segments WHERE n = ?", (number,)).fetchone()
            writer, segment = found or ("", 0)
            path = self._paths[number] = layout.segment(self._journal / writer, segment)
        return path
