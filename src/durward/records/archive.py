"""The form of a backup: a tar of plain files in one zstd frame, which `tar --zstd -xf` takes apart.

First comes `manifest.json`, with the names and sizes of all files in their order; last `digests.json`, with the SHA-256 of each, the
manifest included. Whoever reads one takes nothing but what the manifest announces, in that order, under names that a data directory has.
"""

import os
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec

from durward.calls.errors import CallerError, GateError
from durward.records import layout
from durward.records.heads import PRIVATE, PUBLIC
from durward.records.still import Piece, Tip, held

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MANIFEST = "manifest.json"
DIGESTS = "digests.json"
VERSION = 1
DATABASES = ("state.db", "answers.db")
"""Copied as of one moment."""
FILES = (PRIVATE, PUBLIC, "admin-token", "answers.key")
"""Small, and never written twice."""
LEVEL = 1
WINDOW_LOG = 23
"""8 MiB: what reading an archive may take of the memory."""
BLOCK = tarfile.BLOCKSIZE
READ = 256 * 1024
MOST_LISTED = 64 * 2**20
"""Bytes of a manifest: half a million files."""
SPARE = 16 * 2**20
"""Bytes that extracting leaves free."""


class File(msgspec.Struct, frozen=True):
    """A file that an archive holds."""

    name: str
    size: Annotated[int, msgspec.Meta(ge=0)]


class Manifest(msgspec.Struct, frozen=True):
    """What an archive says of itself."""

    v: int
    durward: str
    """The version that wrote it."""
    time: str
    host: str
    writers: list[Tip]
    files: list[File]


def belongs(name: str) -> bool:
    """Whether a backup may hold a file of this name, which is a path below the data directory."""
    folder, _, inside = name.partition("/")
    return name in DATABASES or name in FILES or (folder == layout.JOURNAL and layout.worth_keeping(inside))


def write(target: BinaryIO, manifest: Manifest, pieces: list[Piece]) -> None:
    """Write an archive of `pieces`, which are the files of the manifest. Raises OSError, GateError `state_unavailable`."""
    digests: dict[str, str] = {}
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    with zstd.ZstdFile(target, "w", options=options) as packed:
        for piece in [held(MANIFEST, msgspec.json.encode(manifest)), *pieces]:
            digests[piece.name] = _write_one(packed, piece)
        _write_one(packed, held(DIGESTS, msgspec.json.encode(digests)))
        packed.write(bytes(2 * BLOCK))


def _write_one(packed: zstd.ZstdFile, piece: Piece) -> str:
    """Write one member; its digest."""
    member = tarfile.TarInfo(piece.name)
    member.size, member.mode = piece.size, 0o600
    # GNU's form has room for the size of any file.
    packed.write(member.tobuf(tarfile.GNU_FORMAT))
    digest = sha256()
    for content in _content(piece):
        digest.update(content)
        packed.write(content)
    packed.write(bytes(-piece.size % BLOCK))
    return digest.hexdigest()


def _content(piece: Piece) -> Iterator[bytes]:
    if piece.path is None:
        yield piece.content
        return
    missing = piece.size
    with piece.path.open("rb") as file:
        while missing:
            content = file.read(min(READ, missing))
            if not content:
                raise GateError(
                    f"{piece.path} became shorter while it was copied: its disk did not keep what was written.",
                    reason="state_unavailable",
                    remedy="Ask again.",
                )
            missing -= len(content)
            yield content


class _Damage(Exception):
    """An archive is not as it was written, or none of ours."""


def extract(source: BinaryIO, name: str, folder: Path) -> Manifest:
    """Read an archive to its end and put its files into an empty folder, for their owner alone. `name` is what to call it.

    Raises CallerError where it is damaged, cut short, or not ours, and OSError; the folder may then hold a part of it.
    """
    try:
        with _unpacked(source) as packed:
            manifest, listed = _read_manifest(packed)
            _see_room(manifest, folder)
            digests = {MANIFEST: listed}
            for file in manifest.files:
                digests[file.name] = _extract_one(packed, file, folder)
            _read_end(packed, digests)
    except (_Damage, EOFError, zstd.ZstdError) as damage:
        raise CallerError(
            f"{name} is no whole backup: {str(damage).rstrip('.') or 'it ends too early'}.",
            remedy="Name an archive that `durward backup` has written, as it was written.",
        ) from damage
    return manifest


