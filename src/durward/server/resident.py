"""The memory of this process: how much it has, and giving back what it has and does not use."""

import ctypes
import gc
import os
from collections.abc import Callable
from typing import Final

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
STATM: Final = "/proc/self/statm"


class Resident:
    """Reads the resident set. 0 where the system does not tell (macOS)."""

    def __init__(self, path: str = STATM) -> None:
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._file = -1
        self._trim = _trimmer()

    def read(self) -> int:
        """Bytes."""
        return int(os.pread(self._file, 128, 0).split()[1]) * PAGE if self._file >= 0 else 0

    def give_back(self) -> None:
        """Collect what is garbage, and have glibc return its free pages to the system. Takes tens of milliseconds."""
        gc.collect()
        if self._trim is not None:
            self._trim(0)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _trimmer() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`; other C libraries have none."""
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
