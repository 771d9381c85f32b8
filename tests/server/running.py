"""A whole Durward for tests: real processes on free ports, every wait for a condition with a deadline, everything ended by its pid."""

import contextlib
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from durward.server.control import ask

Found = TypeVar("Found")

SECONDS = 30.0
KEY = "dw_" + "k" * 43
DURWARD = [sys.executable, "-m", "durward.cli.main"]
READY = re.compile(r"Durward is ready on https?://127\.0\.0\.1:(\d+) \(pid (\d+)\)")


def until(look: Callable[[], Found], what: str) -> Found:
    """The first true value of `look`; fails after SECONDS."""
    deadline = time.monotonic() + SECONDS
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.005)


def lives(pid: int) -> bool:
    """Whether a process is there, and no zombie that nobody has collected yet."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # It ended just now, or this is no Linux.
        return not Path("/proc/self").exists()


class Upstream:
    """A provider that answers `GET` and `POST` with one JSON object, when it is let."""

    BODY = (
        b'{"id":"chatcmpl-1","object":"chat.completion","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
    )

    STATUS = b"200 OK"

    def __init__(self) -> None:
        self.answers = 0
        self.let = threading.Event()
        self.let.set()
        self.asked = threading.Event()
        self.head = b""
        """The head of the request that came last."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            self.head = head
            self.asked.set()
            self.let.wait(SECONDS)
            length = b"Content-Length: %d\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" % len(
                self.BODY
            )
            self.answers += 1
            connection.sendall(b"HTTP/1.1 " + self.STATUS + b"\r\n" + length + self.BODY)

    def close(self) -> None:
        self.let.set()
        # A thread that waits in accept while its descriptor is closed, and given to somebody else, may come to accept theirs.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._serving.join(SECONDS)
        self._listener.close()


class Running:
    """One `durward up`."""

    def __init__(
        self,
        folder: Path,
        words: list[str],
        environment: dict[str, str] | None = None,
        passed: socket.socket | None = None,
        log: str = "log",
    ) -> None:
        """`passed` is handed over as a service manager does it; `log` is the name of the file that takes standard error."""
        self.folder = folder
        self.data_dir = folder / (".durward/demo" if "--demo" in words else ".durward")
        self.log = folder / log
        self.lines: list[str] = []
        with self.log.open("wb") as said:
            self.process = subprocess.Popen(
                [*(() if passed is None else passing(passed)), *DURWARD, "up", *words],
                cwd=folder,
                pass_fds=() if passed is None else (passed.fileno(),),
                env=os.environ | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        self.pid = self.process.pid
        self.port = 0
        self.known: set[int] = set()

    def wait_ready(self) -> "Running":
        """Read what is told up to the line that says it is ready."""
        assert self.process.stdout is not None
        while not (ready := READY.search(self.lines[-1] if self.lines else "")):
            line = self.process.stdout.readline()
            assert line, f"no ready line: {self.lines}, {self.log.read_text()}"
            self.lines.append(line)
        self.port = int(ready[1])
        assert int(ready[2]) == self.pid
        self.child("gate")
        self.child("office")
        return self

    def child(self, name: str, *known: int) -> int:
        """The pid of the (first) gate or the office, once it runs and is none of those known."""
        pid = until(
            lambda: {self.status().get(name), *self.status().get(f"{name}s", ())[:1]} - {None, *known}, name
        ).pop()
        assert isinstance(pid, int)
        self.known.add(pid)
        return pid

    def status(self) -> dict[str, Any]:
        """What the supervisor tells of itself."""
        return ask(self.data_dir, {"do": "status"}) or {}

    def ask(self, method: str, path: str, body: Any = None, key: str = KEY) -> tuple[int, Any]:
        """Status and JSON of one call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        with contextlib.closing(connection):
            connection.request(
                method,
                path,
                None if body is None else json.dumps(body),
                {"Durward-Key": key, "Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content[:1] in (b"{", b"[") else content

    def chat(self, key: str = KEY) -> int:
        """The status of one chat call."""
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}
        return self.ask("POST", "/v1/chat/completions", body, key)[0]

    @contextlib.contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """A connection that stays open."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)) as connection:
            yield connection

    def chat_on(self, connection: http.client.HTTPConnection) -> int:
        """The status of one chat call on a connection of its own."""
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello!"}]})
        connection.request(
            "POST", "/v1/chat/completions", body, {"Durward-Key": KEY, "Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def is_ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Another `durward` command in the same folder."""
        return command(self.folder, *words)

    def close(self) -> None:
        """Stop it the polite way, then by force; leave nothing behind."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        for pid in self.known:
            if lives(pid):
                os.kill(pid, signal.SIGKILL)


PASS = """
import os, sys
sockets = [int(number) for number in sys.argv[1].split(",")]
for place, number in enumerate(sockets, 3):
    os.dup2(number, place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)))
os.execv(sys.argv[2], sys.argv[2:])
"""


def passing(*sockets: socket.socket) -> list[str]:
    """The words before a command that is to find these sockets as sd_listen_fds(3) says; they must be inherited."""
    return [sys.executable, "-c", PASS, ",".join(str(each.fileno()) for each in sockets)]


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """A `durward` command that ends."""
    return subprocess.run(
        [*DURWARD, *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def write_config(folder: Path, upstream: int, more: str = "") -> Path:
    """A file with one provider, one agent whose key is KEY, and one rule that allows everything."""
    file = folder / "durward.yaml"
    file.write_text(
        "version: 1\n"
        "listen: 127.0.0.1:0\n"
        "drain: {delay: 0s, timeout: 10s}\n"
        f"providers: {{local: {{protocol: openai, base_url: http://127.0.0.1:{upstream}/v1}}}}\n"
        f"agents: {{support: {{keys: ['sha256:{hashlib.sha256(KEY.encode()).hexdigest()}']}}}}\n"
        "policies: [{name: all, allow: {agents: ['*']}}]\n" + more + ("" if "admin:" in more else "admin: off\n")
    )
    return file


@contextlib.contextmanager
def durward(folder: Path, more: str = "") -> Iterator[tuple[Running, Upstream]]:
    """A Durward that is ready, and the provider behind it."""
    upstream = Upstream()
    write_config(folder, upstream.port, more)
    running = Running(folder, [])
    try:
        yield running.wait_ready(), upstream
    finally:
        running.close()
        upstream.close()


@contextlib.contextmanager
def calling(running: Running) -> Iterator[list[int]]:
    """A chat call on a thread of its own; its status (0: cut) is in the list when the block has ended."""
    statuses: list[int] = []

    def call() -> None:
        try:
            statuses.append(running.chat())
        except (OSError, http.client.HTTPException):
            statuses.append(0)

    thread = threading.Thread(target=call)
    thread.start()
    yield statuses
    thread.join(SECONDS)
    assert not thread.is_alive()
