"""`durward up`: load, check and compile the configuration here, then become the supervisor, so that nothing heavy stays."""

import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Annotated, NamedTuple

import typer
from msgspec.json import encode
from msgspec.structs import replace

from durward import __version__
from durward.calls.errors import CallerError, GateError
from durward.calls.principal import Principal
from durward.cli.agent_key import draw, how_to_use
from durward.cli.place import DATA_DIR, DEMO_DIR, FILE, ConfigFile, file_of
from durward.config import places
from durward.config.compile import examine_file
from durward.config.demo import demo_settings
from durward.config.mistakes import Wrong
from durward.config.settings import Settings, scheme, settings_json
from durward.config.zero import AGENT, KEYS, LISTEN, ollama_answers, zero_config
from durward.office import token
from durward.server.agents import check_names
from durward.server.claims import claim, listen, passed_listener, shown_address, split_address
from durward.server.launch import Launch, become_supervisor, unnamed
from durward.server.loader import referred
from durward.server.succession import Predecessor, find_predecessor
from durward.storage.state import open_offline

ANY_PORT = "127.0.0.1:0"


class Start(NamedTuple):
    """What is to be started."""

    settings: Settings
    said: str = ""
    """Told first."""
    agent: str = ""
    """An agent that `state.db` must have, and is given a key for where it has not."""
    demo: socket.socket | None = None
    """Where the demo upstream listens."""
    key: str = ""
    """The demo agent's key."""


def up(
    demo: Annotated[bool, typer.Option("--demo", help="A demo that needs no key, no file and no network.")] = False,
    once: Annotated[bool, typer.Option("--once", help="With --demo: end after the show.")] = False,
    address: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Listen here, whatever the file says.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Start Durward: with the configuration file, or with the providers whose keys are in the environment."""
    if once and not demo:
        raise CallerError("`--once` belongs to `--demo`.", remedy="Add `--demo`, or leave it out.")
    file = file_of(config)
    start = _demo() if demo else _from_file(file) if file else _from_environment()
    settings = start.settings if address is None else replace(start.settings, listen=_checked(address))
    folder = Path(settings.data_dir)
    before = None if demo else find_predecessor(folder, settings.listen, _admin_address(settings))
    lock = claim(folder, told=lambda text: print(text, file=sys.stderr, flush=True)) if before is None else before.lock
    passed = passed_listener(os.environ)
    listener = _listener(settings.listen, before) if passed is None else passed
    shown = shown_address(listener)
    office = _admin_listener(settings, before, told=lambda text: print(text, file=sys.stderr, flush=True))
    if office is not None:
        token.ensure(folder)
    metrics = _metrics(office, folder)
    # Before anything can fail: the key is shown this once.
    print(start.said + _agents(settings, start.agent, shown), end="", flush=True)
    told = {"key": start.key, "address": shown, "data_dir": str(folder), "durward": _our_name(), "once": once}
    become_supervisor(
        Launch(
            data_dir=str(folder),
            address=shown,
            lock=lock,
            listener=listener.detach(),
            admin=None if office is None else office.detach(),
            admin_configured=_admin_address(settings),
            settings=unnamed(settings_json(settings)),
            said=f"{_succeeded(before)}{metrics}Durward is ready on {scheme(settings)}://{shown} (pid {os.getpid()}). Ctrl-C stops it.\n",
            demo=start.demo.detach() if start.demo else None,
            show=unnamed(encode(told)) if demo else None,
            once=once,
            config=str(file.absolute()) if file and not demo else "",
            listen="" if address is None and passed is None else settings.listen,
            configured=settings.listen,
            predecessor=before.connection if before else None,
            watched=referred(settings),
            drain=settings.drain,
            workers=settings.workers,
            log=(settings.log.format, settings.log.level),
            version=__version__,
        )
    )


def _listener(address: str, before: Predecessor | None) -> socket.socket:
    if before is None or before.listener is None:
        return listen(address)
    return socket.socket(fileno=before.listener)


def _admin_address(settings: Settings) -> str:
    """Where the office is to listen. Whoever lets callers connect to any free port has that for the office too, unless it is written."""
    _, port = split_address(settings.listen)
    return settings.admin.address if port or settings.admin.required or not settings.admin.address else ANY_PORT


def _admin_listener(
    settings: Settings, before: Predecessor | None, told: Callable[[str], None]
) -> socket.socket | None:
    """The office's listener, None where there is to be none. Raises GateError `address_in_use` where it was asked for."""
    if before is not None and before.admin is not None:
        return socket.socket(fileno=before.admin)
    address = _admin_address(settings)
    if not address:
        return None
    try:
        return listen(address)
    except GateError as error:
        if settings.admin.required:
            raise
        told(f"There is no metrics page: {error.message} Write `admin:` to have it elsewhere, or `admin: off`.")
        return None


def _metrics(office: socket.socket | None, folder: Path) -> str:
    if office is None:
        return ""
    return f"Metrics: http://{shown_address(office)}/metrics, token in {folder / token.NAME}.\n"


def _succeeded(before: Predecessor | None) -> str:
    return f"Took over from pid {before.pid}, which finishes its calls.\n" if before else ""


def _from_file(file: Path) -> Start:
    examined = examine_file(file, os.environ)
    for warning in examined.warnings:
        print(examined.source.show(warning, "warning: "), file=sys.stderr)
    return Start(examined.settings)


def _from_environment() -> Start:
    settings = zero_config(os.environ, ollama_answers(), str(DATA_DIR.absolute()))
    if settings is None:
        raise CallerError(
            f"There is no {FILE} here, no provider's key in the environment, and no Ollama on this machine.",
            remedy=f"Set one of {', '.join(KEYS)}; or write {FILE}; or try `durward up --demo`, which needs nothing.",
        )
    names = ", ".join(provider.name for provider in settings.providers)
    return Start(settings, f"There is no {FILE} here; found: {names}.\n", AGENT)


def _demo() -> Start:
    upstream = listen("127.0.0.1:0")
    port = upstream.getsockname()[1]
    key = draw()
    settings = demo_settings(port, port, key.digest, LISTEN, str(DEMO_DIR.absolute()))
    return Start(settings, demo=upstream, key=key.text)


def _our_name() -> str:
    """How a user of this terminal calls the command: by its name where the shell finds it, else by its path."""
    path = Path(sys.argv[0]).absolute()
    found = shutil.which("durward")
    if path.name != "durward" or (found is not None and Path(found).absolute() == path):
        return "durward"
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _checked(address: str) -> str:
    try:
        return places.listen(address)
    except Wrong as wrong:
        raise CallerError(f"{address!r}: {wrong.message}.", remedy=wrong.hint) from None


def _agents(settings: Settings, wanted: str, shown: str) -> str:
    """Hold the agents of state.db against those of the file; make the wanted one. What is to be said about it.

    Raises CallerError `agent_exists` for a name that both have.
    """
    path = Path(settings.data_dir) / "state.db"
    if not wanted and not path.exists():
        return ""
    with open_offline(path) as state:
        known = {listed.agent.agent for listed in state.agents(time())}
        check_names(settings.agents, known)
        if not wanted:
            return ""
        if wanted in known:
            return f"The agent {wanted} has its key already; `durward agent rotate {wanted}` gives it a new one.\n\n"
        key = draw()
        state.add_agent(Principal(wanted), key.digest, time())
    return f"The agent {wanted} is made. Its key, shown only now:\n\n{key.text}\n\n{how_to_use(shown, scheme(settings))}\n\n"
