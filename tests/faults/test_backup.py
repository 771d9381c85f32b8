"""A backup while gates serve and one is killed: restored elsewhere, it has every call that was settled before it began."""

import asyncio
import json
from collections import Counter
from pathlib import Path

from durward.records.holdings import holdings
from tests.faults.caller import CHAT, Caller
from tests.faults.ledger import mended, problems
from tests.faults.load import Load
from tests.faults.place import durward, killed, started, until, write_config
from tests.server.running import Running, command

SEED = 20_261
KEPT = {"admin-token", "journal", "journal.key", "journal.pub", "state.db"}
LEFT = {"index.db", "index.db-shm", "index.db-wal", "state.db-shm", "state.db-wal", "lock", "control.sock"}


async def backed_up(running: Running, name: str, load: Load) -> tuple[Path, set[str]]:
    """A backup, and the calls that callers had answers of before it began."""
    settled = {answer.call for _, answer in load.complete()}
    done = await asyncio.to_thread(running.command, "backup", name)
    assert done.returncode == 0, done.stderr
    return running.folder / name, settled


async def serves(running: Running, key: str) -> None:
    """An agent of the backup can call."""
    caller = Caller(running.port, key)
    assert (await caller.call(CHAT)).status == 200
    await caller.close()


async def restored(archive: Path, settled: set[str], folder: Path, port: int, key: str) -> None:
    """Restore, start, and hold what is listed against what was settled."""
    write_config(folder, port, admin="127.0.0.1:0")
    again = await asyncio.to_thread(command, folder, "restore", str(archive))
    assert again.returncode == 0, again.stderr
    assert problems(folder / ".durward") == []
    running = await started(folder)
    try:
        data_dir = running.data_dir
        await until(lambda: mended(data_dir) and not holdings(data_dir).open, "the end of every call")
        listed = await asyncio.to_thread(running.command, "calls", "--json", "--limit", "0")
        records = [json.loads(line) for line in listed.stdout.splitlines()]
        assert set(Counter(record["id"] for record in records).values()) == {1}
        ends = {record["id"]: record["outcome"] for record in records}
        assert {call: ends.get(call) for call in settled} == dict.fromkeys(settled, "ok")
        await serves(running, key)
        verified = await asyncio.to_thread(running.command, "audit", "verify")
        assert verified.returncode == 0, verified.stdout
    finally:
        await asyncio.to_thread(running.close)
    assert problems(data_dir) == []


async def test_what_was_settled_before_a_backup_began_is_there_after_a_restore(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    async with durward(first, SEED, workers=2, admin="127.0.0.1:0") as (running, provider):
        made = await asyncio.to_thread(running.command, "agent", "add", "made")
        key = made.stdout.strip()
        load = Load(running.port, SEED)
        gate = running.child("gate")
        async with load.running():
            await load.steps(100)
            under_way = asyncio.create_task(backed_up(running, "archive", load))
            await load.steps(20)
            await killed(gate)
            archive, settled = await under_way
            await load.steps(20)
        there = {path.name for path in running.data_dir.iterdir()}
        assert KEPT <= there <= KEPT | LEFT, "a store that a backup neither holds nor leaves out on purpose"
        assert len(settled) >= 60
        await restored(archive, settled, second, provider.port, key)
