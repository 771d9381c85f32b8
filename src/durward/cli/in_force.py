"""Asks a running Durward which settings are in force."""

from pathlib import Path
from typing import NamedTuple

from durward.calls.errors import GateError
from durward.config.settings import Settings, read_settings
from durward.server.control import ask

TRIES = 5


class InForce(NamedTuple):
    """The settings of a running Durward, and where the command line told it to listen; empty where the file decides."""

    settings: Settings
    listen: str


def in_force(folder: Path) -> InForce | None:
    """What is in force on a data directory; None where nothing runs there. Raises GateError where it cannot be learnt."""
    for _ in range(TRIES):
        read, mark = b"", None
        while (answer := ask(folder, {"do": "settings", "from": len(read)})) is not None:
            mark = answer["mark"] if mark is None else mark
            if answer["mark"] != mark or not answer["piece"]:
                break  # They were taken over anew meanwhile.
            read += answer["piece"].encode("latin-1")
            if len(read) == answer["size"]:
                return InForce(read_settings(read), answer["listen"])
        if answer is None:
            return None
    raise GateError("Durward runs, but its settings change all the time.", reason="overloaded")
