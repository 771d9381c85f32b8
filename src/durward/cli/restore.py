"""`durward restore FILE`: a data directory out of a backup."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from durward.calls.errors import CallerError, GateError
from durward.cli import shown
from durward.cli.listing import tell
from durward.cli.place import DATA_DIR, ConfigFile, file_of, locate
from durward.records import layout
from durward.records.restoring import Restored, refuse_what_is_there, restore
from durward.server.claims import LOCK, claimed, holder

STDIN = "-"


def restore_command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="What `durward backup` has written; - is standard input.", show_default=False
        ),
    ],
    config: ConfigFile = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The data directory, where not that of the configuration.", show_default=False
        ),
    ] = None,
    broken_chain: Annotated[
        bool, typer.Option("--broken-chain", help="Also where the journal was not whole when it was backed up.")
    ] = False,
) -> None:
    """Restore a backup into a data directory that is empty, or not there yet. Everything is checked before it is put there."""
    target = _target(config, data_dir)
    refuse_what_runs(target)
    refuse_what_is_there(target)
    with _opened(file) as source, _kept_free(target):
        restored = restore(source, "The archive" if file == STDIN else file, target, broken_chain=broken_chain)
    _tell_of(restored, target)


def _target(config: Path | None, data_dir: Path | None) -> Path:
    if data_dir is not None:
        return data_dir.absolute()
    # Without a file the plain directory is meant, whatever ran here last: a demo has nothing to restore.
    return DATA_DIR.absolute() if file_of(config) is None else locate(config).data_dir


def refuse_what_runs(data_dir: Path) -> None:
    """Raises GateError `already_running` where a Durward runs on a data directory. Leaves the lock as it is."""
    try:
        lock = os.open(data_dir / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if not layout.try_lock(lock):
            raise GateError(f"Durward runs on {data_dir}: pid {holder(data_dir)}.", reason="already_running")
    finally:
        os.close(lock)


@contextmanager
def _kept_free(data_dir: Path) -> Iterator[None]:
    """Let nothing start on a directory that is there while it is filled. One that is not there yet appears as a whole."""
    if not data_dir.is_dir():
        yield
        return
    lock = data_dir / LOCK
    had_one = lock.exists()
    done = False
    with claimed(data_dir):
        try:
            yield
            done = True
        finally:
            if not done and not had_one:
                lock.unlink()


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == STDIN:
        yield sys.stdin.buffer
        return
    try:
        source = Path(file).open("rb")  # noqa: SIM115 (closed below; only what opening raises is to be caught)
    except OSError as error:
        raise CallerError(
            f"The backup {file} cannot be read: {error.strerror}.", remedy="Name a file that is there."
        ) from None
    with source:
        yield source


def _tell_of(restored: Restored, data_dir: Path) -> None:
    manifest, verdict, found = restored
    for note in verdict.notes:
        tell(f"note: {note}")
    for problem in verdict.problems:
        tell(f"{problem.place}: {problem.what}")
    calls, writers = shown.counted(found.calls, "call"), shown.counted(found.writers, "writer")
    span = f", {found.begins} to {found.ends}" if found.ends else ""
    print(f"Restored into {data_dir}: {calls} of {writers}{span}.")
    print(f"Backed up at {manifest.time} on {shown.plain(manifest.host)} by Durward {shown.plain(manifest.durward)}.")
    if found.open:
        print(f"{shown.counted(len(found.open), 'call')} had no end yet: the next start records them as unknown.")
    print("Start with `durward up`.")
