"""Recorded provider traffic, and how a stream is fed to a reader in pieces of any size."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from durward.protocols.wire import StreamReader

SIZES = [1, 2, 3, 7, 61, 1024, 10**9]


class Exchanged(NamedTuple):
    """One recorded request and its answer: `body` of a plain answer, `text` of a streamed one."""

    source: str
    path: str
    request: dict[str, Any]
    status: int
    body: Any
    text: str


def exchanges(cassettes: Path | None, name: str) -> Iterator[Exchanged]:
    assert cassettes is not None
    paths = sorted(cassettes.glob(f"{name}.jsonl"))
    assert paths, f"no {name} among the recorded traffic"
    for path in paths:
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            request, response = row["request"], row["response"]
            yield Exchanged(
                f"{row['source']}#{row['index']}",
                request["path"],
                request["body"],
                response["status"],
                response.get("body"),
                response.get("text", ""),
            )


class Followed(NamedTuple):
    """What came out of a reader: before the record was settled, held for it, and after."""

    released: bytes
    held: bytes
    after: bytes

    @property
    def all(self) -> bytes:
        return self.released + self.held + self.after


def chunked(stream: bytes, size: int) -> list[bytes]:
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def follow(reader: StreamReader, chunks: list[bytes]) -> Followed:
    """As the gate does: settle when the terminal event is held, or at the upstream's end."""
    released = held = after = b""
    settled = False
    for chunk in chunks:
        if settled:
            after += reader.feed(chunk)
            continue
        released += reader.feed(chunk)
        if reader.ended:
            settled = True
            held = reader.take_held()
    rest = reader.finish()
    return Followed(released, held, after + rest) if settled else Followed(released, rest, b"")


def told(reader: StreamReader) -> tuple[Any, ...]:
    """All that a reader knows, to be compared between ways to cut the stream."""
    usage = reader.usage
    counted = (
        None
        if usage is None
        else (usage.tokens, usage.split, usage.fees, usage.service_tier, bytes(usage.verbatim or b""))
    )
    return (
        counted,
        reader.model,
        reader.text_bytes,
        reader.objects,
        reader.ended,
        reader.finished,
        reader.error,
        reader.unread,
    )


def random_chunks(stream: bytes, seed: int) -> list[bytes]:
    random = Random(seed)
    chunks = []
    while stream:
        size = random.choice([1, 1, 2, 5, 20, 100, 700])
        chunks.append(stream[:size])
        stream = stream[size:]
    return chunks
