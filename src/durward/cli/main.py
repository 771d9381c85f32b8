"""The entry point: finds the command, tells errors as sentences, ends with the exit code."""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

from durward import __version__
from durward.calls.errors import DurwardError
from durward.config.mistakes import Mistakes

COMMANDS = {
    "up": "durward.cli.up:up",
    "check": "durward.cli.check:check_command",
    "agent": "durward.cli.agent:app",
    "tail": "durward.cli.tail:tail_command",
    "calls": "durward.cli.calls:calls_command",
    "trace": "durward.cli.trace:trace_command",
    "spend": "durward.cli.spend:spend_command",
    "audit": "durward.cli.audit:app",
    "backup": "durward.cli.backup:backup_command",
    "restore": "durward.cli.restore:restore_command",
    "records": "durward.cli.records:app",
    "doctor": "durward.cli.doctor:doctor",
}
"""Where each command lives. Only the one that is asked for is imported: what checks a file is of no use to a listing, and slow."""


def command_line(words: list[str]) -> typer.Typer:
    """The command line with the command that `words` begin with, or with all of them, for help and for misspelt ones."""
    app = typer.Typer(
        name="durward",
        help="The door through which everything that AI agents do passes.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_alone)
    for name in [word for word in words[:1] if word in COMMANDS] or COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        print(f"durward {__version__} ({'compiled' if _compiled() else 'pure Python'})")
        raise typer.Exit


def _compiled() -> bool:
    """Whether the call path runs as machine code. Its modules are compiled all or none; one that every build has tells of them."""
    spec = find_spec("durward.protocols.framing")
    return spec is not None and spec.origin is not None and not spec.origin.endswith(".py")


def _alone(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The door through which everything that AI agents do passes."""
    # Typer takes a single command for the whole program unless there is a callback.


def main() -> None:
    """Run the command of this process. Exit 2: the caller has to change something; 1: it could not be done."""
    try:
        command_line(sys.argv[1:])()
    except Mistakes as mistakes:
        sys.exit(_told(str(mistakes), 2))
    except DurwardError as error:
        sys.exit(_told(f"{error.message}\n{error.remedy}", 2 if error.facts.fault == "caller" else 1))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(_told(f"It could not be done: {place}{error.strerror or error}.", 1))


def _told(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
