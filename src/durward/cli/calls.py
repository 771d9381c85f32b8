"""`durward calls`: the calls that were made, newest first."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from durward.cli import shown
from durward.cli.listing import AsJson, Column, Grid, Since, Where, data_dir_of, fresh_index, moment, tell, terminal
from durward.records.lines import Record, as_json
from durward.records.queries import Wanted

COLUMNS = (
    Column("id", 8, 8),
    Column("UTC", 8, 11),
    Column("agent", 7, 24),
    Column("what", 12, 120),
    Column("result", 10, 20),
    Column("tokens", 6, 11, right=True),
    Column("cost", 4, 16, right=True),
    Column("took", 4, 8, right=True),
)


def calls_command(
    since: Since = "",
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="How many at most; 0 for all.")] = 50,
    agent: Annotated[str, typer.Option(metavar="NAME", help="Of this agent only.", show_default=False)] = "",
    outcome: Annotated[
        str, typer.Option(metavar="HOW", help="ok, refused, failed, cut or unknown only.", show_default=False)
    ] = "",
    json_lines: AsJson = False,
    where: Where = None,
) -> None:
    """List calls, newest first."""
    wanted = Wanted(moment(since), limit or None, agent=agent or None, outcome=outcome or None)
    with fresh_index(data_dir_of(where)) as index:
        if json_lines:
            for record in index.calls(wanted):
                print(as_json(record))
            return
        records = list(index.calls(wanted))
    if not records:
        tell("No call was recorded, or none that was asked for.")
        return
    today = datetime.now(UTC).date().isoformat()
    days = any(record.time[:10] != today for record in records)
    Grid(terminal(), COLUMNS).print([cells(record, with_day=days) for record in records])
    if len(records) == limit:
        tell(f"These are the newest {limit}; --limit 0 lists all.")


def cells(record: Record, *, with_day: bool = False) -> list[Text]:
    """A call as a row of COLUMNS."""
    return [
        Text(shown.short_id(record.id), "dim"),
        Text(shown.clock_time(record.time, with_day=with_day)),
        Text(shown.plain(record.agent)),
        Text(what(record)),
        shown.result(record),
        Text(shown.read_and_written(record.tokens)),
        shown.cost(record),
        Text(shown.duration(record.duration_ms)),
    ]


def what(record: Record) -> str:
    """What was asked for: a model's name, any other resource, or as much of it as was understood."""
    return shown.plain((record.resource or "").removeprefix("model/") or record.model or record.protocol)
