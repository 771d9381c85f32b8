"""Makes a data directory of a backup: as a whole, or not at all.

All is put into a folder beside first, and checked there, file by file and line by line; then it is renamed. A directory that is there
already, and empty, may be a volume that nothing can be renamed over: it takes the files one by one, when all of them are checked.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from durward.calls.errors import CallerError
from durward.records import layout
from durward.records.archive import Manifest, extract
from durward.records.holdings import Holdings, holdings
from durward.records.syncing import entries_to_disk
from durward.records.verify import Verdict, verify

LOCK = "lock"
"""What a running Durward holds locked; the file's age tells which data directory was used last."""
ALWAYS_THERE = frozenset({LOCK, "lost+found"})
"""What a data directory may have that is empty for all that."""
NAMED = 5


class Restored(NamedTuple):
    """What has been restored."""

    manifest: Manifest
    verdict: Verdict
    holdings: Holdings


def refuse_what_is_there(data_dir: Path) -> None:
    """Raises CallerError where a data directory has files already."""
    try:
        names = sorted(path.name for path in data_dir.iterdir() if path.name not in ALWAYS_THERE)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise CallerError(f"{data_dir} is a file.", remedy="Name a data_dir that is empty, or not there yet.") from None
    if names:
        others = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        raise CallerError(
            f"{data_dir} is not empty: {', '.join(names[:NAMED])}{others}.",
            remedy="Move it away, or name another data_dir: nothing is restored over records that are there.",
        )


def restore(source: BinaryIO, name: str, data_dir: Path, *, broken_chain: bool = False) -> Restored:
    """Restore an archive, called `name`, into a data directory that is empty or not there, and on which nothing runs.

    `broken_chain`: also where the journal was not whole when it was backed up. Raises CallerError, GateError, OSError, and nothing of
    it is left behind.
    """
    refuse_what_is_there(data_dir)
    with _beside(data_dir) as folder:
        manifest = extract(source, name, folder)
        verdict = verify(folder, [])
        if verdict.problems and not broken_chain:
            first = verdict.problems[0]
            raise CallerError(
                f"The journal in {name} was not whole when it was backed up. {first.place}: {first.what}.",
                remedy="Take an earlier backup, or restore it as it is with `--broken-chain`.",
            )
        found = holdings(folder)
        _make_locks(folder)
        _put_in_place(folder, data_dir)
    return Restored(manifest, verdict, found)


@contextmanager
def _beside(data_dir: Path) -> Iterator[Path]:
    """A folder on the same disk. It is gone at the end, with the parents that were made for it unless something is in them."""
    parent = data_dir if data_dir.is_dir() else data_dir.parent
    made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f".{data_dir.name}.restoring-{os.getpid()}"
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for each in made:
            if not any(each.iterdir()):
                each.rmdir()


def _make_locks(folder: Path) -> None:
    """The locks that a writer and a start would have made: recovery looks after nobody who has none."""
    writers = layout.writers(folder / layout.JOURNAL)
    for place in (folder, *writers):
        (place / LOCK).touch(0o600)
    for place in (*writers, folder / layout.JOURNAL, folder):
        if place.exists():
            entries_to_disk(place)


def _put_in_place(folder: Path, data_dir: Path) -> None:
    if not data_dir.is_dir():
        folder.rename(data_dir)
        entries_to_disk(data_dir.parent)
        return
    data_dir.chmod(0o700)
    # The journal first: without it, what is there is no data directory that anybody would start with.
    for entry in sorted(folder.iterdir(), key=lambda path: path.name != layout.JOURNAL):
        if entry.name != LOCK:
            entry.rename(data_dir / entry.name)
    entries_to_disk(data_dir)
