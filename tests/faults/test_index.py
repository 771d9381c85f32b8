"""An index that is deleted or damaged while Durward runs: calls do not notice, and the next listing has them all."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.caller import CHAT, Caller
from tests.faults.place import durward, until
from tests.records.test_index_lost import cut, delete
from tests.server.running import Running

CALLS = 60


async def called(running: Running, count: int) -> list[str]:
    caller = Caller(running.port)
    answers = [await caller.call(CHAT) for _ in range(count)]
    await caller.close()
    assert {answer.status for answer in answers} == {200}
    return [answer.call for answer in answers]


async def listed(running: Running) -> list[str]:
    told = await asyncio.to_thread(running.command, "calls", "--json", "--limit", "0")
    if told.returncode and "Ask again" in told.stderr:
        told = await asyncio.to_thread(running.command, "calls", "--json", "--limit", "0")
    assert told.returncode == 0, told.stderr
    return [json.loads(line)["id"] for line in told.stdout.splitlines()]


@pytest.mark.parametrize("lose", [delete, cut])
async def test_the_office_makes_it_anew_and_the_next_listing_is_whole(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    async with durward(tmp_path) as (running, _):
        calls = await called(running, CALLS)
        assert sorted(await listed(running)) == sorted(calls)
        office = running.child("office")
        await asyncio.to_thread(lose, running.data_dir)
        calls += await called(running, 3)
        assert sorted(await listed(running)) == sorted(calls)
        assert running.child("office") == office, "it has not died of it"
        assert (running.data_dir / "index.db").stat().st_mode & 0o777 == 0o600
        await until(lambda: "made anew from the journal" in running.log.read_text(), "the word of it")
