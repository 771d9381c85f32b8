"""`durward backup FILE`: a consistent copy of a data directory, made while Durward runs."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, BinaryIO

import typer

from durward import __version__
from durward.calls.errors import CallerError, GateError
from durward.cli import shown
from durward.cli.listing import Where, data_dir_of, tell
from durward.records import layout
from durward.records.archive import DATABASES, FILES, VERSION, File, Manifest, write
from durward.records.still import Piece, Still, held, stand_still
from durward.records.syncing import entries_to_disk
from durward.records.times import timestamp
from durward.storage.copied import copy_database

STDOUT = "-"
NICENESS = 10
"""Gates come first."""
LOOK_AGAIN_SECONDS = 0.05
PATIENCE_SECONDS = 60.0
"""So long is waited for the office to compress the segment that it has begun."""


def backup_command(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The archive to write; - is standard output.", show_default=False)
    ],
    where: Where = None,
) -> None:
    """Copy records, agents and keys into one file, also while Durward runs. Whoever has the file has the keys in it."""
    data_dir = data_dir_of(where)
    if file == STDOUT and sys.stdout.isatty():
        raise CallerError("A backup is not written to a terminal.", remedy="Name a file, or send it on through a pipe.")
    os.nice(NICENESS)
    if file == STDOUT:
        manifest = archive(data_dir, sys.stdout.buffer, data_dir)
        sys.stdout.buffer.flush()
    else:
        with beside(Path(file)) as made:
            manifest = archive(data_dir, made, Path(file).absolute().parent)
    size = sum(each.size for each in manifest.files)
    tell(
        f"Backed up as of {manifest.time}: {shown.counted(len(manifest.writers), 'writer')},"
        f" {shown.counted(len(manifest.files), 'file')}, {size / 2**20:.1f} MiB. It holds the journal's key: keep it as a secret."
    )


def archive(data_dir: Path, target: BinaryIO, scratch: Path) -> Manifest:
    """Write an archive of a data directory; copies of databases lie in a folder below `scratch` meanwhile.

    Raises CallerError where there is nothing, GateError, OSError.
    """
    with ExitStack() as held_up:
        if (data_dir / layout.JOURNAL).is_dir():
            held_up.enter_context(_no_upkeep(data_dir / layout.JOURNAL))
        folder = Path(held_up.enter_context(TemporaryDirectory(prefix=".durward-backup-", dir=scratch)))
        moment = timestamp(time.time())
        journal = stand_still(data_dir)
        # Behind the journal: what belongs to a call, such as the owner of an object, is in state.db before its end is in the journal.
        pieces = [*journal.pieces, *_others(data_dir, folder)]
        if not pieces:
            raise CallerError(
                f"There is nothing in {data_dir} that a backup would hold.",
                reason="not_found",
                remedy="Name the configuration or the data directory with `-c`.",
            )
        manifest = _manifest(moment, journal, pieces)
        write(target, manifest, pieces)
    return manifest


def _manifest(moment: str, journal: Still, pieces: list[Piece]) -> Manifest:
    files = [File(piece.name, piece.size) for piece in pieces]
    return Manifest(VERSION, __version__, moment, socket.gethostname(), journal.tips, files)


def _others(data_dir: Path, folder: Path) -> list[Piece]:
    pieces = []
    for name in DATABASES:
        if (data_dir / name).exists():
            copy_database(data_dir / name, folder / name)
            pieces.append(Piece(name, (folder / name).stat().st_size, folder / name))
    small = [held(name, (data_dir / name).read_bytes()) for name in FILES if (data_dir / name).exists()]
    # One that is empty is just being made.
    return pieces + [piece for piece in small if piece.size]


@contextmanager
def _no_upkeep(journal: Path) -> Iterator[None]:
    """Let no segment change its form while the block runs. Raises GateError `state_unavailable`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with layout.upkeep(journal) as ours:
            if ours:
                yield
                return
        if time.monotonic() > deadline:
            raise GateError(
                f"Another process compresses or backs up {journal}.",
                reason="state_unavailable",
                remedy="Wait until it is through.",
            )
        time.sleep(LOOK_AGAIN_SECONDS)


@contextmanager
def beside(path: Path) -> Iterator[BinaryIO]:
    """A new file for its owner alone, which gets its name, and is on the disk, when the block has ended well; else it is gone."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        entries_to_disk(path.absolute().parent)
    finally:
        part.unlink(missing_ok=True)