@contextmanager
def _unpacked(source: BinaryIO) -> Iterator[zstd.ZstdFile]:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
    with zstd.ZstdFile(source, options=options) as packed:
        yield packed


def _read_manifest(packed: zstd.ZstdFile) -> tuple[Manifest, str]:
    size = _read_head(packed, MANIFEST, None)
    content = _read_small(packed, size)
    try:
        version = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).get("v")
        if version != msgspec.Raw(b"%d" % VERSION):
            raise _Damage("it is of a form that this version of Durward does not know")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _Damage(f"its manifest cannot be read ({error})") from None
    names = [file.name for file in manifest.files]
    if foreign := [name for name in names if not belongs(name)]:
        raise _Damage(f"it holds {foreign[0]!r}, which no data directory has")
    if len(set(names)) != len(names):
        raise _Damage("it holds a file twice")
    return manifest, sha256(content).hexdigest()


def _see_room(manifest: Manifest, folder: Path) -> None:
    found = os.statvfs(folder)
    needed, room = sum(file.size for file in manifest.files) + SPARE, found.f_bavail * found.f_frsize
    if needed > room:
        raise GateError(
            f"What it holds takes {needed / 2**20:,.0f} MiB, and {room / 2**20:,.0f} MiB are free.",
            reason="state_unavailable",
            remedy="Free disk space, or restore into another data_dir.",
        )


def _extract_one(packed: zstd.ZstdFile, file: File, folder: Path) -> str:
    """Write one file; its digest."""
    _read_head(packed, file.name, file.size)
    path = folder / file.name
    for parent in (path.parent.parent, path.parent):
        if parent != folder.parent:
            parent.mkdir(mode=0o700, exist_ok=True)
    digest = sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as made:
        for content in _read(packed, file.size):
            digest.update(content)
            made.write(content)
        made.flush()
        os.fsync(made.fileno())
    return digest.hexdigest()


def _read_end(packed: zstd.ZstdFile, digests: dict[str, str]) -> None:
    content = _read_small(packed, _read_head(packed, DIGESTS, None))
    try:
        told = msgspec.json.decode(content, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _Damage(f"its digests cannot be read ({error})") from None
    if told != digests:
        wrong = [name for name in digests if told.get(name) != digests[name]]
        raise _Damage(f"{wrong[0] if wrong else DIGESTS} is not what was backed up")
    if b"".join(_read(packed, 2 * BLOCK)).strip(b"\0") or packed.read(1):
        raise _Damage("something follows behind its end")


def _read_head(packed: zstd.ZstdFile, name: str, size: int | None) -> int:
    """The size of the next member, which must be a plain file of that name, and of that size where it is known."""
    try:
        member = tarfile.TarInfo.frombuf(b"".join(_read(packed, BLOCK)), "utf-8", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise _Damage(f"where {name} should stand is no file ({error})") from None
    if (member.name, member.type) != (name, tarfile.REGTYPE) or member.size != (member.size if size is None else size):
        raise _Damage(f"where {name} should stand is something else")
    return member.size


def _read_small(packed: zstd.ZstdFile, size: int) -> bytes:
    if not 0 <= size <= MOST_LISTED:
        raise _Damage("its manifest is too large")
    return b"".join(_read(packed, size))


def _read(packed: zstd.ZstdFile, size: int) -> Iterator[bytes]:
    """So many bytes, and past what fills up their last block."""
    missing = size
    while missing:
        content = packed.read(min(READ, missing))
        if not content:
            raise _Damage("it ends too early")
        missing -= len(content)
        yield content
    filling = -size % BLOCK
    if filling and len(packed.read(filling)) != filling:
        raise _Damage("it ends too early")
