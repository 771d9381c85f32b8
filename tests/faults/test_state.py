"""`state.db` that is locked, full, broken or slow: who needs it is told, everybody else is served, and it mends by itself."""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults.caller import CHAT, STREAM, Answer, Ask, Caller, trace_of
from tests.faults.inside import READY, asked, gate_inside
from tests.faults.ledger import problems, read_ledger
from tests.faults.place import until
from tests.faults.provider import providing

FILES = Ask("files", "/v1/files", {"purpose": "batch"})


class Base(sqlite3.Connection):
    """A connection that fails, or waits, while a test says so."""

    fails = ""
    let = threading.Event()

    def execute(self, query: str, values: Any = (), /) -> sqlite3.Cursor:
        if not query.startswith("PRAGMA"):
            self.let.wait(30)
            if self.fails:
                raise sqlite3.OperationalError(self.fails)
        return super().execute(query, values)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    other = sqlite3.connect(folder / ".durward" / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def failing(why: str) -> Iterator[None]:
    Base.fails = why
    yield
    Base.fails = ""


@contextmanager
def silent() -> Iterator[None]:
    Base.let.clear()
    yield
    Base.let.set()


def fault(name: str, folder: Path) -> Any:
    if name == "locked":
        return locked(folder)
    return silent() if name == "slow" else failing(name)


async def made(port: int, number: int) -> Answer:
    caller = Caller(port)
    try:
        return await caller.call(FILES, trace_of(number))
    finally:
        await caller.close()


async def fetched(port: int, identifier: str) -> Answer:
    return await asked(port, Ask("file", f"/v1/files/{identifier}", None, method="GET"))


@pytest.mark.parametrize("name", ["locked", "database or disk is full", "disk I/O error", "slow"])
async def test_only_who_needs_the_state_is_told_and_nothing_has_to_be_done_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("durward.storage.state.BUSY_SECONDS", 0.05)
    monkeypatch.setattr("durward.storage.state.ANSWER_SECONDS", 0.3)
    monkeypatch.setattr("durward.storage.state.sqlite3.connect", partial(sqlite3.connect, factory=Base))
    Base.let.set()
    async with providing() as provider, gate_inside(tmp_path, provider, monkeypatch) as (port, _):
        assert (await made(port, 1)).status == 200
        with fault(name, tmp_path):
            refused = await made(port, 2)
            assert (refused.status, json.loads(refused.body)["error"]["code"]) == (503, "state_unavailable")
            assert b"file-" not in refused.body, "nobody has an object that is nobody's"
            # Model calls need nothing of it, and the gate is ready for them.
            assert (await asked(port, CHAT)).status == 200
            assert (await asked(port, STREAM)).complete
            assert (await asked(port, READY)).status == 200
        # A thread that was held up has its work done first.
        async with asyncio.timeout(30):
            while (answer := await made(port, 3)).status != 200:
                pass
        assert (await fetched(port, json.loads(answer.body)["id"])).status == 200
        await until(lambda: refused.call in read_ledger(tmp_path / ".durward").ends, "the end")
        (end,) = read_ledger(tmp_path / ".durward").ends[refused.call]
        assert (end["outcome"], end["status"], end["reason"]) == ("refused", 503, "state_unavailable")
        assert end["attempts"][0]["status"] == 200
    assert problems(tmp_path / ".durward") == []
