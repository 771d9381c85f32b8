"""The files that a writer appends to: a segment, whole lines only, and the reserve for when the disk is full."""

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

Write = Callable[[int, bytes], int]
"""`os.write`, or what a test puts in its place."""

RESERVED = 4 * 2**20
"""Bytes of a reserve: some 6,000 calls that were open when the disk filled up can settle."""


class Segment:
    """A new segment. Lines that are appended together are one write; one that went only in part is cut off again, so that the chain
    stays whole.
    """

    __slots__ = ("_fd", "_torn", "_write", "size")

    def __init__(self, path: Path, write: Write) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._write = write
        self._torn = False
        self.size = 0

    def append(self, lines: bytes) -> None:
        """Write whole lines. Raises OSError; nothing of them is then in the file, or nothing more is appended until they are cut off."""
        if self._torn:
            self._cut()
        try:
            written = self._write(self._fd, lines)
        except OSError:
            self._torn = True
            raise
        if written != len(lines):
            self._torn = True
            self._cut()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written

    @property
    def fd(self) -> int:
        """The file, for whoever gets it onto the disk."""
        return self._fd

    def cut_back(self, size: int) -> None:
        """Take whole lines back: the file ends at `size` again. Raises OSError."""
        os.ftruncate(self._fd, size)
        self.size = size
        self._torn = False

    def room(self) -> int:
        """Bytes that the file system has left for us."""
        found = os.fstatvfs(self._fd)
        return found.f_bavail * found.f_frsize

    def close(self) -> None:
        """Let go of the file; a torn line is cut off if that can be done."""
        if self._torn:
            # What cannot be cut now is cut by recovery.
            with contextlib.suppress(OSError):
                self._cut()
        os.close(self._fd)

    def _cut(self) -> None:
        os.ftruncate(self._fd, self.size)
        self._torn = False


class Reserve:
    """A file whose room on the disk is already ours. Lines wait in it until the segment can take them.

    What lies behind `used` is stale; a reader tells so by the lines' numbers.
    """

    __slots__ = ("_fd", "_write", "used")

    def __init__(self, path: Path, write: Write) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._write = write
        self.used = 0
        try:
            allocate(self._fd, RESERVED)
        except OSError:
            os.close(self._fd)
            raise

    def append(self, line: bytes) -> None:
        """Write one line. Raises OSError, also where the reserve is full."""
        if self.used + len(line) > RESERVED:
            raise OSError(errno.ENOSPC, "the reserve is full")
        os.lseek(self._fd, self.used, os.SEEK_SET)
        if self._write(self._fd, line) != len(line):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.used += len(line)

    @property
    def fd(self) -> int:
        """The file, for whoever gets it onto the disk."""
        return self._fd

    def lines(self) -> bytes:
        """What waits."""
        return os.pread(self._fd, self.used, 0)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def allocate(fd: int, size: int) -> None:
    """Make the file that long, with room on the disk for every byte of it. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    for begin in range(0, size, 2**20):
        os.pwrite(fd, bytes(min(2**20, size - begin)), begin)
