"""`kill -9` under load: what a caller has to the end is recorded once, with the provider's numbers; everything else ends as `unknown`."""

import asyncio
import json
import os
import random
from pathlib import Path

import pytest

from tests.faults.caller import CHAT, STREAMS, Answer, Caller
from tests.faults.ledger import mended, open_calls, problems, read_ledger, wrongs
from tests.faults.load import Load
from tests.faults.place import durward, killed, next_child, started, until
from tests.faults.provider import Provider
from tests.server.running import Running, lives

SEED = 20_251
KILLS = 32
STABLE_SECONDS = 1.1
"""A life this long, and the supervisor forgets earlier deaths: it starts the next one at once."""
BACK_SECONDS = 10.0


async def settled(running: Running, load: Load, provider: Provider) -> None:
    """Once every call has its end, all of them must be right, in the journal and in what is listed of it."""
    data_dir = running.data_dir
    await until(lambda: mended(data_dir) and not open_calls(read_ledger(data_dir)), "the end of every call")
    ledger = read_ledger(data_dir)
    assert wrongs(ledger, load.seen(), [arrival.trace for arrival in provider.arrivals]) == []
    listed = await asyncio.to_thread(running.command, "calls", "--json", "--limit", "0")
    assert listed.returncode == 0, listed.stderr
    records = [json.loads(line) for line in listed.stdout.splitlines()]
    assert sorted(record["id"] for record in records) == sorted([*ledger.ends, *ledger.refused])
    outcomes = {call: lines[0]["outcome"] for call, lines in (ledger.ends | ledger.refused).items()}
    assert {record["id"]: record["outcome"] for record in records} == outcomes
    await asyncio.to_thread(running.close)
    assert problems(data_dir) == []
    assert "Traceback" not in running.log.read_text()


async def ready(port: int) -> Answer:
    """The answer of a gate that is ready; who connects while there is none waits for it."""
    while True:
        caller = Caller(port)
        try:
            answer = await caller.call(CHAT._replace(method="GET", path="/readyz", body=None))
        except ConnectionError:
            continue  # It was killed with our connection in its hands.
        finally:
            await caller.close()
        if answer.status == 200:
            return answer


async def live(running: Running, load: Load, known: int, length: str, dice: random.Random) -> tuple[int, float]:
    """One life of the gate: its pid, and the seconds until it was ready, 0 where it is to die before."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    gate = await next_child(running, "gate", known)
    if length == "unborn":
        return gate, 0.0
    async with asyncio.timeout(BACK_SECONDS):
        await ready(running.port)
    born = loop.time()
    if length == "long":
        await until(lambda: loop.time() - born > STABLE_SECONDS, "a life that counts as stable")
    if length != "newborn":
        await load.steps(dice.randrange(1, 60))
    return gate, born - began


@pytest.mark.timeout(110)
async def test_a_gate_that_is_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    lengths = ["long", "busy", "newborn", "unborn"] * (KILLS // 4)
    async with durward(tmp_path, SEED) as (running, provider):
        load = Load(running.port, SEED)
        waits: list[float] = []
        gate = 0
        async with load.running():
            for length in lengths:
                gate, wait = await live(running, load, gate, length, dice)
                waits += [wait] if gate and wait else []
                await killed(gate)
            await ready(running.port)
            await load.steps(50)
        complete = load.complete()
        streams = sum(answer.ask in STREAMS for _, answer in complete)
        print(
            f"{len(complete)} answers to the end, {streams} of them streams; {load.cut} cut; longest {max(waits):.2f} s"
        )
        assert running.log.read_text().count("gate was ended by SIGKILL") == KILLS
        assert {answer.status for _, answer in load.answers} == {200}
        assert len(complete) > KILLS * 10
        assert streams * 3 > len(complete)
        await settled(running, load, provider)
        unknown = sum(lines[0]["type"] == "unknown" for lines in read_ledger(running.data_dir).ends.values())
        assert 0 < unknown <= load.cut


async def test_an_office_that_is_killed_loses_nothing_and_its_index_catches_up(tmp_path: Path) -> None:
    async with durward(tmp_path, SEED) as (running, provider):
        load = Load(running.port, SEED)
        gate = running.child("gate")
        office = 0
        async with load.running():
            for _ in range(4):
                office = await next_child(running, "office", office)
                await load.steps(40)
                await killed(office)
        assert load.cut == 0
        assert running.child("gate") == gate
        assert len(load.complete()) >= 160
        await settled(running, load, provider)


async def test_after_the_supervisor_is_killed_the_gate_finishes_and_the_next_start_is_clean(tmp_path: Path) -> None:
    async with durward(tmp_path, SEED) as (running, provider):
        load = Load(running.port, SEED)
        children = [running.child("gate"), running.child("office")]
        async with load.running():
            await load.steps(100)
            os.kill(running.pid, 9)
            await asyncio.to_thread(running.process.wait)
            # The callers go on asking until nobody serves them.
            await until(lambda: not any(lives(pid) for pid in children), "the end of gate and office")
        again = await started(tmp_path)
        try:
            assert len(load.complete()) >= 90
            await settled(again, load, provider)
        finally:
            await asyncio.to_thread(again.close)
        ends = [lines[0] for lines in read_ledger(again.data_dir).ends.values()]
        assert [end for end in ends if end["type"] == "unknown"] == []


async def test_after_supervisor_and_gate_are_killed_together_the_next_start_ends_what_they_left(tmp_path: Path) -> None:
    async with durward(tmp_path, SEED) as (running, provider):
        load = Load(running.port, SEED)
        gate = running.child("gate")
        async with load.running():
            await load.steps(100)
            os.kill(running.pid, 9)
            await killed(gate)
            await asyncio.to_thread(running.process.wait)
        again = await started(tmp_path)
        try:
            await settled(again, load, provider)
        finally:
            await asyncio.to_thread(again.close)
        ends = [lines[0] for lines in read_ledger(again.data_dir).ends.values()]
        assert 0 < sum(end["type"] == "unknown" for end in ends) <= 12
