"""`durward tail`: calls as they end, read from the journal itself."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Annotated

import typer
from rich.console import Console

from durward.cli.calls import COLUMNS, cells
from durward.cli.listing import AsJson, Grid, Where, data_dir_of
from durward.records.lines import Record, as_json
from durward.records.tail import Tail

LOOK_SECONDS = 0.2
WIDTHS = (8, 8, 8, 15, 8, 8, 12, 6)
"""Of the columns, as there is no telling what comes: a line of 80."""
RESULT = [column.title for column in COLUMNS].index("result")


def tail_command(
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="How many earlier calls to begin with.")] = 10,
    json_lines: AsJson = False,
    where: Where = None,
) -> None:
    """Show calls as they end, until it is stopped (Ctrl-C)."""
    data_dir = data_dir_of(where)
    console = Console()
    grid = Grid(console, COLUMNS)
    grid.fix((*WIDTHS[:RESULT], _room(console.width), *WIDTHS[RESULT + 1 :]))
    if not json_lines and console.is_terminal:
        console.print(grid.titles(), soft_wrap=True)
    try:
        for record in ended(data_dir, limit):
            if json_lines:
                print(as_json(record), flush=True)
            else:
                console.print(grid.row(cells(record)), soft_wrap=True)
    except KeyboardInterrupt:
        return


def _room(width: int) -> int:
    """How wide the result is: of a wider line it gets what a reason needs before the rest goes to what was asked for."""
    spare = max(0, width - sum(WIDTHS) - len(WIDTHS) + 1)
    return min(WIDTHS[RESULT] + spare, COLUMNS[RESULT].most)


def ended(data_dir: Path, limit: int) -> Iterator[Record]:
    """The last `limit` calls that ended, then each as it ends."""
    tail = Tail(data_dir)
    yield from tail.before(limit)
    while True:
        yield from tail.news()
        sleep(LOOK_SECONDS)
