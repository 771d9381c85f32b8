"""`state.db`: agents, key digests, ownership of provider objects. SQLite in WAL mode, mode 0600.

`State` is synchronous and belongs to one thread. A command may open it while it holds `data_dir/lock`; in a running gate
`StateThread` is its only writer. Times are Unix seconds.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from durward.calls.errors import CallerError, GateError
from durward.calls.principal import Principal

Result = TypeVar("Result")

BUSY_SECONDS = 5.0
ANSWER_SECONDS = 10.0
"""How long a call waits for the state thread: longer than SQLite waits for another process."""
QUEUED = 1_024
"""How many pieces of work may wait for the gate's state thread."""

MIGRATIONS = (
    """
    CREATE TABLE agents (
        name TEXT PRIMARY KEY, tenant TEXT NOT NULL, team TEXT NOT NULL, app TEXT NOT NULL, created REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE keys (
        digest TEXT PRIMARY KEY, agent TEXT NOT NULL REFERENCES agents (name), created REAL NOT NULL, expires REAL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX keys_of ON keys (agent);
    CREATE TABLE objects (
        provider TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
        tenant TEXT NOT NULL, agent TEXT NOT NULL, created REAL NOT NULL,
        PRIMARY KEY (provider, kind, id)
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
    """,
)
"""Number n, from 0, brings a file from `user_version` n to n + 1. A released one is never edited."""


class Key(msgspec.Struct, frozen=True):
    """A key that is known by its digest (hex SHA-256), whose it is, and until when it is valid (None: until it is rotated)."""

    digest: str
    agent: Principal
    created: float
    expires: float | None = None


class Owner(msgspec.Struct, frozen=True):
    """Whose a provider object is."""

    tenant: str
    agent: str


class ListedAgent(msgspec.Struct, frozen=True):
    """An agent as a listing shows it."""

    agent: Principal
    created: float
    keys: int
    """Keys that are valid now."""
    next_expiry: float | None
    """When the first of them ends, None where none does."""


