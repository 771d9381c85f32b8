"""What a service manager hears over a whole life: ready, reloaded, taken over, stopping; and that it may be absent or gone."""

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from durward.server.notify import Notifier
from tests.server.running import SECONDS, Running, Upstream, until, write_config


@pytest.fixture
def ear() -> Iterator[tuple[socket.socket, str]]:
    """A socket that hears, and its address. In a short folder: the path of a socket holds 104 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="dw"))
    end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    end.settimeout(SECONDS)
    end.bind(str(folder / "notify"))
    yield end, str(folder / "notify")
    end.close()
    shutil.rmtree(folder)


def heard(end: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in end.recv(4096).decode().split("\n"))


def test_a_whole_life_is_told(tmp_path: Path, ear: tuple[socket.socket, str]) -> None:
    end, address = ear
    upstream = Upstream()
    write_config(tmp_path, upstream.port)
    first = Running(tmp_path, [], {"NOTIFY_SOCKET": address})
    second = None
    try:
        first.wait_ready()
        assert heard(end) == {
            "READY": "1",
            "MAINPID": str(first.pid),
            "STATUS": f"Serving on 127.0.0.1:{first.port}.",
        }
        first.process.send_signal(signal.SIGHUP)
        assert heard(end)["RELOADING"] == "1"
        assert heard(end) == {"READY": "1", "STATUS": "Serving."}
        second = Running(tmp_path, [], {"NOTIFY_SOCKET": address}, log="log2").wait_ready()
        # The one that is watched says first whom to watch next, and never that the service stops.
        told = [heard(end), heard(end)]
        assert {each["MAINPID"] for each in told} == {str(second.pid)}
        assert first.process.wait(SECONDS) == 0
        second.process.send_signal(signal.SIGTERM)
        assert heard(end)["STOPPING"] == "1"
        assert second.process.wait(SECONDS) == 0
    finally:
        for each in filter(None, (first, second)):
            each.close()
        upstream.close()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_no_child_speaks_for_the_supervisor(tmp_path: Path, ear: tuple[socket.socket, str]) -> None:
    upstream = Upstream()
    write_config(tmp_path, upstream.port)
    running = Running(tmp_path, [], {"NOTIFY_SOCKET": ear[1]})
    try:
        gate = running.wait_ready().child("gate")
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{gate}/environ").read_bytes()
    finally:
        running.close()
        upstream.close()


def test_a_refused_configuration_is_told_in_one_line(ear: tuple[socket.socket, str]) -> None:
    end, address = ear
    environment = {"NOTIFY_SOCKET": address}
    notifier = Notifier(environment)
    assert environment == {}
    notifier.reloading()
    assert int(heard(end)["MONOTONIC_USEC"]) > 0
    notifier.reloaded("durward.yaml:3:1: no such key\n  | listn\n")
    assert heard(end)["STATUS"] == "The changed configuration is refused: durward.yaml:3:1: no such key"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="abstract sockets are Linux's")
def test_an_abstract_socket_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.settimeout(SECONDS)
        end.bind(f"\0durward-test-{os.getpid()}")
        Notifier({"NOTIFY_SOCKET": f"@durward-test-{os.getpid()}"}).stopping()
        assert heard(end)["STOPPING"] == "1"


def test_nobody_listening_is_logged_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier({}).stopping()
    assert caplog.messages == []
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "n")}).stopping()
    assert "could not be told STOPPING=1" in caplog.text


def test_who_waits_for_it_is_not_waited_for(ear: tuple[socket.socket, str], caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": ear[1]})
    for _ in range(4096):  # More than a socket that nobody reads holds.
        notifier.stopping()
        if caplog.messages:
            break
    assert until(lambda: caplog.messages, "a full socket")
