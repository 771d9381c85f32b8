"""What all listings share: their options, the index brought up to date before they answer, and rows of text in columns."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import sleep, time
from typing import Annotated, NamedTuple

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from durward.calls.errors import CallerError
from durward.cli.place import DEMO_DIR, existing, locate
from durward.records.freshness import catch_up
from durward.records.queries import Index
from durward.records.times import milliseconds

Where = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        "--data-dir",
        metavar="FILE",
        help="The configuration file, or a data directory.",
        show_default="./durward.yaml",
    ),
]
Since = Annotated[
    str,
    typer.Option(metavar="WHEN", help="How far back: 15m, 2h, 7d, or a date or time (UTC).", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

AGO = re.compile(r"(\d{1,6})(s|m|h|d|w)")
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
NOTICEABLE = 20
"""Pauses after which somebody wonders what is going on: a second or more."""
DATE = re.compile(r"\d{4}-\d\d-\d\d")
UNBOUNDED = 10_000
"""A width no listing reaches."""


class Column(NamedTuple):
    """A column of a listing: its title, its least and greatest width, and which side its text keeps to."""

    title: str
    least: int
    most: int
    right: bool = False


def data_dir_of(where: Path | None) -> Path:
    """The data directory that is meant. Raises CallerError where nothing was started there, Mistakes."""
    if where is not None and where.is_dir():
        return where.absolute()
    place = locate(where)
    data_dir = existing(place)
    if place.file is None and data_dir == DEMO_DIR.absolute():
        tell(f"These are the demo's records, from {DEMO_DIR}.")
    return data_dir


@contextmanager
def fresh_index(data_dir: Path) -> Iterator[Index]:
    """The index, with all that the journal held just now, or a word on standard error of how much it lacks."""
    lacking = catch_up(data_dir, _patience())
    if lacking:
        tell(f"The index is {lacking / 2**20:.1f} MiB of journal behind; the newest calls are missing here.")
    index = Index(data_dir)
    try:
        yield index
    finally:
        index.close()


def _patience() -> Callable[[float], None]:
    """A pause that says what is waited for once it has become noticeable."""
    pauses = count(1)

    def pause(seconds: float) -> None:
        if next(pauses) == NOTICEABLE:
            tell("Waiting until the index holds the newest calls …")
        sleep(seconds)

    return pause


def moment(since: str) -> int:
    """The Unix time in milliseconds that `--since` means; 0 for none. Raises CallerError."""
    if not since:
        return 0
    if ago := AGO.fullmatch(since):
        return int((time() - int(ago[1]) * UNITS[ago[2]]) * 1000)
    try:
        if DATE.fullmatch(since):
            return milliseconds(f"{since}T00:00:00Z")
        return milliseconds(since if since.endswith("Z") or "+" in since else f"{since}Z")
    except ValueError:
        raise CallerError(
            f"{since!r} is no time.", remedy="Write how long ago (15m, 2h, 7d) or when (2026-11-21, 2026-11-21T07:43Z)."
        ) from None


def tell(text: str) -> None:
    """For people, beside what a program may read."""
    print(text, file=sys.stderr, flush=True)


def terminal() -> Console:
    """Where listings go. What is no terminal and has no width of its own reads whole names: they are searched for."""
    bounded = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console() if bounded else Console(width=UNBOUNDED)


class Grid:
    """Rows of text under titles, as wide as the terminal if they can be: words give way, the widest first, and numbers never do."""

    def __init__(self, console: Console, columns: Sequence[Column]) -> None:
        self._console = console
        self._columns = columns
        self._gap = 2
        self.widths = [column.least for column in columns]

    def fit(self, rows: Sequence[Sequence[Text]]) -> None:
        """Choose widths for rows; those of rows that come later are cut to them."""
        for at, column in enumerate(self._columns):
            longest = max([cell_len(column.title), *(cell_len(row[at].plain) for row in rows)])
            self.widths[at] = min(max(column.least, longest), column.most)
        self._gap = 2 if self._over(2) <= 0 else 1
        words = [at for at, column in enumerate(self._columns) if not column.right]
        for at in sorted(words, key=lambda at: -self._columns[at].most):
            over = max(0, self._over(self._gap))
            self.widths[at] -= min(over, self.widths[at] - self._columns[at].least)

    def _over(self, gap: int) -> int:
        return sum(self.widths) + gap * (len(self.widths) - 1) - self._console.width

    def fix(self, widths: Sequence[int]) -> None:
        """Choose widths before any row is known; the widest column gets what the line has left."""
        self.widths = list(widths)
        self._gap = 1
        loose = max(range(len(self._columns)), key=lambda at: self._columns[at].most)
        self.widths[loose] -= min(self._over(self._gap), 0)

    def titles(self) -> Text:
        """The line above the rows."""
        return self.row([Text(column.title, "dim") for column in self._columns])

    def row(self, cells: Sequence[Text]) -> Text:
        """One line."""
        line = Text(no_wrap=True, overflow="ignore")
        for at, (cell, column, width) in enumerate(zip(cells, self._columns, self.widths, strict=True)):
            line.append(" " * self._gap if at else "")
            line.append_text(_fitted(cell, width, right=column.right))
        line.rstrip()
        return line

    def print(self, rows: Sequence[Sequence[Text]]) -> None:
        """All rows with their titles."""
        self.fit(rows)
        self._console.print(self.titles(), soft_wrap=True)
        for cells in rows:
            self._console.print(self.row(cells), soft_wrap=True)


def _fitted(cell: Text, width: int, *, right: bool) -> Text:
    missing = width - cell_len(cell.plain)
    if missing < 0 and not right:
        return Text(set_cell_size(cell.plain, width - 1) + "…", cell.style)
    fitted = Text(" " * missing) if right else Text()
    fitted.append_text(cell)
    return fitted if right else fitted.append(" " * missing)
