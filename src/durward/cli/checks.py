"""What `durward doctor` finds out on this machine. Each check says what it found, and what to do where that is not well."""

import datetime as dt
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from durward.calls.errors import DurwardError, GateError
from durward.cli.in_force import in_force
from durward.config.certificates import said_of_time
from durward.config.places import is_loopback
from durward.config.settings import Credential, Settings, scheme
from durward.credentials.references import files, resolve
from durward.office import token
from durward.records.freshness import journal_ends, missing
from durward.records.queries import Index
from durward.server.claims import listen, split_address
from durward.server.control import ask
from durward.server.pair import Message

Verdict = Literal["ok", "warn", "fail"]

PAGE_SECONDS = 5.0
BEHIND_BYTES = 4 * 2**20
"""What an index may lack of a busy journal."""
FULL_BYTES = 100 * 2**20
NEAR_FULL_BYTES = 2**30
FILLED = 0.98
"""Above this part of its inodes a file system is as good as full."""
PRIVATE = ("journal.key", "state.db", "index.db", "admin-token")
OTHERS = stat.S_IRWXG | stat.S_IRWXO
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
BASES = ("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL")
PAIRS = (
    ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "Claude Code sends both, and the gate refuses keys that differ."),
    ("GEMINI_API_KEY", "GOOGLE_API_KEY", "Google's SDK takes GOOGLE_API_KEY, whatever the other says."),
)


class Finding(NamedTuple):
    """What one check found."""

    verdict: Verdict
    about: str
    said: str
    remedy: str = ""


def check_listener(settings: Settings) -> Finding:
    """The address is free, or it is ours."""
    running = ask(Path(settings.data_dir), {"do": "status"}) if Path(settings.data_dir).is_dir() else None
    if running is not None:
        now = in_force(Path(settings.data_dir))
        spoken = scheme(settings if now is None else now.settings)
        said = f"Durward runs: pid {running['pid']}, {spoken}://{running['address']}"
        if not running.get("refused"):
            return Finding("ok", "listen", said)
        remedy = "See `durward check`; it goes on with what it had."
        return Finding("warn", "listen", f"{said}; its file as it is now was not taken over", remedy)
    try:
        listen(settings.listen).close()
    except GateError as error:
        return Finding("fail", "listen", error.message, error.remedy)
    if not is_loopback(settings.listen) and settings.tls is None and not settings.trusted_proxies:
        remedy = "Write `tls` into `listen`, put TLS before it, or listen on 127.0.0.1: agent keys travel as they are."
        return Finding("warn", "listen", f"{settings.listen} is free, and reachable from other machines", remedy)
    return Finding("ok", "listen", f"{settings.listen} is free")


def check_certificate(settings: Settings) -> Iterator[Finding]:
    """The listener's certificate holds, and its key is for nobody else."""
    tls = settings.tls
    if tls is None:
        return
    said = said_of_time(Path(tls.cert), dt.datetime.now(dt.UTC))
    if said:
        verdict: Verdict = "warn" if said.startswith("expires") else "fail"
        yield Finding(
            verdict, "listen", f"the certificate {tls.cert} {said}", "Renew it; the running gate takes it over."
        )
    if Path(tls.key).stat().st_mode & stat.S_IROTH:
        yield Finding("warn", "listen", f"everybody on this machine may read {tls.key}", f"chmod o-r {tls.key}")
    elif not said:
        yield Finding("ok", "listen", f"the certificate {tls.cert} holds")


def check_load(settings: Settings) -> Iterator[Finding]:
    """What a running gate says of its upstreams and of itself; nothing where none runs."""
    told = ask(Path(settings.data_dir), {"do": "health"}) if Path(settings.data_dir).is_dir() else None
    for gate in told["gates"] if told is not None else ():
        if "error" in gate:
            yield Finding("fail", "load", f"a gate tells nothing of itself: {gate['error']}", "Look at the log.")
            continue
        for upstream in gate["upstreams"]:
            yield from _standing(upstream)
        yield _load(gate["overload"])


