"""An index that is deleted, overwritten or cut while it is used is made anew, by whoever finds it so."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from durward.calls.errors import GateError
from durward.records import layout
from durward.records.freshness import RUNNING, catch_up
from durward.records.index import Indexer
from durward.records.journal import FileJournal
from durward.records.queries import Index, Wanted
from durward.records.schema import INDEX
from tests.records.scribe import Calls, journal

CALLS = 400


def delete(data_dir: Path) -> None:
    (data_dir / INDEX).unlink()


def delete_all(data_dir: Path) -> None:
    for path in data_dir.glob(f"{INDEX}*"):
        path.unlink()


def overwrite(data_dir: Path) -> None:
    with (data_dir / INDEX).open("r+b") as file:
        file.write(os.urandom(64 * 1024))


def overwrite_behind_the_first_page(data_dir: Path) -> None:
    checkpointed(data_dir)
    size = (data_dir / INDEX).stat().st_size
    with (data_dir / INDEX).open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(size - 8192))


def cut(data_dir: Path) -> None:
    checkpointed(data_dir)
    os.truncate(data_dir / INDEX, 8192)


def empty(data_dir: Path) -> None:
    os.truncate(data_dir / INDEX, 0)


def checkpointed(data_dir: Path) -> None:
    """All of the index is in its file, nothing in the log beside it."""
    with closing(sqlite3.connect(data_dir / INDEX)) as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def claimed(data_dir: Path) -> Iterator[None]:
    """A Durward runs."""
    with (data_dir / RUNNING).open("w") as file:
        assert layout.try_lock(file.fileno())
        yield


def write(written: FileJournal, calls: Calls, count: int) -> None:
    for _ in range(count):
        opening = calls.opening()
        written.intent(opening)
        written.settle(calls.closing(opening))


@pytest.fixture
def written(tmp_path: Path) -> Iterator[FileJournal]:
    with journal(tmp_path) as found:
        yield found


class Damaged(Exception):
    """What a listing says of an index that it has found so."""


def listed(data_dir: Path) -> int:
    index = Index(data_dir)
    try:
        return len(list(index.calls(Wanted())))
    except GateError as error:
        if "damaged" in error.message and error.remedy.startswith("Ask again"):
            raise Damaged from error
        raise
    finally:
        index.close()


def relisted(data_dir: Path, pause: Callable[[float], None]) -> int:
    """What is listed, at the second try where the first one finds the damage."""
    with suppress(Damaged):
        assert catch_up(data_dir, pause) == 0
        return listed(data_dir)
    assert catch_up(data_dir, pause) == 0
    return listed(data_dir)


def spent(data_dir: Path) -> int:
    index = Index(data_dir)
    try:
        return sum(group.calls for group in index.spend("agent"))
    finally:
        index.close()


def step(indexer: Indexer) -> None:
    while indexer.step():
        pass


LOSSES = [delete, delete_all, overwrite, overwrite_behind_the_first_page, cut, empty]


@pytest.mark.parametrize("lose", LOSSES)
def test_an_index_that_is_lost_while_it_is_written_is_made_anew(
    tmp_path: Path, written: FileJournal, lose: Callable[[Path], None]
) -> None:
    calls = Calls()
    write(written, calls, CALLS)
    indexer = Indexer(tmp_path)
    step(indexer)
    assert listed(tmp_path) == CALLS
    lose(tmp_path)
    write(written, calls, 3)
    with claimed(tmp_path):
        # Only the indexer may write; the listing waits for it, or throws away what is of no use to it.
        assert relisted(tmp_path, lambda _: step(indexer)) == CALLS + 3
    indexer.close()


@pytest.mark.parametrize("lose", LOSSES)
def test_where_nothing_runs_the_next_listing_makes_it_anew(
    tmp_path: Path, written: FileJournal, lose: Callable[[Path], None]
) -> None:
    write(written, Calls(), CALLS)
    assert catch_up(tmp_path) == 0
    lose(tmp_path)
    assert relisted(tmp_path, lambda _: None) == CALLS


def test_lines_that_a_journal_takes_back_are_forgotten(tmp_path: Path, written: FileJournal) -> None:
    calls = Calls()
    write(written, calls, 5)
    assert written.writer is not None
    path = layout.segment(written.writer, 1)
    size = path.stat().st_size
    indexer = Indexer(tmp_path)
    write(written, calls, 2)
    step(indexer)
    assert spent(tmp_path) == 7
    os.truncate(path, size)
    step(indexer)
    assert spent(tmp_path) == listed(tmp_path) == 5
    indexer.close()


def test_who_counts_what_it_takes_in_hears_that_it_begins_anew(tmp_path: Path, written: FileJournal) -> None:
    heard: list[str] = []
    write(written, Calls(), 3)
    indexer = Indexer(tmp_path, lambda pairs: heard.extend("call" for _ in pairs), lambda: heard.append("anew"))
    step(indexer)
    assert heard == ["call"] * 3
    delete_all(tmp_path)
    step(indexer)
    indexer.close()
    assert heard == ["call"] * 3 + ["anew"] + ["call"] * 3
