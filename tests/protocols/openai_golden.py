"""Golden pairs of OpenAI's wires: what comes in, what is read from it, what goes out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from durward.calls.usage import Usage
from durward.protocols.wire import Answer, ModelRequest, StreamReader
from tests.protocols.replay import SIZES, Followed, chunked, follow, random_chunks, told

GOLDEN = Path(__file__).parent.parent / "golden"


class Pair(NamedTuple):
    """One case: its facts, and where it is a stream the provider's bytes and the caller's."""

    name: str
    facts: dict[str, Any]
    stream: bytes = b""
    released: bytes = b""


def pairs(folder: str) -> list[Pair]:
    """The cases of a folder, at least five."""
    found = [_pair(path) for path in sorted((GOLDEN / folder).glob("*.json"))]
    assert len(found) >= 5, folder
    return found


def _pair(path: Path) -> Pair:
    facts = json.loads(path.read_text("utf-8"))
    stream, caller = path.with_suffix(".sse"), path.with_suffix(".caller.sse")
    if not stream.exists():
        return Pair(path.stem, facts)
    sent = stream.read_bytes()
    return Pair(path.stem, facts, sent, caller.read_bytes() if caller.exists() else sent)


def body_of(value: object, indent: int | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=indent).encode()


def read_facts(request: ModelRequest, named: dict[str, Any]) -> dict[str, Any]:
    """Those facts of a request that the pair names."""
    facts = {name: getattr(request, name) for name in named}
    return {**facts, "objects": [list(each) for each in request.objects]} if "objects" in named else facts


def told_facts(told: Answer | Any, named: dict[str, Any]) -> dict[str, Any]:
    """Those facts of an answer or a stream's reader that the pair names."""
    facts = {name: getattr(told, name) for name in named}
    facts["objects"] = [list(each) for each in told.objects]
    facts["usage"] = usage_facts(told.usage)
    return facts


def usage_facts(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    names = ("input", "cached_input", "cache_write", "output", "reasoning")
    tokens = {name: getattr(usage.tokens, name) for name in names}
    return {"tokens": tokens, "split": usage.split, "fees": usage.fees, "service_tier": usage.service_tier}


def followed_alike(make: Callable[[], StreamReader], stream: bytes) -> tuple[StreamReader, Followed]:
    """Follow a stream at once, and see that reads of any other size release and tell the same."""
    reader = make()
    whole = follow(reader, [stream])
    for chunks in [*(chunked(stream, size) for size in SIZES), *(random_chunks(stream, seed) for seed in range(5))]:
        other = make()
        assert follow(other, chunks).all == whole.all
        assert told(other) == told(reader)
    return reader, whole
