"""`answers.db`: kept answers of calls with an `Idempotency-Key`. SQLite in WAL mode, mode 0600; every answer sealed.

All gate processes of a machine share it, and the file itself is the owner: whether a call is in progress anywhere is decided by one
IMMEDIATE transaction. A row in progress names the writer (`records/layout.py`) whose gate has begun it; that one's lock tells whether
it still lives. No key, agent, tenant or address stands in it, only names that need `answers.key`.

`Answers` is synchronous and belongs to one thread. Times are Unix seconds.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from durward.calls.errors import CallerError, GateError
from durward.calls.once import Idempotency, KeptAnswer, Once
from durward.storage.sealing import Seal, load_seal

FILE = "answers.db"
KEY_FILE = "answers.key"
BUSY_SECONDS = 5.0
ROW_BYTES = 512
"""What a row counts beside its answer, so that many small ones are bounded too."""
AT_ONCE = 200
"""How many rows one transaction takes out, so that no call waits long for it."""
OVERWRITES, BETWEEN_SECONDS = 10, 0.2
"""How often the log is tried to be emptied; each try waits `BUSY_SECONDS` at most."""
PROGRESS, DONE, NOT_KEPT, UNKNOWN = range(4)
"""In progress; complete, its answer kept; complete, its answer not kept; begun by a gate that died, how it ended is not known."""

SCHEMA = (
    """CREATE TABLE keys (
        id INTEGER PRIMARY KEY AUTOINCREMENT, owner BLOB NOT NULL UNIQUE, tenant BLOB NOT NULL, agent BLOB NOT NULL,
        wrapped BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE answers (
        scope BLOB PRIMARY KEY, call TEXT NOT NULL UNIQUE, digest BLOB NOT NULL, key INTEGER NOT NULL, state INTEGER NOT NULL,
        reads INTEGER NOT NULL, writer TEXT NOT NULL, begun REAL NOT NULL, size INTEGER NOT NULL, sealed BLOB
    ) STRICT""",
    "CREATE INDEX answers_age ON answers (begun)",
    "CREATE INDEX answers_key ON answers (key)",
    "CREATE TABLE held (bytes INTEGER NOT NULL) STRICT",
    "INSERT INTO held VALUES (0)",
    "CREATE TRIGGER came AFTER INSERT ON answers BEGIN UPDATE held SET bytes = bytes + new.size; END",
    """CREATE TRIGGER grew AFTER UPDATE OF size ON answers
        BEGIN UPDATE held SET bytes = bytes + new.size - old.size; END""",
    "CREATE TRIGGER went AFTER DELETE ON answers BEGIN UPDATE held SET bytes = bytes - old.size; END",
    "PRAGMA user_version = 1",
)

Row = tuple[str, bytes, int, int, int, str, float, bytes | None]
"""Call, digest, data key, state, whether it reads, writer, when it began, sealed answer."""
Lives = Callable[[str], bool]
"""Whether the process of a writer is alive."""


class Answers:
    """The open file. Everything raises GateError `idempotency_unavailable` where the file cannot be used."""

    def __init__(self, data_dir: Path, lives: Lives, *, lasting: bool = False) -> None:
        """`lasting`: nothing is relied upon that a power cut may take; of calls that write, the beginning is so anyway."""
        self._path = data_dir / FILE
        self._lives = lives
        self._lasting = lasting
        with self._typed():
            self._seal: Seal = load_seal(data_dir / KEY_FILE)
            # Made by us first: SQLite would make it readable to others.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._base = sqlite3.connect(self._path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            with ExitStack() as undo:
                undo.callback(self._base.close)
                with _alone(data_dir / KEY_FILE):
                    self._prepare()
                undo.pop_all()

    def _prepare(self) -> None:
        self._base.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA secure_delete = ON")
        self._base.execute("BEGIN IMMEDIATE")
        with self._committed():
            (version,) = self._base.execute("PRAGMA user_version").fetchone()
            if version > 1:
                raise ValueError("it was written by a later version of Durward")
            for statement in SCHEMA if version == 0 else ():
                self._base.execute(statement)

    def close(self) -> None:
        """Close the file; nothing else may be called after it."""
        self._base.close()

    def begin(self, once: Once, writer: str, now: float, bounds: Idempotency) -> KeptAnswer | None:
        """Begin a call, None then; or the kept answer of the one before that is the same.

        Raises CallerError `idempotency_mismatch`, `idempotency_in_progress`, `idempotency_unknown`, `idempotency_not_kept`.
        """
        scope = self._seal.name("scope", once.tenant, once.agent, once.address, once.key)
        digest = self._seal.name("digest", once.digest)
        with self._written(lasting=self._lasting or not once.reads):
            found = self._base.execute(
                "SELECT call, digest, key, state, reads, writer, begun, sealed FROM answers WHERE scope = ?", (scope,)
            ).fetchone()
            if found is not None and not self._free(found, writer, now - bounds.retain):
                return self._answer(found, scope, digest)
            self._base.execute("DELETE FROM answers WHERE scope = ?", (scope,))
            self._base.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (scope, once.call, digest, self._key(once), PROGRESS, once.reads, writer, now, ROW_BYTES),
            )
            if not self._make_room(bounds.max_bytes):
                raise GateError("Too many calls with idempotency keys are open.", reason="idempotency_unavailable")
            return None

    def _free(self, found: Row, writer: str, old: float) -> bool:
        """Whether the key of a row may be used anew: its time is over, or the read that has begun it died."""
        _, _, _, state, reads, whose, begun, _ = found
        if state != PROGRESS:
            return begun <= old
        return whose != writer and (bool(reads) or begun <= old) and not self._lives(whose)

    def _answer(self, found: Row, scope: bytes, digest: bytes) -> KeptAnswer:
        call, of, key, state, reads, writer, _, sealed = found
        if of != digest:
            raise CallerError(
                "The idempotency key was used before, with another request.", reason="idempotency_mismatch"
            )
        if state == UNKNOWN or (state == PROGRESS and not reads and not self._lives(writer)):
            self._base.execute("UPDATE answers SET state = ? WHERE scope = ?", (UNKNOWN, scope))
            raise CallerError(
                f"Call {call} with this idempotency key ended unseen: it may have taken effect.",
                reason="idempotency_unknown",
            )
        if state == PROGRESS:
            raise CallerError(
                f"Call {call} with this idempotency key is in progress.", reason="idempotency_in_progress"
            )
        wrapped = self._base.execute("SELECT owner, wrapped FROM keys WHERE id = ?", (key,)).fetchone()
        if state == NOT_KEPT or sealed is None or wrapped is None:
            raise CallerError(
                f"Call {call} with this idempotency key is complete, and its answer is not kept.",
                reason="idempotency_not_kept",
            )
        owner, data_key = wrapped
        return msgspec.msgpack.decode(self._seal.open(data_key, owner, sealed, scope + of), type=KeptAnswer)

    def _key(self, once: Once) -> int:
        """The data key of an agent; one that was destroyed is followed by another."""
        owner = self._seal.name("owner", once.tenant, once.agent)
        found = self._base.execute("SELECT id FROM keys WHERE owner = ?", (owner,)).fetchone()
        if found is not None:
            return int(found[0])
        tenant, agent = self._seal.name("tenant", once.tenant), self._seal.name("agent", once.agent)
        inserted = self._base.execute(
            "INSERT INTO keys (owner, tenant, agent, wrapped) VALUES (?, ?, ?, ?)",
            (owner, tenant, agent, self._seal.new_key(owner)),
        )
        return int(inserted.lastrowid or 0)

    def keep(self, once: Once, answer: KeptAnswer | None, bounds: Idempotency) -> None:
        """The call is complete. Its answer is kept, unless there is none that may be, or its key was destroyed meanwhile."""
        with self._written(lasting=self._lasting):
            found = self._base.execute(
                "SELECT scope, digest, owner, wrapped FROM answers LEFT JOIN keys ON key = keys.id WHERE call = ? AND state = ?",
                (once.call, PROGRESS),
            ).fetchone()
            if found is None:
                return
            scope, digest, owner, wrapped = found
            if answer is None and once.reads:
                # Nothing is lost where it is done again; a key without an answer would only be in the way.
                self._base.execute("DELETE FROM answers WHERE scope = ?", (scope,))
                return
            sealed = None
            if answer is not None and wrapped is not None:
                sealed = self._seal.seal(wrapped, owner, msgspec.msgpack.encode(answer), scope + digest)
            self._base.execute(
                "UPDATE answers SET state = ?, sealed = ?, size = ? WHERE scope = ?",
                (NOT_KEPT if sealed is None else DONE, sealed, ROW_BYTES + len(sealed or b""), scope),
            )
            if not self._make_room(bounds.max_bytes):
                self._base.execute(
                    "UPDATE answers SET state = 2, sealed = NULL, size = ? WHERE scope = ?", (ROW_BYTES, scope)
                )

    def leave(self, once: Once, unknown: bool) -> None:
        """The call ended without an answer to keep: it may be made again, or nobody knows whether it took effect."""
        with self._written(lasting=self._lasting):
            if unknown:
                query = "UPDATE answers SET state = 3 WHERE call = ? AND state = 0"
            else:
                query = "DELETE FROM answers WHERE call = ? AND state = 0"
            self._base.execute(query, (once.call,))

    def tidy(self, now: float, bounds: Idempotency) -> None:
        """Take out what is too old, and what is too much."""
        with self._written():
            old = self._base.execute(
                "SELECT scope, state, writer FROM answers WHERE begun <= ? ORDER BY begun LIMIT ?",
                (now - bounds.retain, AT_ONCE),
            ).fetchall()
            gone = [(scope,) for scope, state, writer in old if state != PROGRESS or not self._lives(writer)]
            self._base.executemany("DELETE FROM answers WHERE scope = ?", gone)
            self._make_room(bounds.max_bytes)
            self._base.execute("DELETE FROM keys WHERE id NOT IN (SELECT key FROM answers)")
        with self._typed():
            self._base.executescript("PRAGMA incremental_vacuum(1024)")

    def _make_room(self, most: int) -> bool:
        """Oldest out, those that read first; of those that write the answers alone. Whether there is room then.

        Without its row a write would be done again in silence: it stays until its time is over, and so does what is in progress.
        """
        while self._held() > most:
            gone = self._base.execute(
                "DELETE FROM answers WHERE scope IN"
                " (SELECT scope FROM answers WHERE reads AND state IN (1, 2) ORDER BY begun LIMIT 1)"
            )
            if not gone.rowcount:
                gone = self._base.execute(
                    "UPDATE answers SET state = 2, sealed = NULL, size = ? WHERE scope IN"
                    " (SELECT scope FROM answers WHERE state = 1 ORDER BY begun LIMIT 1)",
                    (ROW_BYTES,),
                )
            if not gone.rowcount:
                return False
        return True

    def _held(self) -> int:
        return int(self._base.execute("SELECT bytes FROM held").fetchone()[0])

    def erase(self, *, tenant: str = "", agent: str = "", call: str = "") -> int:
        """Destroy the kept answers of a tenant, an agent of any tenant, or one call, which must be named; how many there were.

        The calls stay known as complete until their time is over, so that none of them is done again in silence.
        """
        assert tenant or agent or call
        tenant_name, agent_name = self._seal.name("tenant", tenant), self._seal.name("agent", agent)
        base = self._base
        with self._written(lasting=True):
            if call:
                gone = base.execute(
                    "UPDATE answers SET state = 2, sealed = NULL, size = 512 WHERE state = 1 AND call = ?", (call,)
                ).rowcount
                base.execute("UPDATE answers SET key = 0 WHERE call = ?", (call,))
            else:
                whose = (tenant_name if tenant else None, agent_name if agent else None)
                gone = base.execute(
                    "UPDATE answers SET state = 2, sealed = NULL, size = 512 WHERE state = 1 AND key IN"
                    " (SELECT id FROM keys WHERE tenant = ifnull(?, tenant) AND agent = ifnull(?, agent))",
                    whose,
                ).rowcount
                base.execute("DELETE FROM keys WHERE tenant = ifnull(?, tenant) AND agent = ifnull(?, agent)", whose)
        self._overwrite()
        return gone

    def _overwrite(self) -> None:
        """Bring what was erased out of the log as well. Another gate that reads just then stands in the way for a moment."""
        for _ in range(OVERWRITES):
            with self._typed():
                (busy, _, _) = self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            time.sleep(BETWEEN_SECONDS)
        raise GateError(
            f"The answers are erased, but {self._path}-wal still holds what they were: it is in use.",
            reason="idempotency_unavailable",
            remedy="Repeat the command.",
        )

    @contextmanager
    def _written(self, *, lasting: bool = False) -> Iterator[None]:
        with self._typed():
            self._base.execute("PRAGMA synchronous = FULL" if lasting else "PRAGMA synchronous = NORMAL")
            self._base.execute("BEGIN IMMEDIATE")
            with self._committed():
                yield

    @contextmanager
    def _committed(self) -> Iterator[None]:
        """What a CallerError has found is written too."""
        try:
            try:
                yield
            except CallerError:
                self._base.execute("COMMIT")
                raise
            self._base.execute("COMMIT")
        finally:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error, ValueError, msgspec.MsgspecError) as error:
            raise GateError(f"{self._path} cannot be used: {error}.", reason="idempotency_unavailable") from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Of several gates that begin at once, one: SQLite does not wait for another that turns a file to WAL."""
    lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
