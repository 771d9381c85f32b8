"""`durward check`: every mistake of the configuration at once, or the configuration in force."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec.structs import replace

from durward.calls.errors import CallerError
from durward.calls.principal import Principal
from durward.cli.difference import differences
from durward.cli.in_force import in_force
from durward.config.compile import DEFAULT_FILE, Examined, examine_file
from durward.config.mistakes import Mistakes
from durward.config.printing import print_settings
from durward.config.settings import Settings
from durward.server.control import ask

EXIT_MISTAKES = 2

ConfigFile = Annotated[Path, typer.Option("-c", "--config", metavar="FILE", help="The configuration file.")]
Printed = Annotated[
    bool, typer.Option("--print", help="Show the file in force: defaults filled in, secrets as references.")
]


Differing = Annotated[
    bool, typer.Option("--diff", help="Show what the file would change of the Durward that runs, and for which agents.")
]


def check_command(config: ConfigFile = DEFAULT_FILE, printed: Printed = False, diff: Differing = False) -> None:
    """Check the configuration: every mistake at once, with its line and what was meant. Exit 2 if there is any."""
    try:
        examined = examine_file(config, os.environ)
    except Mistakes as mistakes:
        typer.echo(f"{mistakes}\n\n{counted(len(mistakes.mistakes), 'mistake')} in {config}.", err=True)
        raise typer.Exit(EXIT_MISTAKES) from None
    for warning in examined.warnings:
        typer.echo(f"{examined.source.show(warning, 'warning: ')}\n", err=True)
    if diff:
        _show_differences(examined.settings)
    else:
        typer.echo(print_settings(examined.settings) if printed else summary(config, examined), nl=not printed)


def _show_differences(settings: Settings) -> None:
    """Against what runs on this `data_dir`. Raises CallerError `not_found` where nothing does."""
    folder = Path(settings.data_dir)
    running = in_force(folder)
    if running is None:
        raise CallerError(
            f"No Durward runs on {folder}.", reason="not_found", remedy="Start it with `durward up`, then compare."
        )
    if running.listen:
        settings = replace(settings, listen=running.listen)
    listed = ask(folder, {"do": "agent.list"}) or {"agents": []}
    made = [msgspec.convert(each["agent"], Principal) for each in listed["agents"]]
    changes = differences(running.settings, settings, made)
    typer.echo("\n".join(changes) if changes else "The file means what is in force.")


def summary(config: Path, examined: Examined) -> str:
    """One line that says what the file holds."""
    settings = examined.settings
    parts = [
        counted(len(settings.providers), "provider"),
        "any model" if settings.models is None else counted(len(settings.models), "model"),
        counted(len(settings.apis), "API"),
        counted(len(settings.agents), "agent"),
        counted(len(settings.policies), "rule"),
    ]
    doubts = f" {counted(len(examined.warnings), 'warning')}." if examined.warnings else ""
    return f"{config} is valid: {', '.join(parts)}.{doubts}"


def counted(count: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
