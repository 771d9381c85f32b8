"""Loads the file for a running gate: `python -m durward.server.loader FILE LISTEN VERSION IN_FORCE NEW`, the last two descriptors.

A process of its own, so that neither supervisor nor gate holds what it takes to check a file. Tells on standard output, as one JSON
object, what became of it (`Loaded`), and writes the settings to NEW where they can be taken over.
"""

import os
import sys
from pathlib import Path

import msgspec
from msgspec.structs import replace

from durward import __version__
from durward.calls.errors import DurwardError
from durward.config.compile import examine_file
from durward.config.load import read_document
from durward.config.mistakes import Mistakes
from durward.config.settings import Settings, read_settings, settings_json
from durward.credentials.references import files
from durward.server.launch import content


class Loaded(msgspec.Struct, omit_defaults=True):
    """What became of a file. `refused`: why nothing changes."""

    refused: str = ""
    warnings: str = ""
    watched: tuple[str, ...] = ()
    """Further files that the settings refer to, or that were missed."""
    drain: tuple[float, float] | None = None
    """As in `Launch`."""


FILES = (("ca_file",), ("listen", "tls", "cert"), ("listen", "tls", "key"), ("listen", "tls", "client_ca"))
"""What of a file names certificates and keys."""
FIXED = ("listen", "data_dir", "durability", "workers", "admin", "log")
"""What a running Durward cannot change."""


def load(file: Path, listen: str, in_force: Settings) -> tuple[Loaded, Settings | None]:
    """The settings of a file for a gate that runs on those in force; `listen` is what the command line said, if it did."""
    try:
        examined = examine_file(file, os.environ)
    except Mistakes as mistakes:
        return Loaded(str(mistakes), watched=_named(file)), None
    except DurwardError as error:
        return Loaded(f"{error.message} {error.remedy}"), None
    settings = replace(examined.settings, listen=listen) if listen else examined.settings
    fixed = [
        f"{name}: {getattr(in_force, name)} → {getattr(settings, name)}"
        for name in FIXED
        if getattr(settings, name) != getattr(in_force, name)
    ]
    if fixed:
        return Loaded(f"needs restart: {', '.join(fixed)}"), None
    warnings = "\n".join(examined.source.show(warning, "warning: ") for warning in examined.warnings)
    return Loaded(warnings=warnings, watched=referred(settings), drain=settings.drain), settings


def _named(file: Path) -> tuple[str, ...]:
    """The certificates and the key of a file with mistakes: that one is missing may be the mistake."""
    try:
        root = read_document(file).root
    except Mistakes:
        return ()
    named = [root.get(*keys) for keys in FILES] if root is not None else []
    texts = [text for node in named if node is not None and (text := node.string())]
    return tuple(str(file.absolute().parent / text.removeprefix("file:")) for text in texts)


def referred(settings: Settings) -> tuple[str, ...]:
    """The files, beside the configuration's own, that settings are made of: a change of these is a change of the settings."""
    credentials = [*(each.credential for each in settings.providers), *(each.credential for each in settings.apis)]
    found = [path for credential in credentials if credential is not None for path in files(credential.template)]
    proxy, tls = settings.outbound_proxy, settings.tls
    found += files(proxy.login) if proxy is not None else []
    found += [tls.cert, tls.key, tls.client_ca] if tls is not None else []
    return tuple(dict.fromkeys(path for path in [*found, settings.ca_file] if path))


def main() -> int:
    """Load what argv says; the exit code."""
    # Calls come first.
    os.nice(10)
    file, listen, version, in_force, new = sys.argv[1:]
    if version != __version__:
        # It would not understand all that this version writes, and what it does not understand it would not enforce.
        loaded, settings = Loaded(f"needs restart: durward {version} → {__version__}"), None
    else:
        loaded, settings = load(Path(file), listen, read_settings(content(int(in_force))))
    if settings is not None:
        os.write(int(new), settings_json(settings))
    sys.stdout.buffer.write(msgspec.json.encode(loaded))
    return 0


if __name__ == "__main__":
    sys.exit(main())