def _load(overload: Message) -> Finding:
    """How much one gate has to do."""
    memory = f"memory {overload['memory_share']:.0%} of {overload['memory'] / 1e6:.0f} MB"
    said = f"loop {overload['lag_ms']:.0f} ms late, {memory}, {overload['calls']['open']} calls in progress"
    refused = ", ".join(f"{count} {name}" for name, count in overload["turned_away"].items() if count)
    said += f"; refused so far: {refused}" if refused else ""
    if "sheds" in overload["steps"]:
        remedy = (
            "Give it another core or more memory, spread callers over more gates, or send what can wait as `batch`."
        )
        return Finding("fail", "load", f"calls are refused: {said}", remedy)
    if overload["steps"]:
        return Finding("warn", "load", f"memory is short: {said}", "Give it more memory, or lower `overload.calls`.")
    return Finding("ok", "load", said)


def _standing(upstream: Message) -> Iterator[Finding]:
    """An upstream that is not used as it could be, and why."""
    about = f"upstream {upstream['upstream']}"
    if upstream["state"] != "closed":
        tried = f"in {upstream['seconds']:.0f} s" if upstream["seconds"] else "with the next call"
        said = f"it keeps failing and comes last ({upstream['state']}, ejected {upstream['ejections']} times); tried again {tried}"
        yield Finding("fail", about, said, "Look at its status page and at `durward calls --outcome failed`.")
    for model, seconds in upstream["waits"].items():
        said = f"it asked to be left alone{f' with {model}' if model else ''} for {seconds:.0f} s more"
        yield Finding("warn", about, said, "Raise the limit at the provider, or give the model another target.")
    retries = upstream["retries"]
    if retries["refused"]:
        said = f"{retries['refused']} further attempts were not made, {retries['retries']} were in the last 10 s"
        yield Finding("warn", about, said, "Mend the provider that comes before it.")


def check_office(settings: Settings) -> Iterator[Finding]:
    """The metrics page of a running Durward answers, and its index holds the journal."""
    folder = Path(settings.data_dir)
    running = ask(folder, {"do": "status"}) if folder.is_dir() else None
    if running is None:
        return
    if running["admin"]:
        yield _page(folder, running["admin"])
    index = Index(folder)
    try:
        lacking = missing(index, journal_ends(folder, index))
    finally:
        index.close()
    if lacking > BEHIND_BYTES:
        said = f"the index lacks {lacking / 1e6:.0f} MB of the journal"
        yield Finding("warn", "index", said, "Wait for it; where that does not help, look at the office's log.")
    else:
        yield Finding("ok", "index", "it holds what the journal holds")


def _page(folder: Path, address: str) -> Finding:
    host, port = split_address(address)
    connection = HTTPConnection(host, port, timeout=PAGE_SECONDS)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token.read(folder)}"})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        said = f"http://{address}/metrics does not answer: {error}"
        return Finding("fail", "admin", said, "Look at the office's log; calls go on without it.")
    finally:
        connection.close()
    if status != 200:
        remedy = f"Delete {folder / token.NAME} and restart." if status == 401 else "Look at the office's log."
        return Finding("fail", "admin", f"http://{address}/metrics answers {status}", remedy)
    return Finding("ok", "admin", f"http://{address}/metrics answers")


def check_data_dir(settings: Settings) -> Iterator[Finding]:
    """The folder is ours alone, and has room."""
    folder = Path(settings.data_dir)
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        yield Finding("fail", "data_dir", f"{there} is no folder", "Move it away, or name another `data_dir`.")
        return
    if not os.access(there, os.W_OK | os.X_OK):
        yield Finding("fail", "data_dir", f"{there} cannot be written", f"chown it to uid {os.getuid()}.")
        return
    if there != folder:
        yield Finding("ok", "data_dir", f"{folder} will be made")
    else:
        yield from _private(folder)
    yield _room(there)


