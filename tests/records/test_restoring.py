"""A restore is whole, or leaves nothing behind."""

import io
from pathlib import Path

import pytest

from durward.calls.errors import CallerError, DurwardError
from durward.records import layout
from durward.records.archive import DIGESTS, MANIFEST
from durward.records.restoring import Restored, refuse_what_is_there, restore
from tests.faults.ledger import mended, problems
from tests.records.packed import archive_of, data_dir_in, member, put_together, taken_apart
from tests.records.test_archive import with_digests
from tests.records.test_still import mended as started


def restored(archived: bytes, data_dir: Path, *, broken_chain: bool = False) -> Restored:
    return restore(io.BytesIO(archived), "it", data_dir, broken_chain=broken_chain)


@pytest.fixture
def archived(tmp_path: Path) -> bytes:
    return archive_of(data_dir_in(tmp_path))


def entries(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_what_is_restored_is_whole_private_and_said(tmp_path: Path, archived: bytes) -> None:
    there = tmp_path / "deep" / "er" / "new"
    found = restored(archived, there)
    assert (found.holdings.calls, found.holdings.writers, found.holdings.open) == (7, 1, set())
    assert found.verdict.problems == []
    assert found.manifest.writers[0].seq == 16
    (writer,) = layout.writers(there / "journal")
    assert entries(there) == {
        *("admin-token", "journal", "journal.key", "journal.pub", "lock", "state.db", f"journal/{writer.name}"),
        *(f"journal/{writer.name}/{name}" for name in ("1.jsonl", "lock")),
    }
    assert {path.stat().st_mode & 0o777 for path in there.rglob("*")} == {0o600, 0o700}
    assert there.stat().st_mode & 0o777 == 0o700
    assert entries(there.parent) == {"new", *(f"new/{name}" for name in entries(there))}


def test_recovery_looks_after_the_writers_of_a_restored_journal(tmp_path: Path, archived: bytes) -> None:
    restored(archived, tmp_path / "new")
    started(tmp_path / "new")
    assert mended(tmp_path / "new")
    assert problems(tmp_path / "new") == []


@pytest.mark.parametrize("there", [(), ("lock",), ("lock", "lost+found")])
def test_a_directory_that_is_there_and_empty_is_filled(tmp_path: Path, archived: bytes, there: tuple[str, ...]) -> None:
    (tmp_path / "volume").mkdir()
    for name in there:
        (tmp_path / "volume" / name).touch()
    restored(archived, tmp_path / "volume")
    restored(archived, tmp_path / "new")
    assert entries(tmp_path / "volume") == (entries(tmp_path / "new") - {"lock"}) | {*there}


def test_over_what_is_there_nothing_is_restored(tmp_path: Path, archived: bytes) -> None:
    (tmp_path / "full").mkdir()
    for number in range(7):
        (tmp_path / "full" / f"{number}").touch()
    before = entries(tmp_path)
    with pytest.raises(CallerError, match="is not empty: 0, 1, 2, 3, 4 and 2 more"):
        restored(archived, tmp_path / "full")
    with pytest.raises(CallerError, match="is a file"):
        refuse_what_is_there(tmp_path / "full" / "1")
    assert entries(tmp_path) == before
    refuse_what_is_there(tmp_path / "missing")


@pytest.mark.parametrize("exists", [False, True])
def test_of_an_archive_that_is_cut_nothing_is_left(tmp_path: Path, archived: bytes, exists: bool) -> None:
    there = tmp_path / "deep" / "new"
    if exists:
        there.mkdir(parents=True)
    before = entries(tmp_path)
    for end in range(0, len(archived), len(archived) // 40):
        with pytest.raises(DurwardError):
            restored(archived[:end], there)
        assert entries(tmp_path) == before


def test_a_journal_that_was_not_whole_is_restored_only_where_that_is_wanted(tmp_path: Path, archived: bytes) -> None:
    members = [
        member(found.name, content.replace(b'"cost_nano":7', b'"cost_nano":6'))
        for found, content in taken_apart(archived)[:-1]
    ]
    forged = with_digests(members)
    before = entries(tmp_path)
    with pytest.raises(CallerError, match="1.jsonl:13: this line is not the one that was written") as raised:
        restored(forged, tmp_path / "new")
    assert "--broken-chain" in raised.value.remedy
    assert entries(tmp_path) == before
    found = restored(forged, tmp_path / "new", broken_chain=True)
    assert len(found.verdict.problems) == 1
    assert (tmp_path / "new" / "state.db").exists()


def test_broken_chain_is_no_leave_for_a_damaged_archive(tmp_path: Path, archived: bytes) -> None:
    members = taken_apart(archived)
    digests = members.pop()
    assert (members[0][0].name, digests[0].name) == (MANIFEST, DIGESTS)
    changed = [member(found.name, content.replace(b'"cost_nano":7', b'"cost_nano":6')) for found, content in members]
    with pytest.raises(CallerError, match="is not what was backed up"):
        restored(put_together([*changed, digests]), tmp_path / "new", broken_chain=True)
    assert not (tmp_path / "new").exists()
