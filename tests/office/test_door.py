"""A connection that says nothing does not stay; one that has something to say is answered."""

import asyncio
import socket
from pathlib import Path

import pytest

from durward.config.settings import Admin, Settings
from durward.office import door
from durward.office.door import Door
from durward.office.link import Link
from durward.office.tally import Tally


async def test_silent_connections_are_closed_and_a_stop_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HEAD_SECONDS", 0.05)
    monkeypatch.setattr(door, "ASK_SECONDS", 0.01)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    ours, theirs = socket.socketpair()
    settings = Settings("127.0.0.1:1", str(tmp_path), admin=Admin(open_metrics=True))
    with ours, theirs:
        served = Door(listener, settings, Tally(), Link(ours), lambda: 0.0)
        served.start()
        for sent in (b"", b"GET /metrics HTTP/1.1\r\nHost: 127."):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            assert await reader.read() == b""
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"server:" not in answer.lower().partition(b"\r\n\r\n")[0]
        await asyncio.to_thread(served.stop)
        with pytest.raises(OSError, match="refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)
