"""The tables of `index.db`, which holds nothing that the journal does not: it can be thrown away and made again.

A row of `blocks` holds the calls that began within 256 ms, so that rows lie in the order of time. Of a call there are 116 bytes: what
listings filter and add up by, and the places of its two lines in the journal, where all else is read. SQLite takes in one such row
for less than the columns of one call. What few calls differ in stands once, in `facts` and `tags`. To find calls by id, trace, session
or agent, a block holds a 32-bit key of each: a random index would cost as much as the rest.
"""

import os
import sqlite3
from pathlib import Path

from durward.calls.errors import GateError

INDEX = "index.db"
VERSION = 2
BUSY_SECONDS = 5.0
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
BLOCK_BITS = 8
"""Bits of the milliseconds in which calls of one block differ: the last two digits that an id has of them."""

TABLES = """
    BEGIN;
    CREATE TABLE followed (
        writer TEXT PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL, done INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE pieces (
        n INTEGER PRIMARY KEY, writer TEXT NOT NULL, segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE waiting (place INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE facts (
        n INTEGER PRIMARY KEY,
        agent TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL, price_partial INTEGER NOT NULL,
        UNIQUE (agent, model, outcome, price_partial)
    ) STRICT;
    CREATE TABLE tags (n INTEGER PRIMARY KEY, tags TEXT NOT NULL) STRICT;
    CREATE TABLE blocks (n INTEGER PRIMARY KEY, keys BLOB NOT NULL, calls BLOB NOT NULL) STRICT;
    PRAGMA user_version = 2;
    COMMIT;
"""


def open_for_writing(data_dir: Path) -> sqlite3.Connection:
    """The index for its one writer; made anew where there is none of this version. Raises GateError `state_unavailable`."""
    path = data_dir / INDEX
    try:
        if not path.exists():
            throw_away(data_dir)
        base = _connect(path)
        if _version(base) != VERSION:
            base.close()
            throw_away(data_dir)
            base = _connect(path)
            # Larger pages make fewer of them.
            base.execute("PRAGMA page_size = 8192")
        base.execute("PRAGMA journal_mode = WAL")
        # A power cut may cost the last rows; the journal gives them back.
        base.execute("PRAGMA synchronous = NORMAL")
        base.execute("PRAGMA cache_size = -4096")
        if _version(base) != VERSION:
            base.executescript(TABLES)
    except (sqlite3.Error, OSError) as error:
        raise unusable(path, error) from error
    return base


def throw_away(data_dir: Path) -> None:
    """Take away the index with the log beside it, which belongs to no other file. Raises OSError."""
    for name in (INDEX, f"{INDEX}-wal", f"{INDEX}-shm"):
        (data_dir / name).unlink(missing_ok=True)


def damaged(error: Exception) -> bool:
    """Whether the file is no longer what was written."""
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def open_for_reading(data_dir: Path) -> sqlite3.Connection | None:
    """The index as it is, None where there is none of this version yet. Raises GateError `state_unavailable`."""
    path = data_dir / INDEX
    if not path.exists():
        return None
    try:
        base = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None)
        if _version(base) != VERSION:
            base.close()
            return None
        base.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    return base


def unusable(path: Path, error: Exception) -> GateError:
    """What is said when the index fails."""
    if damaged(error):
        return GateError(
            f"{path} is damaged: {error}.",
            reason="state_unavailable",
            remedy="Ask again: it is made anew from the journal, which holds all of it.",
        )
    return GateError(f"{path} cannot be used: {error}.", reason="state_unavailable")


def _connect(path: Path) -> sqlite3.Connection:
    # Made by us first: SQLite would make it readable to others, and its -wal and -shm take their mode from it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _version(base: sqlite3.Connection) -> int:
    """The version of the tables; -1 for a file that is no database."""
    try:
        (version,) = base.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        return -1
    return int(version)
