"""A disk that loses, when the power goes, all that was not brought onto it; how long that takes, and how it ends, a test says."""

import errno
import os
import shutil
from pathlib import Path

from durward.records.syncing import Done


class Platter:
    """A `Syncing`. What a file held when its sync began is on the platter when that has ended well."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.notes: list[str] = []
        self.stuck = False
        """Whether even the end of the process does not get an answer."""
        self.fails = False
        self._files: dict[int, bytes] = {}
        self._named: dict[Path, set[str]] = {}
        self._under_way: tuple[int, bytes, list[Path], Done] | None = None

    @property
    def busy(self) -> bool:
        return self._under_way is not None

    def start(self, file: int, folders: list[Path], done: Done) -> None:
        assert self._under_way is None, "one at a time"
        found = os.fstat(file)
        (content,) = (path.read_bytes() for path in self._data_dir.rglob("*") if path.stat().st_ino == found.st_ino)
        self._under_way = found.st_ino, content, folders, done
        self.notes.append("start")

    def through(self, error: int = 0) -> None:
        """The sync under way has ended."""
        assert self._under_way is not None
        (inode, content, folders, done), self._under_way = self._under_way, None
        if not error:
            self._files[inode] = content
            for folder in folders:
                self._named.setdefault(folder, set()).update(path.name for path in folder.iterdir())
        self.notes.append("through")
        done(OSError(error, os.strerror(error)) if error else None)

    def finish(self, seconds: float) -> bool:
        if self.busy and self.stuck:
            return False
        if self.busy:
            self.through(errno.EIO if self.fails else 0)
        return True

    def close(self) -> None:
        self.notes.append("close")

    def after_power_loss(self, data_dir: Path) -> Path:
        """What a start finds: of every file what was brought onto the disk, of every folder the entries that were."""
        found = data_dir.with_name(f"{data_dir.name}-after")
        shutil.rmtree(found, ignore_errors=True)
        found.mkdir()
        for path in sorted(data_dir.rglob("*")):
            if path.name not in self._named.get(path.parent, set()):
                continue
            copy = found / path.relative_to(data_dir)
            if path.is_dir():
                copy.mkdir(exist_ok=True)
            else:
                copy.write_bytes(self._files.get(path.stat().st_ino, b""))
        return found
