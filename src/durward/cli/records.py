"""`durward records erase`: destroys kept answers, while the gate runs or not."""

from contextlib import closing
from functools import partial
from typing import Annotated

import typer

from durward.calls.errors import CallerError
from durward.cli import shown
from durward.cli.listing import Where, data_dir_of
from durward.records.layout import JOURNAL, lives
from durward.storage.answers import FILE, Answers

app = typer.Typer(help="What is kept of calls.", no_args_is_help=True)


@app.callback()
def _records() -> None:
    """What is kept of calls."""
    # Typer takes a single command for the whole group unless there is a callback.


@app.command()
def erase(
    tenant: Annotated[str, typer.Option(metavar="T", help="All answers of a tenant.", show_default=False)] = "",
    agent: Annotated[str, typer.Option(metavar="A", help="All answers of an agent.", show_default=False)] = "",
    call: Annotated[str, typer.Option(metavar="ID", help="The answer of one call.", show_default=False)] = "",
    where: Where = None,
) -> None:
    """Destroy the kept answers of calls with an `Idempotency-Key`. The calls stay known as complete; journal and index stay as they are."""
    if sum(map(bool, (tenant, agent, call))) != 1:
        raise CallerError(
            "It is not said whose answers.", remedy="Say exactly one of --tenant T, --agent A, --call ID."
        )
    data_dir = data_dir_of(where)
    gone = 0
    if (data_dir / FILE).exists():
        with closing(Answers(data_dir, partial(lives, data_dir / JOURNAL))) as answers:
            gone = answers.erase(tenant=tenant, agent=agent, call=call)
    print(f"Destroyed: {shown.counted(gone, 'kept answer')}.")
