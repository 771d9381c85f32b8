"""Calls that belong together, as a tree over time."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.text import Text

from durward.cli import shown
from durward.cli.calls import what
from durward.cli.listing import Column
from durward.records.lines import Record
from durward.records.times import milliseconds

COLUMNS = (
    Column("what", 14, 80),
    Column("result", 6, 16),
    Column("took", 4, 8, right=True),
    Column("", 16, 16),
    Column("cost", 4, 14, right=True),
)
BAR = 16
SPAN_LENGTH = 16


class Place(NamedTuple):
    """A call and where it stands in the tree: what is drawn before it."""

    record: Record
    branch: str


def span_of(record: Record) -> str:
    """A call's own span id, the last 16 hex digits of its id: the `parent` of calls that were made within it."""
    return record.id.replace("-", "")[-SPAN_LENGTH:]


def tree(records: Sequence[Record]) -> list[Place]:
    """The calls in the order of time, each below the call within which it was made, if that is among them."""
    spans = {span_of(record) for record in records}
    children: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.time, record.id)):
        inside = record.parent if record.parent in spans and record.parent != span_of(record) else ""
        children.setdefault(inside or "", []).append(record)
    placed = list(_below(children, "", ""))
    seen = {place.record.id for place in placed}
    # Calls that claim each other as parents hang nowhere.
    return placed + [Place(record, "") for record in records if record.id not in seen]


def _below(children: dict[str, list[Record]], parent: str, indent: str) -> Iterator[Place]:
    siblings = children.pop(parent, [])
    for at, record in enumerate(siblings):
        last = at == len(siblings) - 1
        yield Place(record, indent + ("" if not parent else "└ " if last else "├ "))
        yield from _below(children, span_of(record), indent + ("" if not parent else "  " if last else "│ "))


def rows(records: Sequence[Record], chosen: str = "") -> list[list[Text]]:
    """The tree as rows of COLUMNS; the call that was asked for stands out."""
    first = min(milliseconds(record.time) for record in records)
    length = max(1.0, *(milliseconds(record.time) - first + (record.duration_ms or 0) for record in records))
    return [
        [
            Text.assemble((place.branch, "dim"), (what(place.record), "bold" if place.record.id == chosen else "")),
            shown.result(place.record),
            Text(shown.duration(place.record.duration_ms)),
            bar(place.record, first, length),
            shown.cost(place.record),
        ]
        for place in tree(records)
    ]


def bar(record: Record, first: float, length: float) -> Text:
    """When a call ran, within all of the story's time: thin until the first byte of the answer, then thick."""

    def at(ms: float) -> int:
        return min(BAR, round(ms / length * BAR))

    begin = milliseconds(record.time) - first
    left = min(at(begin), BAR - 1)
    right = max(left + 1, at(begin + (record.duration_ms or 0)))
    middle = right
    if record.first_byte_ms is not None:
        middle = min(max(at(begin + record.first_byte_ms), left), right - 1)
    style = shown.OUTCOMES.get(record.outcome, "")
    return Text.assemble(" " * left, ("─" * (middle - left), style), ("━" * (right - middle), style))
