"""`durward agent add|list|rotate`: agents made by command. A running gate knows a new key before the command returns."""

import json
import re
import sys
from time import monotonic, sleep, time
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from durward.calls.errors import CallerError, GateError
from durward.cli.agent_key import draw, how_to_use
from durward.cli.listing import Column, Grid, terminal
from durward.cli.place import ConfigFile, Place, locate
from durward.config import grammar
from durward.config.mistakes import Wrong
from durward.records.times import timestamp
from durward.server.agents import AddAgent, Command, ListAgents, RotateAgent, apply_offline, refuse_name
from durward.server.claims import claimed
from durward.server.control import ask
from durward.server.pair import Message
from durward.storage.state import open_offline

app = typer.Typer(help="Agents and their keys.", no_args_is_help=True)

PATIENCE_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.05
GRACE = re.compile(r"([0-9]{1,6})(s|m|h|d)")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
COLUMNS = {
    "name": Column("name", 4, 64),
    "tenant": Column("tenant", 6, 65),
    "team": Column("team", 4, 65),
    "app": Column("app", 3, 65),
    "keys": Column("keys", 4, 6, right=True),
    "created": Column("created", 16, 16),
    "next_expiry": Column("next expiry", 16, 16),
    "made_by": Column("made by", 7, 7),
}
"""By member of a row. What may be wider gives way first, so the name is cut last."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The agent's name.", show_default=False)]


@app.command()
def add(
    name: Name,
    tenant: Annotated[str, typer.Option(help="The tenant it belongs to.", show_default=False)] = "",
    team: Annotated[str, typer.Option(help="The team that answers for it.", show_default=False)] = "",
    app: Annotated[str, typer.Option(help="The application it is part of.", show_default=False)] = "",
    config: ConfigFile = None,
) -> None:
    """Make an agent and show its key, once."""
    for kind, word in (("agent", name), ("tenant", tenant), ("team", team), ("app", app)):
        _check_name(kind, word)
    place = locate(config)
    refuse_name(name, place.agents)
    key = draw()
    _done(place, AddAgent(name, key.digest, tenant, team, app))
    _tell(f"Agent {name} is made. Its key, shown only now:\n")
    print(key.text, flush=True)
    running = ask(place.data_dir, {"do": "status"})
    _tell(f"\n{how_to_use(place.address if running is None else running['address'], place.scheme)}")


@app.command()
def rotate(
    name: Name,
    grace: Annotated[
        str, typer.Option(help="How long its old keys stay valid: 30m, 24h, 7d; 0s ends them now.")
    ] = "24h",
    config: ConfigFile = None,
) -> None:
    """Give an agent a new key, shown once; its old keys end after a grace."""
    seconds = _seconds(grace)
    place = locate(config)
    refuse_name(name, place.agents)
    key = draw()
    _done(place, RotateAgent(name, key.digest, seconds))
    _tell(f"Agent {name} has a new key, shown only now:\n")
    print(key.text, flush=True)
    _tell(f"\nIts old keys {f'end in {grace}' if seconds else 'have ended'}.")


@app.command("list")
def list_agents(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False, config: ConfigFile = None
) -> None:
    """Show all agents: those made by command, and those of the configuration file."""
    place = locate(config)
    rows: list[dict[str, Any]] = [{"name": name, "made_by": "file"} for name in sorted(place.agents)]
    if place.data_dir.is_dir():
        rows += [_row(agent) for agent in _done(place, ListAgents())["agents"]]
    if as_json:
        for row in rows:
            print(json.dumps(row))
    elif rows:
        _print(rows)
    else:
        _tell("There is no agent yet: make one with `durward agent add NAME`.")


def _done(place: Place, command: Command) -> Message:
    """Have the running gate do it, else do it on state.db while nobody else can."""
    deadline = monotonic() + PATIENCE_SECONDS
    while True:
        answer = ask(place.data_dir, msgspec.to_builtins(command))
        if answer is not None:
            return answer
        try:
            with claimed(place.data_dir), open_offline(place.data_dir / "state.db") as state:
                return apply_offline(state, command, time())
        except GateError as error:
            # Someone holds the data directory and does not answer yet: a start, or another command.
            if error.reason != "already_running" or monotonic() > deadline:
                raise
        sleep(LOOK_AGAIN_SECONDS)


def _check_name(kind: str, word: str) -> None:
    if kind != "agent" and not word:
        return
    try:
        grammar.name(word)
    except Wrong as wrong:
        raise CallerError(f"The {kind} cannot be named so: {wrong.message}.", remedy=wrong.hint) from None


def _seconds(grace: str) -> float:
    found = GRACE.fullmatch(grace)
    if found is None:
        raise CallerError(
            f"{grace!r} is no length of time.", remedy="Write a number and s, m, h or d: 30m, 24h, 7d, 0s."
        )
    return float(found[1]) * UNITS[found[2]]


def _row(listed: dict[str, Any]) -> dict[str, Any]:
    agent, ends = listed["agent"], listed["next_expiry"]
    return {
        "name": agent["agent"],
        "tenant": agent["tenant"],
        "team": agent["team"],
        "app": agent["app"],
        "keys": listed["keys"],
        "created": timestamp(listed["created"]),
        "next_expiry": None if ends is None else timestamp(ends),
        "made_by": "command",
    }


def _print(rows: list[dict[str, Any]]) -> None:
    """The table; a column in which no agent has anything is left out, so that names have its room."""
    used = [member for member in COLUMNS if any(row.get(member) for row in rows)]
    cells = [[Text(_cell(row.get(member))) for member in used] for row in rows]
    Grid(terminal(), [COLUMNS[member] for member in used]).print(cells)


def _cell(value: str | int | None) -> str:
    """A value of the table; a time only to the minute, in UTC."""
    text = "" if value is None else str(value)
    return text[:16].replace("T", " ") if TIME.fullmatch(text) else text


def _tell(text: str) -> None:
    """For people; the key alone is on standard output, so that `KEY=$(durward agent add NAME)` holds it."""
    print(text, file=sys.stderr, flush=True)
