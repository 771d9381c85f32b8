"""How values of records look to people. Callers choose many of them, so nothing reaches the terminal that would steer it."""

import unicodedata

from rich.text import Text

from durward.calls.errors import DENIED_BY_RULE, REASONS
from durward.calls.tokens import Tokens
from durward.records.lines import Record
from durward.records.queries import SHORT

OUTCOMES = {"ok": "green", "refused": "yellow", "failed": "red", "cut": "red", "unknown": "magenta", None: "cyan"}
UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode categories that move the cursor, hide text or turn it around."""


def plain(value: str | None) -> str:
    """Text without anything that a terminal would obey; nothing becomes `–`."""
    if not value:
        return "–"
    return "".join("�" if unicodedata.category(character) in UNSAFE else character for character in value)


def usd(nano: int | None) -> str:
    """Nano-dollars as dollars, exactly; cents at least."""
    if nano is None:
        return "–"
    whole, part = divmod(abs(nano), 10**9)
    digits = f"{part:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano < 0 else ''}${whole:,}.{digits}"


def duration(ms: float | None) -> str:
    """A length of time, to the digits that matter."""
    if ms is None:
        return "–"
    if ms < 9.95:
        return f"{ms:.1f} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    seconds = ms / 1000
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} m"


def counted(number: int, thing: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def count(number: int) -> str:
    """A number of tokens or bytes in at most five characters."""
    if number < 10_000:
        return str(number)
    for unit in ("k", "M", "G", "T"):
        number_of = number / 1000
        if number_of < 999.5:
            return f"{number_of:.0f}{unit}" if number_of >= 99.95 else f"{number_of:.1f}{unit}"
        number = round(number_of)
    return f"{number}T"


def read_and_written(tokens: Tokens | None) -> str:
    """Tokens in and out, whatever their kind."""
    if tokens is None:
        return "–"
    read = tokens.input + tokens.cached_input + tokens.cache_write
    return f"{count(read)}→{count(tokens.output + tokens.reasoning)}"


def short_id(identifier: str) -> str:
    """As much of an id as `durward trace` needs."""
    return identifier[-SHORT:]


def result(record: Record) -> Text:
    """How a call ended, in a word or two."""
    style = OUTCOMES.get(record.outcome, "")
    if record.outcome is None:
        return Text("open", style)
    if record.outcome == "failed" and record.status and record.reason == "upstream_error":
        return Text(f"failed {record.status}", style)
    if record.reason and record.outcome != "ok":
        return Text(plain(record.reason), style)
    return Text(record.outcome, style)


def cost(record: Record) -> Text:
    """What a call cost. `?` where its price is not known; what was only set aside, and what was estimated, is marked `~`."""
    if record.cost_nano is None:
        unpriced = (
            record.outcome in {"ok", "cut", "unknown"} and record.model and record.action in {"generate", "embed"}
        )
        return Text("?" if unpriced else "–", "yellow" if unpriced else "dim")
    about = record.outcome == "unknown" or record.estimated
    return Text(f"{'~' if about else ''}{usd(record.cost_nano)}")


def remedy(record: Record) -> str:
    """What to do about a call that did not go well, "" where there is nothing to say."""
    if record.outcome in {"ok", "unknown", None} or record.reason not in REASONS:
        return ""
    if record.reason == "denied" and record.rule:
        return DENIED_BY_RULE
    return REASONS[record.reason].remedy


def clock_time(time: str, *, with_day: bool = False) -> str:
    """The time of day of a record's time, in UTC; with the day where that is not clear."""
    return f"{time[5:10]} {time[11:16]}" if with_day else time[11:19]
