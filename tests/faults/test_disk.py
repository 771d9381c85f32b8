"""A journal that cannot be written: new calls are refused in their wire, open ones settle into the reserve, and it mends by itself."""

import asyncio
import gc
import json
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from durward.config.compile import examine_file
from durward.records.journal import FileJournal
from durward.server.gate import Gate
from tests.faults.caller import API, CHAT, GEMINI, MESSAGES, PLAIN, STREAM, Answer, Ask, Caller
from tests.faults.disks import Disk, Failing, Limited, may_mount, mounted
from tests.faults.held import Held
from tests.faults.ledger import mended, open_calls, problems, read_ledger, wrongs
from tests.faults.place import CREDENTIAL, durward, killed, until, write_config
from tests.faults.provider import Provider, providing

READY = Ask("ready", "/readyz", None, method="GET")
WARM_CALLS = 150
"""So many that the reserve's first bytes, as many as the journal has by then, hold the ends of all calls that are open."""
NEEDS_ROOT = pytest.mark.skipif(
    not may_mount(), reason="only root may mount a small file system; RLIMIT_FSIZE does for all"
)
NEEDS_PRLIMIT = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")


@contextmanager
def a_disk(folder: Path, kind: str) -> Iterator[Disk]:
    if kind == "limited":
        yield Limited()
        return
    with mounted(folder) as disk:
        yield disk


async def asked(port: int, ask: Ask) -> Answer:
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
    async with asyncio.timeout(30):
        while (await asked(port, ask)).status != status:
            pass


@pytest.mark.parametrize(
    "kind", [pytest.param("limited", marks=NEEDS_PRLIMIT), pytest.param("mounted", marks=NEEDS_ROOT)]
)
async def test_a_full_disk_refuses_new_calls_settles_open_ones_and_is_left_by_itself(tmp_path: Path, kind: str) -> None:
    with a_disk(tmp_path, kind) as disk:
        async with durward(tmp_path) as (running, provider):
            for number in range(WARM_CALLS):
                assert (await asked(running.port, PLAIN[number % 4])).status == 200
            calls = Held(running.port, provider, WARM_CALLS)
            await calls.begin_all()
            disk.fill(running)
            await until_status(running.port, CHAT, 503)
            before = len(provider.arrivals)
            await refused_in_every_wire(running.port)
            assert len(provider.arrivals) == before
            held = len(open_calls(read_ledger(running.data_dir)))
            assert held >= 8
            provider.let.set()
            assert await calls.read() == [True] * 8
            assert len(open_calls(read_ledger(running.data_dir))) == held
            await refused_in_every_wire(running.port)
            disk.free(running)
            await until_status(running.port, READY, 200)
            assert (await asked(running.port, CHAT)).status == 200
            await all_right(running.data_dir, calls, provider)
            listed = await asyncio.to_thread(running.command, "calls", "--json", "--limit", "0")
            assert {call.call for call in calls.seen()} <= {
                json.loads(line)["id"] for line in listed.stdout.splitlines()
            }
            await asyncio.to_thread(running.close)
            assert problems(running.data_dir) == []
            assert running.process.returncode == 0


@NEEDS_ROOT
async def test_a_gate_that_is_killed_on_a_full_disk_loses_nothing_of_what_it_settled_aside(tmp_path: Path) -> None:
    with mounted(tmp_path) as disk:
        async with durward(tmp_path) as (running, provider):
            calls = Held(running.port, provider)
            await calls.begin_all()
            disk.fill(running)
            await until_status(running.port, CHAT, 503)
            provider.let.set()
            assert await calls.read() == [True] * 8
            await killed(running.child("gate"))
            disk.free(running)
            await until_status(running.port, READY, 200)
            await until(lambda: mended(running.data_dir), "the mending")
            await all_right(running.data_dir, calls, provider)
            await asyncio.to_thread(running.close)
            assert problems(running.data_dir) == []


async def all_right(data_dir: Path, calls: Held, provider: Provider) -> None:
    await until(lambda: not open_calls(read_ledger(data_dir)), "the end of every call")
    traces = [arrival.trace for arrival in provider.arrivals if arrival.trace]
    assert wrongs(read_ledger(data_dir), calls.seen(), traces) == []
    assert len(calls.seen()) == 8


@asynccontextmanager
async def gate_inside(
    folder: Path, provider: Provider, patch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[int, Failing]]:
    """The real gate in this process, its port, and the `write` of its journal."""
    failing = Failing()
    patch.setenv("FAULTS_CREDENTIAL", CREDENTIAL)
    patch.setattr("durward.server.gate.FileJournal", partial(FileJournal, write=failing))
    # Every look is a try, so that no test waits for the next one.
    patch.setattr("durward.records.journal.PROBE_SECONDS", 0.0)
    write_config(folder, provider.port)
    (folder / ".durward").mkdir(0o700)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    ours, theirs = socket.socketpair()
    handing, handed = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, handing, handed:
        ours.setblocking(False)
        settings = examine_file(folder / "durward.yaml", os.environ).settings
        running = asyncio.ensure_future(Gate(settings, handed).run(theirs, listener))
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


async def test_a_disk_that_fails_under_the_journal_is_left_by_itself_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with providing() as provider:
        async with gate_inside(tmp_path, provider, monkeypatch) as (port, disk):
            calls = Held(port, provider)
            await calls.begin_all()
            disk.segments = True
            await refused_in_every_wire(port)
            provider.let.set()
            assert await calls.read() == [True] * 8
            await refused_in_every_wire(port)
            disk.segments = False
            assert (await asked(port, READY)).status == 200
            assert (await asked(port, STREAM)).complete
            await all_right(tmp_path / ".durward", calls, provider)
        assert problems(tmp_path / ".durward") == []


async def test_readiness_does_not_return_before_a_line_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with providing() as provider, gate_inside(tmp_path, provider, monkeypatch) as (port, disk):
        assert (await asked(port, CHAT)).status == 200
        disk.segments = True
        # Nothing is open: no line waits for which the gate would have to write.
        for _ in range(3):
            assert (await asked(port, CHAT)).status == 503
            assert [(await asked(port, READY)).status for _ in range(3)] == [503] * 3
        disk.segments = False
        assert (await asked(port, READY)).status == 200


async def test_where_even_the_reserve_fails_no_caller_has_an_end_that_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with providing() as provider:
        async with gate_inside(tmp_path, provider, monkeypatch) as (port, disk):
            calls = Held(port, provider)
            await calls.begin_all()
            disk.segments = disk.reserve = True
            provider.let.set()
            assert await calls.read() == [False] * 8
            # What had begun was cut; what had not was refused, or cut before its first byte.
            assert not any(answer.whole for answer in calls.answers if answer.status != 503)
            assert 503 in {answer.status for answer in calls.answers}
            disk.segments = disk.reserve = False
            await until_status(port, READY, 200)
            await until(lambda: not open_calls(read_ledger(tmp_path / ".durward")), "the end of every call")
            ledger = read_ledger(tmp_path / ".durward")
            assert wrongs(ledger, [], [arrival.trace for arrival in provider.arrivals]) == []
            assert [lines[0]["type"] for lines in ledger.ends.values()] == ["unknown"] * 8
        assert problems(tmp_path / ".durward") == []
