"""Told to stop with calls under way: they finish or are settled, nothing is left, and there is only ever one Durward a folder."""

import asyncio
import os
import signal
from pathlib import Path

from tests.faults.caller import CHAT, MESSAGES, STREAM
from tests.faults.held import Held
from tests.faults.ledger import open_calls, problems, read_ledger, wrongs
from tests.faults.place import durward, started, until
from tests.server.running import lives
from tests.server.test_supervisor import refused

LEAVING_SECONDS = 16.0
"""10 s for the calls, and what a loaded machine needs besides."""


async def test_a_stop_finishes_what_can_finish_in_10_s_and_settles_the_rest(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with durward(tmp_path) as (running, provider):
        calls = Held(running.port, provider)
        await calls.begin_all()
        for ask in (CHAT, MESSAGES, STREAM):
            await calls.begin(ask, "silent")
        told = loop.time()
        running.process.send_signal(signal.SIGTERM)
        await until(lambda: refused(running.port), "the listener's end")
        provider.let.set()
        assert await calls.read() == [True] * 8 + [False] * 3
        assert await asyncio.to_thread(running.process.wait, LEAVING_SECONDS) == 0
        assert loop.time() - told < LEAVING_SECONDS
        ledger = read_ledger(running.data_dir)
        assert wrongs(ledger, calls.seen(), [arrival.trace for arrival in provider.arrivals]) == []
        assert [lines[0]["type"] for lines in ledger.ends.values()] == ["settle"] * 11
        assert problems(running.data_dir) == []
        assert "Traceback" not in running.log.read_text()


async def test_a_second_start_on_the_folder_takes_over_and_the_first_finishes_its_calls(tmp_path: Path) -> None:
    async with durward(tmp_path) as (running, provider):
        calls = Held(running.port, provider)
        await calls.begin(STREAM, "held-inside")
        successor = await started(tmp_path)
        try:
            assert successor.port == running.port
            provider.let.set()
            assert await calls.read() == [True]
            assert await asyncio.to_thread(running.process.wait, LEAVING_SECONDS) == 0
        finally:
            await asyncio.to_thread(successor.close)
        assert problems(running.data_dir) == []


async def test_when_the_supervisor_is_killed_the_gate_finishes_its_calls_before_it_ends(tmp_path: Path) -> None:
    async with durward(tmp_path) as (running, provider):
        children = [running.child("gate"), running.child("office")]
        calls = Held(running.port, provider)
        await calls.begin_all()
        os.kill(running.pid, signal.SIGKILL)
        await asyncio.to_thread(running.process.wait)
        await until(lambda: refused(running.port), "the listener's end")
        # Until the gate has gone no other may write this journal: whoever starts now waits for it.
        again = asyncio.ensure_future(started(tmp_path))
        provider.let.set()
        assert await calls.read() == [True] * 8
        await until(lambda: not any(lives(pid) for pid in children), "the end of gate and office")
        successor = await again
        try:
            ledger = read_ledger(running.data_dir)
            assert open_calls(ledger) == []
            assert {lines[0]["outcome"] for lines in ledger.ends.values()} == {"ok"}
        finally:
            await asyncio.to_thread(successor.close)
        assert problems(running.data_dir) == []
