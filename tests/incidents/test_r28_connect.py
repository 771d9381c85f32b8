"""hypercorn #277: CONNECT was not refused, so that a server became a proxy to wherever a caller liked.

Here: the listener of agents is no tunnel and no forward proxy, with a key or without.
"""

import socket
from pathlib import Path

from tests.incidents.gate import answered, provider, statuses
from tests.server.running import KEY, Running, write_config


def test_no_tunnel_and_no_forward_proxy(tmp_path: Path) -> None:
    with provider() as seen, socket.create_server(("127.0.0.1", 0)) as elsewhere:
        write_config(tmp_path, seen.port)
        running = Running(tmp_path, [])
        host = f"127.0.0.1:{elsewhere.getsockname()[1]}"
        try:
            running.wait_ready()
            for key in ("", f"Durward-Key: {KEY}\r\n", f"Proxy-Authorization: Bearer {KEY}\r\n"):
                for line in (
                    f"CONNECT {host}",
                    f"GET http://{host}/",
                    f"OPTIONS http://{host}/",
                    f"TRACE http://{host}/",
                ):
                    raw = f"{line} HTTP/1.1\r\nHost: {host if line[0] == 'C' else 'gate'}\r\n{key}Connection: close\r\n\r\n"
                    assert statuses(answered(running.port, raw.encode()))[:1] == [501], raw
            elsewhere.settimeout(0)
            try:
                elsewhere.accept()
            except BlockingIOError:
                pass
            else:
                raise AssertionError("somebody came")
            assert not seen.asked.is_set()
        finally:
            running.close()
