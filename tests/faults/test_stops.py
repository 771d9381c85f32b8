"""Told to stop with calls under way: they finish or are settled, nothing is left, and there is only ever one Durward a folder."""

import asyncio
import os
import signal
from pathlib import Path

from tests.faults.caller import CHAT, MESSAGES, PLAIN, STREAM, STREAMS, Answer, Ask, Caller, trace_of
from tests.faults.ledger import Seen, open_calls, problems, read_ledger, wrongs
from tests.faults.place import durward, started, until
from tests.faults.provider import Provider, tokens_of
from tests.server.running import Running, lives
from tests.server.test_supervisor import refused

LEAVING_SECONDS = 16.0
"""10 s for the calls, and what a loaded machine needs besides."""


class Open:
    """Calls that wait for the provider, all of them begun."""

    def __init__(self, running: Running, provider: Provider) -> None:
        self._running = running
        self._provider = provider
        self.answers: list[Answer] = []
        self._reading: list[asyncio.Task[None]] = []

    async def begin(self, ask: Ask, manner: str) -> None:
        caller, answer = Caller(self._running.port), Answer(ask)
        await caller.begin(ask, trace_of(len(self.answers)), f"X-Manner: {manner}\r\n")
        self.answers.append(answer)
        self._reading.append(asyncio.ensure_future(self._read(caller, answer)))
        await self._provider.has(len(self.answers))

    @staticmethod
    async def _read(caller: Caller, answer: Answer) -> None:
        await caller.read(answer)
        await caller.close()

    async def read(self) -> list[bool]:
        """Whether each had its answer to the end."""
        await asyncio.gather(*self._reading)
        return [answer.complete and answer.status == 200 for answer in self.answers]


async def test_a_stop_finishes_what_can_finish_in_10_s_and_settles_the_rest(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with durward(tmp_path) as (running, provider):
        calls = Open(running, provider)
        for ask in STREAMS:
            await calls.begin(ask, "held-inside")
        for ask in PLAIN:
            await calls.begin(ask, "held")
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
        counted = [None if answer.ask.kind.startswith("api") else number for number, answer in enumerate(calls.answers)]
        seen = [
            Seen(answer.call, None if number is None else tokens_of(trace_of(number)))
            for number, answer in zip(counted[:8], calls.answers, strict=False)
        ]
        assert wrongs(ledger, seen, [arrival.trace for arrival in provider.arrivals]) == []
        assert [lines[0]["type"] for lines in ledger.ends.values()] == ["settle"] * 11
        assert problems(running.data_dir) == []
        assert "Traceback" not in running.log.read_text()


async def test_a_second_start_on_the_folder_names_the_first_and_ends_with_1(tmp_path: Path) -> None:
    async with durward(tmp_path) as (running, provider):
        calls = Open(running, provider)
        await calls.begin(STREAM, "held-inside")
        second = await asyncio.to_thread(running.command, "up")
        assert second.returncode == 1
        assert str(running.pid) in second.stderr
        provider.let.set()
        assert await calls.read() == [True]


async def test_when_the_supervisor_is_killed_the_gate_finishes_its_calls_before_it_ends(tmp_path: Path) -> None:
    async with durward(tmp_path) as (running, provider):
        children = [running.child("gate"), running.child("office")]
        calls = Open(running, provider)
        for ask in (*STREAMS, *PLAIN):
            await calls.begin(ask, "held-inside" if ask in STREAMS else "held")
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
