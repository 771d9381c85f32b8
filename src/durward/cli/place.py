"""Which Durward a command is about: the one of a configuration file, of this folder, or the demo."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from durward.calls.errors import CallerError
from durward.config.load import read_document
from durward.config.zero import LISTEN
from durward.server.claims import LOCK

FILE = Path("durward.yaml")
DATA_DIR = Path(".durward")
DEMO_DIR = DATA_DIR / "demo"

ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", metavar="FILE", help="The configuration file.", show_default="./durward.yaml"),
]


class Place(NamedTuple):
    """Where a Durward keeps its data, and the little of its file that commands beside `up` and `check` need."""

    data_dir: Path
    file: Path | None = None
    address: str = LISTEN
    agents: frozenset[str] = frozenset()
    """Names of the agents that the file has."""
    scheme: str = "http"
    """How the address is spoken to."""


def file_of(config: Path | None) -> Path | None:
    """The configuration file that is meant: the one that is named, else `durward.yaml` of this folder, else none."""
    return config or (FILE if FILE.exists() else None)


def locate(config: Path | None) -> Place:
    """The place that is meant; without a file, what was started last in this folder, the demo included.

    A file is read for three of its members only: a mistake elsewhere in it must not hide the records. Raises Mistakes where it is no YAML.
    """
    file = file_of(config)
    if file is None:
        return Place(max((DATA_DIR, DEMO_DIR), key=_last_start).absolute())
    root = read_document(file).root
    data_dir = root.get("data_dir") if root else None
    listen = root.get("listen") if root else None
    address = listen.get("address") if listen and listen.kind == "mapping" else listen
    agents = root.get("agents") if root else None
    return Place(
        (file.parent / ((data_dir and data_dir.string()) or DATA_DIR)).absolute(),
        file,
        (address and address.string()) or LISTEN,
        frozenset(agents.entries) if agents else frozenset(),
        "https" if listen and listen.get("tls") else "http",
    )


def existing(place: Place) -> Path:
    """The data directory. Raises CallerError where nothing was ever started there."""
    if place.data_dir.is_dir():
        return place.data_dir
    raise CallerError(
        f"There is no data directory {place.data_dir}: nothing was started here yet.",
        reason="not_found",
        remedy="Start with `durward up`, or name the configuration with `-c FILE`.",
    )


def _last_start(folder: Path) -> float:
    # The lock is rewritten by every start, and by nothing else.
    try:
        return (folder / LOCK).stat().st_mtime
    except OSError:
        return 0.0
