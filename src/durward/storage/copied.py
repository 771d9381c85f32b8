"""A copy of a SQLite database as it was at one moment, made while others write to it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from durward.calls.errors import GateError

BUSY_SECONDS = 5.0


def copy_database(source: Path, target: Path) -> None:
    """Copy what is committed now, the write-ahead log included, into a new file for its owner alone. Writers are not held up.

    Raises GateError `state_unavailable`.
    """
    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", BUSY_SECONDS, uri=True)) as original,
            closing(sqlite3.connect(target, BUSY_SECONDS)) as copy,
        ):
            # In one step, which is one read transaction: a copy in several begins anew with every write of others.
            original.backup(copy, pages=-1)
            # In the archive it is one file.
            copy.execute("PRAGMA journal_mode = DELETE")
    except (OSError, sqlite3.Error) as error:
        raise GateError(f"{source} cannot be copied: {error}.", reason="state_unavailable") from error
