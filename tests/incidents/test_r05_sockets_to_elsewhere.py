"""LiteLLM 1.82.8 (March 2026): the payload sent what it had found to a host of its own, and nobody saw the connection.

Here: the gate's process connects to the upstreams of the configuration and nowhere else, whatever callers send, and its code opens
connections in one place.
"""

import ast
import socket
from pathlib import Path

import pytest

from tests.incidents.gate import provider
from tests.server.running import Running, calling, write_config

SRC = Path(__file__).parent.parent.parent / "src" / "durward"
CONNECTING = {
    "create_connection",
    "open_connection",
    "HTTPConnection",
    "HTTPSConnection",
    "urlopen",
    "sock_connect",
    "connect_ex",
}
DIALS = {
    "upstreams/dialing.py",  # the gate, to an origin of the configuration
    "cli/probe.py",  # doctor, to the same
    "config/zero.py",  # up without a file: is there an Ollama on this machine?
    "cli/checks.py",  # doctor, to the admin listener of this Durward
    "cli/demo_show.py",  # the demo's show, to its own gate
    "server/succession.py",  # the control socket
}


def peers(pid: int) -> set[tuple[str, int]]:
    """The far ends of a process's TCP sockets that it has not accepted: what it has connected to."""
    inodes = set()
    for entry in (Path("/proc") / str(pid) / "fd").iterdir():
        try:
            inodes.add(str(entry.readlink()))
        except OSError:
            continue
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()[1:]
    ]
    own = [row for row in rows if f"socket:[{row[9]}]" in inodes]
    listening = {row[1].rpartition(":")[2] for row in rows if row[3] == "0A"}
    return {address(row[2]) for row in own if row[3] not in ("0A", "06") and row[1].rpartition(":")[2] not in listening}


def address(written: str) -> tuple[str, int]:
    host, _, port = written.partition(":")
    raw = bytes.fromhex(host)
    if len(raw) == 4:
        return socket.inet_ntop(socket.AF_INET, raw[::-1]), int(port, 16)
    return socket.inet_ntop(socket.AF_INET6, b"".join(raw[at : at + 4][::-1] for at in range(0, 16, 4))), int(port, 16)


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="looks into /proc")
def test_the_processes_are_connected_to_the_configured_upstream_only(tmp_path: Path) -> None:
    with provider() as seen, socket.create_server(("127.0.0.1", 0)) as elsewhere:
        write_config(tmp_path, seen.port)
        running = Running(tmp_path, [])
        try:
            running.wait_ready()
            gate, office = running.child("gate"), running.child("office")
            assert peers(gate) == set()
            host = f"127.0.0.1:{elsewhere.getsockname()[1]}"
            seen.let.clear()
            with calling(running):
                assert seen.asked.wait(30)
                body = {"model": "m", "messages": [], "api_base": f"http://{host}", "base_url": f"http://{host}"}
                assert running.ask("POST", f"/v1/nothing?url=http://{host}", None, key="dw_wrong")[0] == 401
                assert peers(gate) == {("127.0.0.1", seen.port)}
                assert peers(office) == peers(running.pid) == set()
                seen.let.set()
                assert running.ask("POST", "/v1/chat/completions", body)[0] == 200
            assert peers(gate) <= {("127.0.0.1", seen.port)}
            elsewhere.setblocking(False)
            with pytest.raises(BlockingIOError):
                elsewhere.accept()
        finally:
            running.close()


def test_connections_are_opened_in_few_places() -> None:
    found = set()
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in CONNECTING:
                    found.add(path.relative_to(SRC).as_posix())
    assert found - DIALS == set()
    assert "upstreams/dialing.py" in found