def _private(folder: Path) -> Iterator[Finding]:
    open_to_others = [each for each in (folder, *(folder / name for name in PRIVATE)) if _is_open(each)]
    foreign = [each for each in (folder, *folder.iterdir()) if each.lstat().st_uid != os.getuid()]
    for path in open_to_others:
        mode = "700" if path.is_dir() else "600"
        said = f"others on this machine may enter or read {path}"
        # The folder itself is closed at the next start.
        yield Finding("warn" if path == folder else "fail", "data_dir", said, f"chmod {mode} {path}")
    if foreign:
        said = f"{foreign[0]} belongs to another user"
        yield Finding("fail", "data_dir", said, f"Run as that user, or chown -R {os.getuid()} {folder}.")
    if not open_to_others and not foreign:
        yield Finding("ok", "data_dir", f"{folder} is ours alone")


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & OTHERS)


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    nodes = os.statvfs(folder)
    said = f"{free / 1e9:.1f} GB are free"
    if nodes.f_files and nodes.f_favail < nodes.f_files * (1 - FILLED):
        return Finding("fail", "disk", "hardly a file can be made any more (inodes)", "Delete what is not needed.")
    if free < FULL_BYTES:
        remedy = "Make room: calls are refused while their records cannot be written."
        return Finding("fail", "disk", said, remedy)
    if free < NEAR_FULL_BYTES:
        return Finding("warn", "disk", said, "Make room: a million calls take about 1 GB.")
    return Finding("ok", "disk", said)


def check_secrets(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Every reference leads to a secret, and files with secrets are not for everybody."""
    named = [(each.name, each.credential) for each in settings.providers]
    named += [(each.name, each.credential) for each in settings.apis]
    if settings.outbound_proxy is not None and settings.outbound_proxy.login:
        named.append(("the outbound proxy", Credential(template=settings.outbound_proxy.login)))
    for name, credential in named:
        if credential is None or credential.caller:
            continue
        about = f"credential of {name}"
        try:
            resolve(credential.template, environment)
        except DurwardError as error:
            remedy = "Set it where Durward starts; calls that need it get 503 until then."
            yield Finding("fail", about, error.message, remedy)
            continue
        shared = [path for path in files(credential.template) if Path(path).stat().st_mode & stat.S_IROTH]
        if shared:
            yield Finding("warn", about, f"everybody on this machine may read {shared[0]}", f"chmod o-r {shared[0]}")
        else:
            yield Finding("ok", about, "is there")


def check_clients(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that make clients on this machine pass the gate by, or trip over themselves."""
    found = False
    for one, other, why in PAIRS:
        if environment.get(one) and environment.get(other) and environment[one] != environment[other]:
            found = True
            yield Finding("warn", "clients", f"{one} is set beside {other}. {why}", "Unset one of them for agents.")
    _, port = split_address(settings.listen)
    for name in BASES:
        url = environment.get(name)
        if url and _port(url) != port:
            found = True
            yield Finding("warn", "clients", f"{name} leads past the gate: {_shown(url)}", f"Point it to port {port}.")
        elif url and settings.tls is not None and urlsplit(url).scheme == "http":
            found = True
            said = f"the gate speaks TLS, and {name} does not: {_shown(url)}"
            yield Finding("warn", "clients", said, "Begin it with https://.")
    proxy = next((name for name in PROXIES if environment.get(name)), None)
    exempt = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if proxy and not {"*", "127.0.0.1", "localhost"} & {host.strip() for host in exempt.split(",")}:
        found = True
        said = f"{proxy} is set, and NO_PROXY does not name 127.0.0.1: clients ask the proxy for the gate"
        yield Finding("warn", "clients", said, "export NO_PROXY=127.0.0.1,localhost")
    if not found:
        yield Finding("ok", "clients", "nothing in this environment leads clients past the gate")


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        return None


def _shown(url: str) -> str:
    """A URL without what may be secret in it."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "it is no URL"
