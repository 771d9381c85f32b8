"""The archive: what is put in comes out, and of anything else nothing is believed."""

import io
import tarfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durward.calls.errors import CallerError, GateError
from durward.records import archive
from durward.records.archive import DIGESTS, MANIFEST, belongs, extract
from durward.records.still import Piece
from tests.records.packed import Member, archive_of, data_dir_in, member, put_together, squeezed, taken_apart

SHELL = {"durward": "0", "time": "", "host": "", "writers": []}


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return archive_of(data_dir_in(tmp_path_factory.mktemp("archived")))


def reads(content: bytes, folder: Path) -> archive.Manifest:
    return extract(io.BytesIO(content), "it", folder)


def test_what_is_archived_comes_out_for_its_owner_alone(tmp_path: Path) -> None:
    data_dir = data_dir_in(tmp_path)
    content = archive_of(data_dir)
    folder = tmp_path / "out"
    folder.mkdir()
    manifest = reads(content, folder)
    names = [file.name for file in manifest.files]
    (segment,) = (data_dir / "journal").glob("*/1.jsonl")
    assert names == [str(segment.relative_to(data_dir)), "state.db", "journal.key", "journal.pub", "admin-token"]
    for name in set(names) - {"state.db"}:
        assert (folder / name).read_bytes() == (data_dir / name).read_bytes()
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
    assert [tip.seq for tip in manifest.writers] == [16]


def test_it_is_a_tar_for_others_too(archived: bytes) -> None:
    members = taken_apart(archived)
    assert [found.name for found, _ in members][::6] == [MANIFEST, DIGESTS]
    digests = msgspec.json.decode(members[-1][1])
    assert digests == {found.name: sha256(content).hexdigest() for found, content in members[:-1]}
    assert {found.mode for found, _ in members} == {0o600}


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_an_archive_that_is_cut_at_any_byte_is_refused(
    tmp_path_factory: pytest.TempPathFactory, archived: bytes, data: st.DataObject
) -> None:
    end = data.draw(st.integers(0, len(archived) - 1))
    with pytest.raises(CallerError, match="it is no whole backup"):
        reads(archived[:end], tmp_path_factory.mktemp("cut"))


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_of_an_archive_with_a_byte_changed_nothing_else_is_read(
    tmp_path_factory: pytest.TempPathFactory, archived: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(archived) - 1))
    changed = bytearray(archived)
    changed[at] ^= data.draw(st.integers(1, 255))
    folder = tmp_path_factory.mktemp("changed")
    with suppress(CallerError):
        reads(bytes(changed), folder)
        for found, content in taken_apart(archived)[1:-1]:
            assert (folder / found.name).read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04" * 200, bytes(4096), squeezed(bytes(4096))])
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CallerError, match="it is no whole backup"):
        reads(content, tmp_path)
    assert list(tmp_path.iterdir()) == []


def with_digests(members: list[Member]) -> bytes:
    digests = {found.name: sha256(content).hexdigest() for found, content in members}
    return put_together([*members, member(DIGESTS, digests)])


def announced(*names: str, v: int = 1, size: int = 4) -> Member:
    return member(MANIFEST, SHELL | {"v": v, "files": [{"name": name, "size": size} for name in names]})


FOREIGN = [
    "../state.db",
    "/etc/passwd",
    "journal/../state.db",
    "journal/h-1795000000000/../../x",
    "journal/h-1795000000000/1.jsonl/x",
    "journal/h-1795000000000/01.jsonl",
    "journal/h-1795000000000/lock",
    f"journal/{'h' * 90}-1795000000000/1.jsonl",
    "journal/state.db",
    "index.db",
    "lock",
    "control.sock",
    "state.db-wal",
    "state.db\n",
    "./state.db",
    "",
]


@pytest.mark.parametrize("name", FOREIGN)
def test_no_name_but_those_of_a_data_directory_is_taken(tmp_path: Path, name: str) -> None:
    assert not belongs(name)
    with pytest.raises(CallerError, match="which no data directory has"):
        reads(with_digests([announced(name), member(name or "x", b"evil")]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def kind(type_: bytes, **members: Any) -> Member:
    found, content = member("state.db", b"evil")
    found.type = type_
    for name, value in members.items():
        setattr(found, name, value)
    return found, content


@pytest.mark.parametrize(
    "odd",
    [
        kind(tarfile.SYMTYPE, linkname="/etc/passwd"),
        kind(tarfile.LNKTYPE, linkname="journal.key"),
        kind(tarfile.CHRTYPE),
        kind(tarfile.FIFOTYPE),
        kind(tarfile.DIRTYPE),
        member("journal.key", b"evil"),
        member("state.db", b"evil and more than was said"),
    ],
)
def test_a_member_is_the_plain_file_that_was_announced_or_nothing_is_taken(tmp_path: Path, odd: Member) -> None:
    with pytest.raises(CallerError, match=r"where state\.db should stand is something else"):
        reads(with_digests([announced("state.db"), odd]), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content,said",
    [
        (with_digests([announced("state.db", "state.db"), member("state.db", b"evil")]), "a file twice"),
        (with_digests([announced("state.db", v=2), member("state.db", b"evil")]), "does not know"),
        (with_digests([member(MANIFEST, b"{")]), "manifest cannot be read"),
        (with_digests([member(MANIFEST, {"v": 1})]), "manifest cannot be read"),
        (with_digests([announced("state.db", size=-1)]), "manifest cannot be read"),
        (put_together([announced(), member(DIGESTS, b"[]")]), "digests cannot be read"),
        (put_together([announced(), member(DIGESTS, {})]), "manifest.json is not what was backed up"),
        (put_together([announced()]), "where digests.json should stand"),
        (with_digests([announced()]) + b"more", "no whole backup"),
        (with_digests([announced()]) + squeezed(b"more"), "something follows"),
    ],
)
def test_what_is_wrong_with_an_archive_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(CallerError, match=said):
        reads(content, tmp_path)


def test_a_manifest_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    huge = tarfile.TarInfo(MANIFEST)
    huge.size = archive.MOST_LISTED + 1
    with pytest.raises(CallerError, match="too large"):
        reads(squeezed(huge.tobuf(tarfile.GNU_FORMAT) + bytes(2048)), tmp_path)


def test_what_the_disk_has_no_room_for_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="MiB are free"):
        reads(with_digests([announced("state.db", size=2**60)]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_becomes_shorter_is_an_error_and_makes_no_archive(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"four")
    piece = Piece("state.db", 5, tmp_path / "state.db")
    manifest = archive.Manifest(1, "0", "", "", [], [archive.File("state.db", 5)])
    target = io.BytesIO()
    with pytest.raises(GateError, match="became shorter"):
        archive.write(target, manifest, [piece])
    (tmp_path / "out").mkdir()
    with pytest.raises(CallerError, match="no whole backup"):
        reads(target.getvalue(), tmp_path / "out")
