"""CVE-2025-49596 (MCP Inspector), CVE-2025-66416 and others: a port on this machine without authentication, reached by a page in a browser
through DNS rebinding or 0.0.0.0.

Here: what is not configured listens on loopback, no call passes without a key whatever its Host and Origin say, no answer allows another
origin to read it, and the control socket is the user's alone.
"""

import socket
import stat
from pathlib import Path

import pytest

from durward.config.compile import examine_file
from durward.config.zero import LISTEN
from tests.incidents.gate import answered, provider, statuses
from tests.playbooks.world import JSON, Reply, World
from tests.server.running import Running, write_config

ORIGINS = ["http://evil.example", "null", "http://127.0.0.1:7300", "file://", "http://gate.evil.example"]
HOSTS = ["127.0.0.1:7300", "localhost:7300", "0.0.0.0:7300", "rebound.evil.example", "[::1]:7300"]

ELSEWHERE = "127.0.0.2"
"""An address of this machine that is not the one configured."""


def test_what_is_not_configured_listens_on_loopback(tmp_path: Path) -> None:
    file = tmp_path / "durward.yaml"
    file.write_text("version: 1\n")
    assert examine_file(file, {}).settings.listen.startswith("127.0.0.1:")
    assert LISTEN.startswith("127.0.0.1:")
    file.write_text("version: 1\nlisten: 0.0.0.0:7300\n")
    assert any("other machines" in each.message for each in examine_file(file, {}).warnings)


def test_no_call_passes_without_a_key_and_the_control_socket_is_ones_own(tmp_path: Path) -> None:
    with provider() as seen:
        write_config(tmp_path, seen.port)
        running = Running(tmp_path, [])
        try:
            running.wait_ready()
            for host in HOSTS:
                for origin in ORIGINS:
                    raw = f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n"
                    said = answered(running.port, raw.encode())
                    assert statuses(said) == [401]
                    assert b"access-control-allow" not in said.lower()
            modes = {
                path: stat.S_IMODE((running.data_dir / path).stat().st_mode)
                for path in ("", "control.sock", "state.db")
            }
            assert {
                path: mode & 0o077 for path, mode in modes.items() if (running.data_dir / path).exists()
            } == dict.fromkeys(modes, 0)
            with pytest.raises(ConnectionRefusedError), socket.create_connection((ELSEWHERE, running.port), 2):
                pass
            assert not seen.asked.is_set()
        finally:
            running.close()


@pytest.mark.parametrize("origin", ORIGINS)
async def test_a_page_of_another_origin_is_not_let_read(origin: str) -> None:
    world = World()
    asked = await world.plays(
        "OPTIONS /api/crm/x",
        b"",
        Reply(200, b"{}", media=JSON),
        key=None,  # type: ignore[arg-type]
        Origin=origin,
        Access_Control_Request_Method="POST",
    )
    assert asked.status == 401
    assert b"access-control" not in asked.lines.lower()
    assert world.network.sent == []
