"""Recorded provider traffic, played back: an upstream that spells each answer anew and sends it in pieces of any size.

A caller names the case it wants in the header `Replay-Case`, which travels through the gate as any other.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.clients.upstream import Asked, Said
from tests.protocols.irregular import respell, respell_events

CASE = "replay-case"
TURN = "replay-turn"
VENDOR = [
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-remaining-tokens", "149999975"),
    ("anthropic-ratelimit-tokens-reset", "2026-11-21T12:00:00Z"),
    ("openai-processing-ms", "412"),
    ("CF-RAY", "8c0ffee0deadbeef-FRA"),
    ("Server-Timing", "gfet4t7; dur=412"),
    ("x-vendor-list", "one"),
    ("x-vendor-list", "two,  three"),
    ("X-Vendor-Latin", "caf\u00e9"),
]
WIDTHS = ([1], [1, 2, 3, 7, 20], [50, 200, 700, 4096], [1_000_000])
"""Sizes of the pieces, by turn: single bytes, a few, some hundred, all at once."""


class Case(NamedTuple):
    """One recorded request and its answer."""

    name: str
    path: str
    request: Any
    status: int
    fields: list[tuple[str, str]]
    body: Any
    """The JSON of a whole answer; None where `text` is the answer."""
    text: str

    @property
    def streamed(self) -> bool:
        return self.body is None and self.status == 200

    def sent(self) -> bytes:
        """The request's body, spelled irregularly."""
        if isinstance(self.request, str):
            return self.request.encode()
        return respell(self.request, Random(f"request of {self.name}"), lines=True)

    def answer(self) -> bytes:
        """The answer's body, spelled irregularly: the same bytes whenever it is asked for."""
        random = Random(self.name)
        if self.body is not None:
            return respell(self.body, random, lines=True)
        return respell_events(self.text, random) if self.streamed else self.text.encode()


def cases(folder: Path | None, name: str) -> list[Case]:
    """The cases of one file of recorded traffic."""
    assert folder is not None
    found: list[Case] = []
    for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        request, response = row["request"], row["response"]
        kept = [each for each in response["headers"].items() if each[0] in ("content-type", "retry-after")]
        found.append(
            Case(
                f"{name}-{len(found)}",
                request["path"],
                request["body"],
                response["status"],
                kept,
                response.get("body"),
                response.get("text", ""),
            )
        )
    assert found
    return found


class Replay:
    """The upstream's side: answers a request with the case that it names."""

    def __init__(self) -> None:
        self._cases: dict[str, Case] = {}
        self._bodies: dict[str, bytes] = {}

    def know(self, known: list[Case]) -> None:
        for case in known:
            self._cases[case.name] = case

    def answer(self, asked: Asked) -> Said:
        case = self._cases[asked.fields[CASE]]
        turn = int(asked.fields[TURN])
        if case.name not in self._bodies:
            self._bodies[case.name] = case.answer()
        body = self._bodies[case.name]
        fields = [*case.fields, *VENDOR, ("x-request-id", f"req-{case.name}")]
        if turn % len(WIDTHS) == len(WIDTHS) - 1 and not case.streamed:
            return Said(case.status, fields, body)
        random = Random(f"{case.name} {turn}")
        return Said(case.status, fields, body, lambda content: cut(chunked(content, random), random, turn))


def chunked(content: bytes, random: Random) -> bytes:
    """The body in chunked coding (RFC 9112 §7.1), its chunks as they come."""
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces(content, random, [1, 30, 300, 5_000]))
    return coded + b"0\r\n\r\n"


def cut(content: bytes, random: Random, turn: int) -> Iterator[bytes]:
    """The pieces in which content is written to the connection."""
    return pieces(content, random, WIDTHS[turn % len(WIDTHS)])


def pieces(content: bytes, random: Random, widths: list[int]) -> Iterator[bytes]:
    start = 0
    while start < len(content):
        end = start + random.choice(widths)
        yield content[start:end]
        start = end
