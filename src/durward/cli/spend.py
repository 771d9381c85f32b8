"""`durward spend`: what calls cost, to the nano-dollar."""

from typing import Annotated, get_args

import typer
from rich.text import Text

from durward.calls.errors import CallerError
from durward.calls.tokens import Tokens
from durward.cli import shown
from durward.cli.listing import AsJson, Column, Grid, Since, Where, data_dir_of, fresh_index, moment, tell, terminal
from durward.records.lines import as_json
from durward.records.queries import By, Spend

COLUMNS = (
    Column("", 8, 60),
    Column("calls", 5, 9, right=True),
    Column("input", 5, 6, right=True),
    Column("output", 6, 6, right=True),
    Column("cost", 6, 22, right=True),
    Column("unpriced", 8, 8, right=True),
    Column("unknown", 7, 7, right=True),
)


def spend_command(
    by: Annotated[str, typer.Option(metavar="WHAT", help="agent, model, day or tag.")] = "agent",
    since: Since = "",
    json_lines: AsJson = False,
    where: Where = None,
) -> None:
    """Show what calls cost, by agent, model, day or tag."""
    if by not in get_args(By):
        raise CallerError(f"Spend cannot be shown by {by!r}.", remedy="Choose one of agent, model, day, tag.")
    begin = moment(since)
    with fresh_index(data_dir_of(where)) as index:
        rows = index.spend(by, begin)  # type: ignore[arg-type]
        # A call counts for each of its tags, so their sum is not the whole.
        total = _sum(rows if by != "tag" else index.spend("agent", begin))
    if json_lines:
        for row in rows:
            print(as_json(_members(by, row)))
        return
    if not rows:
        tell("Nothing was spent: no call was recorded, or none since then.")
        return
    columns = (COLUMNS[0]._replace(title=by), *COLUMNS[1:])
    lines = [_cells(shown.plain(row.name) if row.name else "(none)", row) for row in rows]
    if len(rows) > 1:
        lines.append([Text.assemble((cell.plain, "bold")) for cell in _cells("in all", total)])
    Grid(terminal(), columns).print(lines)
    if total.unpriced:
        tell(
            f"\nA price is missing for {shown.counted(total.unpriced, 'call')}, which cost more than is shown."
            " Add it under `prices:`."
        )
    if total.unknown:
        tell(
            f"\nThe gate died over {shown.counted(total.unknown, 'call')};"
            f" {shown.usd(total.unknown_nano)} was set aside for them and is not in the cost."
        )


def _members(by: str, row: Spend) -> dict[str, object]:
    return {
        by: row.name,
        "calls": row.calls,
        "tokens": row.tokens,
        "cost_nano": row.cost_nano,
        "unpriced": row.unpriced,
        "unknown": row.unknown,
        "unknown_nano": row.unknown_nano,
    }


def _cells(name: str, row: Spend) -> list[Text]:
    tokens = row.tokens
    return [
        Text(name),
        Text(f"{row.calls:,}"),
        Text(shown.count(tokens.input + tokens.cached_input + tokens.cache_write)),
        Text(shown.count(tokens.output + tokens.reasoning)),
        Text(shown.usd(row.cost_nano)),
        Text(f"{row.unpriced:,}" if row.unpriced else "–", "yellow" if row.unpriced else "dim"),
        Text(f"{row.unknown:,}" if row.unknown else "–", "magenta" if row.unknown else "dim"),
    ]


def _sum(rows: list[Spend]) -> Spend:
    return Spend(
        "",
        sum(row.calls for row in rows),
        Tokens(
            sum(row.tokens.input for row in rows),
            sum(row.tokens.cached_input for row in rows),
            sum(row.tokens.cache_write for row in rows),
            sum(row.tokens.output for row in rows),
            sum(row.tokens.reasoning for row in rows),
        ),
        sum(row.cost_nano for row in rows),
        sum(row.unpriced for row in rows),
        sum(row.unknown for row in rows),
        sum(row.unknown_nano for row in rows),
    )
