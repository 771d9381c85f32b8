"""`durward up`: what starts, and what is said where it does not."""

import socket
import subprocess
from contextlib import closing
from pathlib import Path

from durward.calls.principal import Principal
from durward.cli.agent_key import draw
from durward.cli.up import _admin_address, _admin_listener
from durward.config.settings import Admin, Settings
from durward.storage.state import open_offline
from tests.server.running import DURWARD, SECONDS, Running, Upstream, command, passing, until, write_config

CLEAN = {"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": "", "GEMINI_API_KEY": "", "GOOGLE_API_KEY": ""}


def test_a_second_demo_names_the_first(tmp_path: Path) -> None:
    with closing(Running(tmp_path, ["--demo", "--listen", "127.0.0.1:0"])) as running:
        until(lambda: running.status().get("gates"), "the first")
        second = running.command("up", "--demo")
        assert second.returncode == 1
        assert f"pid {running.pid}" in second.stderr


def test_a_taken_port_is_said_with_a_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, closing(Upstream()) as upstream:
        write_config(tmp_path, upstream.port)
        port = taken.getsockname()[1]
        started = command(tmp_path, "up", "--listen", f"127.0.0.1:{port}")
    assert started.returncode == 1
    assert f"port {port} is taken" in started.stderr
    assert "--listen" in started.stderr


def test_an_address_that_is_none_is_said(tmp_path: Path) -> None:
    with closing(Upstream()) as upstream:
        write_config(tmp_path, upstream.port)
        started = command(tmp_path, "up", "--listen", "7300")
    assert started.returncode == 2
    assert "127.0.0.1:7300" in started.stderr


def test_every_mistake_of_the_file_is_shown(tmp_path: Path) -> None:
    (tmp_path / "durward.yaml").write_text("version: 1\nlisten: nowhere\nmdoe: enforce\n")
    started = command(tmp_path, "up")
    assert started.returncode == 2
    assert "durward.yaml:2:9" in started.stderr
    assert "durward.yaml:3:1" in started.stderr
    assert not (tmp_path / ".durward").exists()


def test_a_file_that_is_named_and_not_there_is_said(tmp_path: Path) -> None:
    started = command(tmp_path, "up", "-c", "other.yaml")
    assert started.returncode == 2
    assert "other.yaml" in started.stderr


def test_a_name_in_the_file_and_made_by_command_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / ".durward").mkdir()
    with open_offline(tmp_path / ".durward/state.db") as state:
        state.add_agent(Principal("support"), draw().digest, 1.0)
    with closing(Upstream()) as upstream:
        write_config(tmp_path, upstream.port)
        started = command(tmp_path, "up")
    assert started.returncode == 2
    assert "support" in started.stderr


def test_once_belongs_to_the_demo(tmp_path: Path) -> None:
    started = command(tmp_path, "up", "--once")
    assert started.returncode == 2
    assert "--demo" in started.stderr


def test_the_offices_address_must_be_free_only_where_it_was_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, closing(Upstream()) as upstream:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        write_config(tmp_path, upstream.port, f"admin: {address}\n")
        started = command(tmp_path, "up")
        assert (started.returncode, f"cannot listen on {address}" in started.stderr) == (1, True)
        told: list[str] = []
        assert _admin_listener(Settings("127.0.0.1:7300", "/d", admin=Admin(address)), None, told.append) is None
        (line,) = told
        assert line.startswith(f"There is no metrics page: Durward cannot listen on {address}: port ")
        assert _admin_listener(Settings("127.0.0.1:7300", "/d", admin=Admin("")), None, told.append) is None
        assert len(told) == 1


def test_beside_any_free_port_the_office_has_one_too_unless_it_is_written() -> None:
    assert _admin_address(Settings("127.0.0.1:7300", "/d")) == "127.0.0.1:7301"
    assert _admin_address(Settings("127.0.0.1:0", "/d")) == "127.0.0.1:0"
    assert _admin_address(Settings("[::1]:0", "/d", admin=Admin("127.0.0.1:7309", required=True))) == "127.0.0.1:7309"
    assert _admin_address(Settings("127.0.0.1:0", "/d", admin=Admin(""))) == ""


def test_without_a_file_the_agent_gets_a_key_once(tmp_path: Path) -> None:
    first = start_without_file(tmp_path)
    try:
        key = next(line.strip() for line in first.lines if line.startswith("dw_"))
        assert first.ask("GET", "/v1/models/unknown/x", key=key)[0] != 401
        assert first.ask("GET", "/v1/models/unknown/x", key=key + "x")[0] == 401
    finally:
        first.close()
    again = start_without_file(tmp_path)
    try:
        assert not any("dw_" in line for line in again.lines)
        assert any("durward agent rotate default" in line for line in again.lines)
        assert again.ask("GET", "/v1/models/unknown/x", key=key)[0] != 401
    finally:
        again.close()


def start_without_file(folder: Path) -> Running:
    words = ["--listen", "127.0.0.1:0"]
    return Running(folder, words, CLEAN | {"OPENAI_API_KEY": "sk-not-a-real-one"}).wait_ready()


def test_a_passed_socket_is_served_and_survives_a_restart(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed, closing(Upstream()) as upstream:
        write_config(tmp_path, upstream.port)
        for _ in range(2):
            running = Running(tmp_path, [], passed=passed)
            try:
                assert running.wait_ready().port == passed.getsockname()[1]
                assert running.chat() == 200
                environment = Path(f"/proc/{running.child('gate')}/environ")
                assert not environment.exists() or b"LISTEN_" not in environment.read_bytes()
            finally:
                running.close()


def started_with(folder: Path, *sockets: socket.socket) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*passing(*sockets), *DURWARD, "up"],
        cwd=folder,
        pass_fds=[each.fileno() for each in sockets],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_a_passed_socket_that_cannot_be_served_is_said(tmp_path: Path) -> None:
    write_config(tmp_path, 9)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        started = started_with(tmp_path, one, other)
        assert started.returncode == 2
        assert "2 sockets were passed (LISTEN_FDS), and one is served." in started.stderr
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.socket() as silent:
        for wrong in (datagrams, silent):
            started = started_with(tmp_path, wrong)
            assert started.returncode == 2
            assert "is no listening TCP socket" in started.stderr
