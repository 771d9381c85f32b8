"""The real gate in the test's own process, so that a test has its disk in its hands; and what is asked of it there."""

import asyncio
import errno
import gc
import json
import os
import signal
import socket
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from durward.calls.ports import Clock
from durward.config.compile import examine_file
from durward.records.syncing import SyncThread
from durward.server.call_path import this_machine
from durward.server.clock import SystemClock
from durward.server.gate import Gate
from tests.faults.caller import API, CHAT, GEMINI, MESSAGES, STREAM, Answer, Ask, Caller
from tests.faults.disks import Failing
from tests.faults.place import CREDENTIAL, write_config
from tests.faults.provider import Provider

READY = Ask("ready", "/readyz", None, method="GET")


async def asked(port: int, ask: Ask) -> Answer:
    """One call on a connection of its own."""
    caller = Caller(port)
    try:
        return await caller.call(ask)
    finally:
        await caller.close()


async def refused_in_every_wire(port: int) -> None:
    """Nothing new is taken, each caller is told so as its SDK understands it, and readiness agrees."""
    chat, stream, messages, gemini, api = [await asked(port, ask) for ask in (CHAT, STREAM, MESSAGES, GEMINI, API)]
    assert {answer.status for answer in (chat, stream, messages, gemini, api)} == {503}
    assert all(answer.whole and answer.call for answer in (chat, stream, messages, gemini, api))
    assert json.loads(chat.body)["error"]["code"] == "journal_unavailable"
    assert json.loads(stream.body)["error"]["code"] == "journal_unavailable"
    assert json.loads(messages.body)["type"] == "error"
    assert "journal" in json.loads(messages.body)["error"]["message"]
    assert json.loads(gemini.body)["error"]["details"][0]["reason"] == "journal_unavailable"
    assert json.loads(api.body)["reason"] == "journal_unavailable"
    assert (await asked(port, READY)).status == 503


async def until_status(port: int, ask: Ask, status: int) -> None:
    """Ask until that is the answer."""
    async with asyncio.timeout(30):
        while (await asked(port, ask)).status != status:
            pass


class Platter:
    """A `sync` that remembers what of each file would be on the disk, and waits, or fails, while a test says so."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.let.set()
        self.failing = 0
        """How many of the next syncs fail with EIO."""
        self.syncs = 0
        self.held: dict[int, bytes] = {}

    def __call__(self, fd: int) -> None:
        found = os.fstat(fd)
        content = _content(fd)
        self.let.wait(30)
        self.syncs += 1
        if self.failing:
            self.failing -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.held[found.st_ino] = content

    def says(self, kind: str, call: str) -> bool:
        """Whether a line of that type and call is on the disk."""
        wanted = f'"id":"{call}"'.encode()
        lines = (line for content in list(self.held.values()) for line in content.split(b"\n"))
        return any(wanted in line and f'"type":"{kind}"'.encode() in line for line in lines)


def _content(fd: int) -> bytes:
    try:
        copy = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    except IsADirectoryError:
        return b""
    try:
        found = os.fstat(copy)
        return b"" if stat.S_ISDIR(found.st_mode) else os.pread(copy, found.st_size, 0)
    finally:
        os.close(copy)


@asynccontextmanager
async def gate_inside(
    folder: Path,
    provider: Provider,
    patch: pytest.MonkeyPatch,
    platter: Platter | None = None,
    clock: Clock | None = None,
    **changes: Any,
) -> AsyncIterator[tuple[int, Failing]]:
    """The real gate in this process, its port, and the `write` of its journal; with a platter, `durability: disk`."""
    failing = Failing()
    patch.setenv("FAULTS_CREDENTIAL", CREDENTIAL)
    machine = this_machine()._replace(write=failing, clock=clock or SystemClock())
    if platter is not None:
        changes["durability"] = "disk"
        machine = machine._replace(syncing=partial(SyncThread, platter))
    # Every look is a try, so that no test waits for the next one.
    patch.setattr("durward.records.journal.PROBE_SECONDS", 0.0)
    patch.setattr("durward.records.lasting.PROBE_SECONDS", 0.0)
    write_config(folder, provider.port, **changes)
    (folder / ".durward").mkdir(0o700)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    ours, theirs = socket.socketpair()
    handing, handed = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, handing, handed:
        ours.setblocking(False)
        settings = examine_file(folder / "durward.yaml", os.environ).settings
        running = asyncio.ensure_future(Gate(settings, handed, machine).run(theirs, listener))
        loop = asyncio.get_running_loop()
        assert b"ready" in await loop.sock_recv(ours, 1024)
        try:
            yield port, failing
        finally:
            provider.let.set()
            await loop.sock_sendall(ours, b'{"do":"drain","seconds":1}\n')
            await running
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            gc.unfreeze()
