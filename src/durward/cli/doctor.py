"""`durward doctor`: everything a Durward needs, looked at, with what to do where it is not well."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import typer

from durward.calls.errors import CallerError, DurwardError
from durward.cli import shown
from durward.cli.checks import (
    Finding,
    check_certificate,
    check_clients,
    check_data_dir,
    check_listener,
    check_load,
    check_office,
    check_secrets,
)
from durward.cli.place import DATA_DIR, FILE, ConfigFile, file_of
from durward.cli.probe import Way, probe
from durward.config.compile import examine_file
from durward.config.settings import Settings
from durward.config.zero import KEYS, ollama_answers, zero_config
from durward.server.outbound import outbound_proxy

AT_ONCE = 8
"""So many upstreams are asked together."""


def doctor(config: ConfigFile = None) -> None:
    """Look at everything: address, folder, disk, clock, secrets, upstreams, and what leads clients past the gate.

    Exit 1 if anything fails.
    """
    settings = _settings(config)
    failed = 0
    for finding in _findings(settings):
        failed += finding.verdict == "fail"
        print(f"{finding.verdict:4}  {finding.about}: {shown.plain(finding.said)}", flush=True)
        if finding.remedy:
            print(f"      = {finding.remedy}", flush=True)
    if failed:
        raise typer.Exit(1)


def _settings(config: ConfigFile) -> Settings:
    """Of the file that is meant, else what `up` would find. Raises Mistakes, and CallerError where there is nothing to look at."""
    file = file_of(config)
    if file is not None:
        return examine_file(file, os.environ).settings
    settings = zero_config(os.environ, ollama_answers(), str(DATA_DIR.absolute()))
    if settings is None:
        raise CallerError(
            f"There is no {FILE} here, no provider's key in the environment, and no Ollama on this machine.",
            remedy=f"Write {FILE}, or set one of {', '.join(KEYS)}.",
        )
    return settings


def _found(about: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a check finds; that it cannot look is a finding too, and keeps nobody from looking further."""
    try:
        return list(check())
    except DurwardError as error:
        return [Finding("fail", about, error.message, error.remedy)]
    except OSError as error:
        said = f"{error.filename or about} cannot be looked at: {error.strerror or error}"
        return [Finding("fail", about, said, "Run this as the user that runs Durward.")]


def _findings(settings: Settings) -> Iterator[Finding]:
    yield from _found("listen", lambda: [check_listener(settings)])
    yield from _found("listen", lambda: check_certificate(settings))
    yield from _found("load", lambda: check_load(settings))
    yield from _found("admin", lambda: check_office(settings))
    yield from _found("data_dir", lambda: check_data_dir(settings))
    yield from _found("credentials", lambda: check_secrets(settings, os.environ))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        upstreams = (*settings.providers, *settings.apis)
        way = Way(settings.ca_file, outbound_proxy(settings.outbound_proxy, os.environ))
        for findings in pool.map(lambda upstream: probe(upstream, os.environ, way), upstreams):
            yield from findings
    yield from check_clients(settings, os.environ)
