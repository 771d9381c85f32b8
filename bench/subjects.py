"""What is measured and what surrounds it: nginx as provider and as proxy, the gate, each a process on its core."""

import contextlib
import hashlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.certificates import write_certificates
from bench.processes import BenchError, command, tree, wait_until

HERE = Path(__file__).parent
DURWARD = Path(sys.executable).with_name("durward")
# Not a secret: it opens nothing but the gate of this run.
AGENT_KEY = "dw_" + "benchmark".ljust(43, "0")
PATH = "/v1/chat/completions"


class Ports(NamedTuple):
    plain: int
    tls: int
    streams: int
    proxy_plain: int
    proxy_tls: int
    proxy_streams: int
    gate: int


class Place(NamedTuple):
    """Where one run of the benchmark lives: its folder, its ports, the core of the subject and that of everything else."""

    folder: Path
    ports: Ports
    subject_core: int
    load_core: int


class Subject(NamedTuple):
    """A running gate or proxy."""

    pid: int
    port: int
    config: Path | None
    """The gate's configuration file; None for nginx, which has no index that could lag behind."""

    def gate_pid(self) -> int:
        return roles(self.pid)["gate"]


def free_ports() -> Ports:
    with contextlib.ExitStack() as open_sockets:
        numbers = []
        for _ in Ports._fields:
            one = open_sockets.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            numbers.append(one.getsockname()[1])
    return Ports(*numbers)


def prepare(place: Place) -> None:
    write_certificates(place.folder)
    # nginx workers give up root; they must still reach their folder.
    place.folder.chmod(0o755)
    headers = (HERE / "wire" / "request_headers.txt").read_text()
    (place.folder / "headers.txt").write_text(headers.replace("@KEY@", AGENT_KEY))
    answer_headers = (HERE / "wire" / "response_headers.txt").read_text().splitlines()
    names = {f.upper(): str(port) for f, port in place.ports._asdict().items()} | {
        "FOLDER": str(place.folder),
        "ANSWER": (HERE / "wire" / "answer.json").read_text().strip(),
        "HEADERS": "".join(
            f"        add_header {name} '{value}';\n"
            for name, _, value in (line.partition(": ") for line in answer_headers)
        ),
    }
    for conf in ("upstream.conf", "proxy.conf"):
        text = (HERE / "nginx" / conf).read_text()
        (place.folder / conf).write_text(re.sub("@([A-Z_]+)@", lambda match: names.get(match[1], match[0]), text))


@contextlib.contextmanager
def process(
    place: Place, core: int, words: list[str], env: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command pinned to a core, its output in a file; terminate it at the end."""
    output = place.folder / f"{Path(words[0]).name}.out"
    output.unlink(missing_ok=True)
    with output.open("ab") as out:
        child = subprocess.Popen(
            ["taskset", "-c", str(core), *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=HERE.parent,
        )
    try:
        yield child
        if child.poll() is not None:
            raise BenchError(f"{words[0]} ended during the measurement: {_last_lines(output)}")
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _last_lines(output: Path) -> str:
    return " | ".join(output.read_text(errors="replace").split("\n")[-4:]).strip(" |")


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


@contextlib.contextmanager
def provider(place: Place) -> Iterator[None]:
    words = ["nginx", "-p", str(place.folder), "-c", str(place.folder / "upstream.conf"), "-g", "daemon off;"]
    with process(place, place.load_core, words):
        wait_until(lambda: listens(place.ports.plain), 10, "nginx as provider")
        yield


@contextlib.contextmanager
def streaming_provider(place: Place, gap: float | None = None) -> Iterator[None]:
    """`gap`: seconds between two events."""
    words = [sys.executable, "-m", "bench.streams", "serve", str(place.ports.streams)]
    words += [] if gap is None else [str(gap)]
    with process(place, place.load_core, words):
        wait_until(lambda: listens(place.ports.streams), 10, "the streaming provider")
        yield


@contextlib.contextmanager
def proxy(place: Place, port: int) -> Iterator[Subject]:
    words = ["nginx", "-p", str(place.folder), "-c", str(place.folder / "proxy.conf"), "-g", "daemon off;"]
    with process(place, place.subject_core, words) as child:
        wait_until(lambda: listens(port), 10, "nginx as proxy")
        yield Subject(child.pid, port, None)


def write_config(place: Place, base_url: str, data_dir: Path, more: str = "") -> Path:
    """The gate's configuration: one provider, one agent that may do everything, everything else as shipped."""
    digest = hashlib.sha256(AGENT_KEY.encode()).hexdigest()
    file = place.folder / "durward.yaml"
    file.write_text(
        "version: 1\n"
        f"listen: 127.0.0.1:{place.ports.gate}\n"
        "drain: {delay: 0s}\n"
        f"data_dir: {data_dir}\n"
        f"ca_file: {place.folder / 'ca.pem'}\n"
        "providers:\n"
        f"  bench: {{protocol: openai, base_url: {base_url}, credential: env:BENCH_CREDENTIAL, price_as: openai}}\n"
        f"agents:\n  bench: {{keys: ['sha256:{digest}']}}\n"
        "policies:\n  - {name: bench, allow: {agents: [bench]}}\n" + more
    )
    return file


@contextlib.contextmanager
def gate(place: Place, base_url: str, data_dir: Path, more: str = "") -> Iterator[Subject]:
    config = write_config(place, base_url, data_dir, more)
    env = os.environ | {"BENCH_CREDENTIAL": "sk-upstream"}
    with process(place, place.subject_core, [str(DURWARD), "up", "-c", str(config)], env) as child:
        wait_until(lambda: child.poll() is not None or ready(place.ports.gate), 30, "the gate's /readyz")
        if child.poll() is not None:
            raise BenchError(f"durward up: exit {child.returncode}: {_last_lines(place.folder / 'durward.out')}")
        yield Subject(child.pid, place.ports.gate, config)


def ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def roles(supervisor: int) -> dict[str, int]:
    """The gate's processes by what they are."""
    found = {"supervisor": supervisor}
    for pid in tree(supervisor)[1:]:
        if module := re.search(r" -m durward\.(?:server\.)?(gate|office)\b", command(pid)):
            found[module[1]] = pid
    if missing := {"gate", "office"} - found.keys():
        raise BenchError(f"no process of the supervisor is the {' or the '.join(sorted(missing))}")
    return found


def wait_for_index(subject: Subject) -> None:
    """Until the index holds what the journal held. A listing waits for just that, at most 5 s at a time."""
    if subject.config is None:
        return

    def caught_up() -> bool:
        words = [str(DURWARD), "calls", "-c", str(subject.config), "--limit", "1", "--json"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise BenchError(f"durward calls: {done.stderr.strip()[-500:]}")
        return "behind" not in done.stderr

    wait_until(caught_up, 120, "the index", pause=0.2)