class State:
    """The open file. Raises GateError `state_unavailable` where it cannot be opened or written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            # Made by us first: SQLite would make it readable to others, and its -wal and -shm take their mode from it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._base = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise GateError(f"{path} cannot be opened: {error}.", reason="state_unavailable") from error
        with self._typed():
            self._prepare()

    def _prepare(self) -> None:
        self._write_ahead()
        self._base.execute("PRAGMA foreign_keys = ON")
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise GateError(
                f"{self._path} was written by a later version of Durward.",
                reason="state_unavailable",
                remedy="Start the version that wrote it, or a later one.",
            )
        if version < len(MIGRATIONS):
            self._migrate()

    def _write_ahead(self) -> None:
        """SQLite waits for no other process here: who comes second at a new file is told at once that it is locked."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._base.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
            else:
                return

    def _migrate(self) -> None:
        """Several gates may begin at once: who comes second finds it done."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            (version,) = self._base.execute("PRAGMA user_version").fetchone()
            for migration in MIGRATIONS[version:]:
                for statement in migration.split(";"):
                    self._base.execute(statement)
            self._base.execute("COMMIT")
        finally:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file; nothing else may be called after it."""
        self._base.close()

    def keys(self, now: float) -> list[Key]:
        """Every key that is valid at `now`."""
        rows = self._read(
            "SELECT digest, name, tenant, team, app, keys.created, expires FROM keys JOIN agents ON name = agent"
            " WHERE expires IS NULL OR expires > ? ORDER BY name, keys.created",
            (now,),
        )
        return [Key(row[0], Principal(*row[1:5]), row[5], row[6]) for row in rows]

    def agents(self, now: float) -> list[ListedAgent]:
        """Every agent made by command, by name."""
        rows = self._read(
            "SELECT name, tenant, team, app, agents.created, count(digest), min(expires) FROM agents"
            " LEFT JOIN keys ON agent = name AND (expires IS NULL OR expires > ?) GROUP BY name ORDER BY name",
            (now,),
        )
        return [ListedAgent(Principal(*row[:4]), *row[4:]) for row in rows]

    def add_agent(self, agent: Principal, digest: str, now: float) -> Key:
        """A new agent with its first key. Raises CallerError `agent_exists`."""

        def insert() -> Key:
            try:
                self._base.execute(
                    "INSERT INTO agents VALUES (?, ?, ?, ?, ?)", (agent.agent, agent.tenant, agent.team, agent.app, now)
                )
            except sqlite3.IntegrityError as error:
                raise CallerError(f"There is an agent {agent.agent} already.", reason="agent_exists") from error
            self._base.execute("INSERT INTO keys VALUES (?, ?, ?, NULL)", (digest, agent.agent, now))
            return Key(digest, agent, now)

        return self._written(insert, lasting=True)

    def rotate(self, name: str, digest: str, now: float, grace: float) -> list[Key]:
        """Give an agent a new key; the ones it has end `grace` seconds from now, unless they end before.

        Answers every key of the agent, ended ones included, so that a copy in memory can follow. Raises CallerError `agent_unknown`.
        """

        def replace() -> list[Key]:
            row = self._base.execute("SELECT name, tenant, team, app FROM agents WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise CallerError(f"There is no agent {name}.", reason="agent_unknown")
            self._base.execute("DELETE FROM keys WHERE agent = ? AND expires <= ?", (name, now))
            self._base.execute(
                "UPDATE keys SET expires = ? WHERE agent = ? AND (expires IS NULL OR expires > ?)",
                (now + grace, name, now + grace),
            )
            self._base.execute("INSERT INTO keys VALUES (?, ?, ?, NULL)", (digest, name, now))
            rows = self._base.execute("SELECT digest, created, expires FROM keys WHERE agent = ?", (name,))
            return [Key(one, Principal(*row), created, expires) for one, created, expires in rows]

        return self._written(replace, lasting=True)

    def owner(self, provider: str, kind: str, identifier: str) -> Owner | None:
        """Whose a provider object is, None where its creation was never seen."""
        rows = self._read(
            "SELECT tenant, agent FROM objects WHERE provider = ? AND kind = ? AND id = ?", (provider, kind, identifier)
        )
        return Owner(*rows[0]) if rows else None

    def own(self, provider: str, objects: Iterable[tuple[str, str]], owner: Owner, now: float) -> None:
        """Note the owner of newly created objects (kind, id). The first owner stays, so that no later answer can move one."""
        rows = [(provider, kind, identifier, owner.tenant, owner.agent, now) for kind, identifier in objects]
        self._written(lambda: self._base.executemany("INSERT OR IGNORE INTO objects VALUES (?, ?, ?, ?, ?, ?)", rows))

    def _read(self, query: str, values: tuple[str | float, ...]) -> list[tuple[Any, ...]]:
        with self._typed():
            return self._base.execute(query, values).fetchall()

    def _written(self, work: Callable[[], Result], *, lasting: bool = False) -> Result:
        with self._typed():
            # A rotated key must stay ended through a power cut; an object whose owner is forgotten is nobody's, which is safe.
            self._base.execute("PRAGMA synchronous = FULL" if lasting else "PRAGMA synchronous = NORMAL")
            self._base.execute("BEGIN IMMEDIATE")
            try:
                result = work()
                self._base.execute("COMMIT")
            finally:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
            return result

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise GateError(f"{self._path} cannot be used: {error}.", reason="state_unavailable") from error


class StateThread:
    """A State that lives in one worker thread, for the gate's event loop. Raises GateError `overloaded` beyond its queue."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="state")
        self._queued = 0

    async def owner(self, provider: str, kind: str, identifier: str) -> Owner | None:
        """As `State.owner`."""
        return await self._run(lambda: self._state.owner(provider, kind, identifier))

    async def own(self, provider: str, objects: Iterable[tuple[str, str]], owner: Owner, now: float) -> None:
        """As `State.own`; written when it returns."""
        await self._run(lambda: self._state.own(provider, objects, owner, now))

    async def add_agent(self, agent: Principal, digest: str, now: float) -> Key:
        """As `State.add_agent`."""
        return await self._run(lambda: self._state.add_agent(agent, digest, now))

    async def rotate(self, name: str, digest: str, now: float, grace: float) -> list[Key]:
        """As `State.rotate`."""
        return await self._run(lambda: self._state.rotate(name, digest, now, grace))

    async def agents(self, now: float) -> list[ListedAgent]:
        """As `State.agents`."""
        return await self._run(lambda: self._state.agents(now))

    def close(self) -> None:
        """Finish what is queued, then close the file."""
        self._thread.shutdown()
        self._state.close()

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._queued >= QUEUED:
            raise GateError("Too much waits for state.db.", reason="overloaded")
        self._queued += 1
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        # Counted when the thread is done with it, not when a cancelled caller stops waiting.
        running.add_done_callback(self._done)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.shield(running)
        except TimeoutError as error:
            raise GateError(
                f"state.db did not answer within {ANSWER_SECONDS:g} s.", reason="state_unavailable"
            ) from error

    def _done(self, running: "asyncio.Future[Result]") -> None:
        self._queued -= 1
        if not running.cancelled():
            running.exception()  # Seen, also where the caller is gone.


def open_offline(path: Path) -> "closing[State]":
    """`state.db` for a command that holds `data_dir/lock` while no gate runs; closes at the end of the `with`."""
    return closing(State(path))
