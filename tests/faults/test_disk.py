"""A journal that cannot be written: new calls are refused in their wire, open ones settle into the reserve, and it mends by itself."""

import asyncio
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.caller import CHAT, PLAIN, STREAM
from tests.faults.disks import Disk, Limited, may_mount, mounted
from tests.faults.held import Held
from tests.faults.inside import READY, asked, gate_inside, refused_in_every_wire, until_status
from tests.faults.ledger import mended, open_calls, problems, read_ledger, wrongs
from tests.faults.place import durward, killed, until
from tests.faults.provider import Provider, providing

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


async def test_a_disk_that_is_slow_delays_calls_and_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with providing() as provider:
        async with gate_inside(tmp_path, provider, monkeypatch) as (port, disk):
            disk.seconds = 0.02
            calls = Held(port, provider)
            await calls.begin_all()
            assert (await asked(port, READY)).status == 200
            provider.let.set()
            assert await calls.read() == [True] * 8
            await all_right(tmp_path / ".durward", calls, provider)
        assert problems(tmp_path / ".durward") == []
