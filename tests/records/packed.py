"""A data directory with a story in it, and the archive of it."""

import io
import sys
import tarfile
from pathlib import Path

import msgspec

from durward.calls.principal import Principal
from durward.cli.backup import archive
from durward.storage.state import open_offline
from tests.cli.recorded import record_story

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

AGENT = Principal("made", "acme")


def data_dir_in(folder: Path) -> Path:
    """Calls of every kind, a signing key, an agent made by command, and what no backup holds."""
    data_dir = folder / "data"
    data_dir.mkdir(mode=0o700)
    record_story(data_dir)
    with open_offline(data_dir / "state.db") as state:
        state.add_agent(AGENT, "d" * 64, 1.0)
    (data_dir / "admin-token").write_text("dwa_" + "t" * 43)
    for name in ("index.db", "lock", "notes.txt"):
        (data_dir / name).write_text("not in a backup")
    return data_dir


def archive_of(data_dir: Path) -> bytes:
    """What `durward backup` writes."""
    target = io.BytesIO()
    archive(data_dir, target, data_dir)
    return target.getvalue()


Member = tuple[tarfile.TarInfo, bytes]


def taken_apart(archived: bytes) -> list[Member]:
    """The members of an archive, as another tar reads them."""
    members = []
    with tarfile.open(fileobj=io.BytesIO(zstd.decompress(archived))) as tar:
        for member in tar:
            file = tar.extractfile(member)
            members.append((member, file.read() if file else b""))
    return members


def put_together(members: list[Member], end: bytes = bytes(1024)) -> bytes:
    """An archive of members that somebody has changed."""
    whole = b""
    for member, content in members:
        whole += member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)
    return squeezed(whole + end)


def squeezed(content: bytes) -> bytes:
    """One zstd frame."""
    return zstd.compress(content)


def member(name: str, content: bytes | object) -> Member:
    """A plain file."""
    content = content if isinstance(content, bytes) else msgspec.json.encode(content)
    made = tarfile.TarInfo(name)
    made.size = len(content)
    return made, content
