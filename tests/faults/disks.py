"""Disks that are full, or fail, when a test says so."""

import contextlib
import errno
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from durward.records.segment import RESERVED
from tests.faults.place import journal_files
from tests.server.running import Running

MOUNTED_BYTES = 24 * 2**20
CHUNK = bytes(64 * 1024)


class Disk(Protocol):
    """Where the data directory lies."""

    def fill(self, running: Running) -> None: ...
    def free(self, running: Running) -> None: ...


class Limited:
    """No file of the gate may grow beyond what its journal has now (RLIMIT_FSIZE): writes fail with EFBIG. Needs no rights."""

    def fill(self, running: Running) -> None:
        size = max(path.stat().st_size for path in journal_files(running.data_dir))
        self._limit(running, size)

    def free(self, running: Running) -> None:
        self._limit(running, resource.RLIM_INFINITY)

    @staticmethod
    def _limit(running: Running, size: int) -> None:
        resource.prlimit(running.child("gate"), resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class Mounted:
    """A small file system of its own, filled to the last byte: writes fail with ENOSPC. Needs root."""

    def fill(self, running: Running) -> None:
        with (running.data_dir / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(CHUNK):
                pass

    def free(self, running: Running) -> None:
        (running.data_dir / "ballast").unlink()


@contextmanager
def mounted(folder: Path) -> Iterator[Mounted]:
    """A data directory on a small file system."""
    data_dir = folder / ".durward"
    data_dir.mkdir(0o700)
    words = ["mount", "-t", "tmpfs", "-o", f"size={MOUNTED_BYTES},mode=0700", "tmpfs", str(data_dir)]
    subprocess.run(words, check=True, capture_output=True)
    try:
        yield Mounted()
    finally:
        subprocess.run(["umount", "--lazy", str(data_dir)], check=True)


def may_mount() -> bool:
    """Whether this process may mount a file system."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    done = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return done.returncode == 0


class Failing:
    """A `write` for the journal that fails with EIO while `segments` or `reserve` is set."""

    def __init__(self) -> None:
        self.segments = False
        self.reserve = False
        self.seconds = 0.0
        """How long each write takes."""

    def __call__(self, fd: int, data: bytes) -> int:
        time.sleep(self.seconds)
        if self.reserve if os.fstat(fd).st_size == RESERVED else self.segments:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.write(fd, data)
