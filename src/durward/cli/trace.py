"""`durward trace ID`: the story of a call, of a session or of a trace."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.text import Text

from durward.calls.errors import CallerError
from durward.cli import shown, story
from durward.cli.listing import AsJson, Grid, Where, data_dir_of, fresh_index, tell
from durward.records.lines import Record, as_json
from durward.records.queries import SHORT, Index, Wanted

SHOWN = 1_000
"""Calls of a story that are shown at most, the newest of them."""
TOLD = 3
"""A story of at most so many calls is told in full."""
LABEL = 10


class Story(NamedTuple):
    """Calls that belong together, oldest first, and which of them was asked for."""

    title: str
    records: list[Record]
    chosen: str = ""


def trace_command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A call (the last 8 characters do), a session or a trace.", show_default=False
        ),
    ],
    json_lines: AsJson = False,
    where: Where = None,
) -> None:
    """Show what a call, a session or a trace did: attempts, tokens, cost, reasons."""
    with fresh_index(data_dir_of(where)) as index:
        found = find(index, name)
    if json_lines:
        for record in found.records:
            print(as_json(record))
        return
    show(found, Console())


def show_story(data_dir: Path, name: str, console: Console) -> None:
    """Show a call, session or trace of a data directory, as the command does. Raises CallerError where there is none."""
    with fresh_index(data_dir) as index:
        found = find(index, name)
    show(found, console)


def find(index: Index, name: str) -> Story:
    """The calls that are meant. Raises CallerError where there are none, or several calls could be meant."""
    call = index.call(name.lower()) or _by_tail(index, name.lower())
    if call is not None:
        related = _together(index, Wanted(limit=SHOWN, trace=call.trace)) if call.trace else []
        return Story(f"Call {call.id}", related or [call], call.id)
    for title, wanted in (
        ("Session", Wanted(limit=SHOWN, session=name)),
        ("Trace", Wanted(limit=SHOWN, trace=name.lower())),
    ):
        records = _together(index, wanted)
        if records:
            return Story(f"{title} {shown.plain(name)}", records)
    raise CallerError(
        f"No call, session or trace is named {shown.plain(name)}.",
        reason="not_found",
        remedy="`durward calls` lists the newest; the answer to every call names it in `Durward-Call`.",
    )


def _together(index: Index, wanted: Wanted) -> list[Record]:
    still_open = [
        record
        for record in index.open_calls()
        if wanted.session in (None, record.session) and wanted.trace in (None, record.trace)
    ]
    return sorted([*index.calls(wanted), *still_open], key=lambda record: (record.time, record.id))


def _by_tail(index: Index, tail: str) -> Record | None:
    if not SHORT <= len(tail) <= 12 or not all(character in "0123456789abcdef" for character in tail):
        return None
    found = index.ending_in(tail)
    if len(found) > 1:
        ids = ", ".join(record.id for record in found[:5])
        raise CallerError(f"Several calls end in {tail}: {ids}.", remedy="Name one of them in full.")
    return found[0] if found else None


def show(found: Story, console: Console) -> None:
    """Print a story."""
    records = found.records
    console.print(Text(found.title, "bold"), soft_wrap=True)
    if len(records) > 1:
        console.print(Text(summary(records), "dim"), soft_wrap=True)
        console.print()
        Grid(console, story.COLUMNS).print(story.rows(records, found.chosen))
    told = [record for record in records if record.id == found.chosen] or records
    if len(told) > TOLD:
        told = [record for record in told if shown.remedy(record)]
    for record in told[-SHOWN:]:
        console.print()
        _tell_call(record, console, titled=len(records) > 1)
    if len(records) >= SHOWN:
        tell(f"These are the newest {SHOWN} calls of it.")


def summary(records: Sequence[Record]) -> str:
    """What the calls of a story come to together."""
    costs = [record.cost_nano for record in records]
    known = sum(cost for cost in costs if cost is not None)
    tokens = [record.tokens for record in records if record.tokens is not None]
    read = sum(each.input + each.cached_input + each.cache_write for each in tokens)
    written = sum(each.output + each.reasoning for each in tokens)
    agents = sorted({shown.plain(record.agent) for record in records})
    return f"{shown.counted(len(records), 'call')} by {', '.join(agents)} · {read:,} → {written:,} tokens · {shown.usd(known)}"


def _tell_call(record: Record, console: Console, *, titled: bool) -> None:
    if titled:
        console.print(Text(f"Call {record.id}", "bold"), soft_wrap=True)
    for label, value in facts(record):
        lines = (value if isinstance(value, Text) else Text(value)).wrap(console, max(20, console.width - LABEL - 4))
        for at, line in enumerate(lines):
            head = Text(f"  {label if not at else '':{LABEL}}  ", "dim")
            head.append_text(line)
            console.print(head, soft_wrap=True)


def facts(record: Record) -> Iterator[tuple[str, str | Text]]:
    """What there is to tell of one call, label by label."""
    yield "when", when(record)
    yield "who", " · ".join(_named(record))
    yield "what", " ".join(shown.plain(part) for part in (record.action, record.resource) if part) or "nothing known"
    if record.protocol:
        yield "wire", " · ".join(shown.plain(part) for part in (record.protocol, record.effect) if part)
    if record.decision:
        rule = f"rule {shown.plain(record.rule)}" if record.rule else "no rule matched"
        yield "decision", f"{record.decision}, {rule}"
    yield "result", ended(record)
    if remedy := shown.remedy(record):
        yield "remedy", remedy
    for number, attempt in enumerate(record.attempts, 1):
        answer = str(attempt.status) if attempt.status else shown.plain(attempt.reason)
        target = " ".join(shown.plain(part) for part in (attempt.provider, attempt.model) if part)
        yield "attempts" if number == 1 else "", f"{target}: {answer}, {shown.duration(attempt.duration_ms)}"
    yield from _use(record)
    if record.request_id:
        yield "request", shown.plain(record.request_id)
    if record.tags:
        yield "tags", ", ".join(f"{shown.plain(name)}={shown.plain(value)}" for name, value in record.tags.items())
    if record.trace:
        yield "trace", record.trace


def when(record: Record) -> str:
    """When a call began, how long it took, and when its answer did."""
    day = f"{record.time[:10]} {record.time[11:-1]} UTC"
    if record.duration_ms is None:
        return day
    took = f"{day}, took {shown.duration(record.duration_ms)}"
    return took if record.first_byte_ms is None else f"{took}, first byte after {shown.duration(record.first_byte_ms)}"


def ended(record: Record) -> Text:
    """How a call ended, in full."""
    style = shown.OUTCOMES.get(record.outcome, "")
    words = [record.outcome or "still open", str(record.status or "")]
    reason = shown.plain(record.reason) if record.reason else ""
    return Text.assemble((" ".join(word for word in words if word), style), f", {reason}" if reason else "")


def _named(record: Record) -> Iterator[str]:
    yield shown.plain(record.agent)
    for label, value in (("tenant", record.tenant), ("user", record.user), ("session", record.session)):
        if value:
            yield f"{label} {shown.plain(value)}"


def _use(record: Record) -> Iterator[tuple[str, str | Text]]:
    if tokens := record.tokens:
        named = {
            "input": tokens.input,
            "cached": tokens.cached_input,
            "cache write": tokens.cache_write,
            "output": tokens.output,
            "reasoning": tokens.reasoning,
        }
        said = ", ".join(f"{number:,} {name}" for name, number in named.items() if number) or "none"
        yield "tokens", f"{said}{' (estimated)' if record.estimated else ''}"
    if record.cost_nano is not None:
        set_aside = " was set aside; nobody knows what it cost" if record.outcome == "unknown" else ""
        yield "cost", f"{shown.usd(record.cost_nano)}{set_aside}"
    elif shown.cost(record).plain == "?":
        yield "cost", "not known: a price is missing. Add it under `prices:`."
    yield "bytes", f"{record.bytes_in:,} in, {record.bytes_out:,} out"
