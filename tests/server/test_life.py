"""A child says when it is ready, obeys, and finishes what it has begun, whoever tells it to leave."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from durward.calls.errors import CallerError
from durward.server.edge import Edge
from durward.server.life import DRAIN_SECONDS, WORD_SECONDS, Leave, Life
from durward.server.pair import Message


class Door:
    """In the edge's place: a drain that lasts until it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.drains: list[float] = []
        self.patient = False
        self.listening = False

    async def listen(self, listener: socket.socket) -> None:
        self.listening = True

    async def drain(self, seconds: float, *, patient: bool = False) -> None:
        self.drains.append(seconds)
        self.patient = patient
        await self.let.wait()


class Supervisor:
    """The other end of the pair."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = b""
        end.setblocking(False)

    def say(self, **message: object) -> None:
        self._end.sendall(json.dumps(message).encode() + b"\n")

    async def hear(self) -> Message:
        while b"\n" not in self._rest:
            self._rest += await asyncio.get_running_loop().sock_recv(self._end, 4096)
        line, _, self._rest = self._rest.partition(b"\n")
        return cast(Message, json.loads(line))

    def leave(self) -> None:
        self._end.close()


async def obey(message: Message) -> Message:
    if message["do"] == "fail":
        raise ValueError("broken")
    if message["do"] == "refuse":
        raise CallerError("No.", reason="agent_unknown", remedy="Ask again.")
    return {"done": message["do"]}


@asynccontextmanager
async def life() -> AsyncIterator[tuple[Life, Door, Edge, Supervisor]]:
    ours, theirs = socket.socketpair()
    listener = socket.socket()
    living, door = Life("gate", obey), Door()
    edge = cast(Edge, door)
    await living.start(edge, ours, listener)
    supervisor = Supervisor(theirs)
    assert await supervisor.hear() == {"event": "ready"}
    assert door.listening
    try:
        yield living, door, edge, supervisor
    finally:
        door.let.set()
        await living.drain(edge, 0.0)
        living.close()
        supervisor.leave()
        listener.close()


async def test_it_answers_what_it_is_asked() -> None:
    async with life() as (_, _, _, supervisor):
        supervisor.say(do="ping", id=1)
        assert await supervisor.hear() == {"id": 1}
        supervisor.say(do="work", id=2)
        assert await supervisor.hear() == {"done": "work", "id": 2}
        supervisor.say(do="refuse", id=3)
        error = {"reason": "agent_unknown", "message": "No.", "remedy": "Ask again."}
        assert await supervisor.hear() == {"error": error, "id": 3}


async def test_it_leaves_when_it_is_told_and_waits_for_its_calls() -> None:
    async with life() as (living, door, edge, supervisor):
        supervisor.say(do="drain", seconds=7)
        assert await living.leaving() == Leave(7.0)
        draining = asyncio.ensure_future(living.drain(edge, 7.0))
        supervisor.say(do="work", id=1)
        assert await supervisor.hear() == {"done": "work", "id": 1}
        assert not draining.done()
        door.let.set()
        await draining
        assert door.drains == [7.0]


async def test_with_a_successor_it_is_patient_until_it_is_hurried() -> None:
    async with life() as (living, door, edge, supervisor):
        supervisor.say(do="drain", seconds=7, succeeded=True)
        leave = await living.leaving()
        assert leave == Leave(7.0, succeeded=True)
        draining = asyncio.ensure_future(living.drain(edge, leave.seconds, succeeded=leave.succeeded))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (door.drains, door.patient) == ([7.0], True)
        supervisor.say(do="drain", seconds=0)
        while door.drains != [7.0, 0.0]:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not door.patient
        door.let.set()
        await draining


async def test_it_leaves_when_the_supervisor_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    async with life() as (living, _, _, supervisor):
        supervisor.leave()
        assert await living.leaving() == Leave(DRAIN_SECONDS)
    assert "the supervisor is gone" in caplog.text


async def test_it_leaves_on_a_signal() -> None:
    async with life() as (living, _, _, _):
        os.kill(os.getpid(), signal.SIGTERM)
        assert await living.leaving() == Leave(DRAIN_SECONDS)


async def test_only_less_time_hurries_it() -> None:
    async with life() as (living, door, edge, supervisor):
        draining = asyncio.ensure_future(living.drain(edge, 10.0))
        for seconds in (10, 20, 0):
            supervisor.say(do="drain", seconds=seconds)
        while door.drains != [10.0, 0.0]:  # noqa: ASYNC110
            await asyncio.sleep(0)
        door.let.set()
        await draining
        assert door.drains == [10.0, 0.0]


async def test_work_beside_the_calls_that_fails_is_said(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    async with life() as (living, _, _, _):
        living.begin(fail())
    assert "work beside the calls failed" in caplog.text
    assert "ValueError: broken" in caplog.text


async def test_it_lingers_as_long_as_it_was_told_and_is_asked_to_linger_less() -> None:
    async with life() as (living, _, _, supervisor):
        assert await living.linger(Leave(9.0)) == 9.0
        lingering = asyncio.ensure_future(living.linger(Leave(9.0, delay=30.0)))
        supervisor.say(do="drain", seconds=20, delay=30)
        supervisor.say(do="work", id=1)
        await supervisor.hear()
        assert not lingering.done()
        supervisor.say(do="drain", seconds=1, delay=0)
        assert await lingering == 1.0


async def test_a_signal_waits_for_the_supervisors_word() -> None:
    async with life() as (living, _, _, supervisor):
        os.kill(os.getpid(), signal.SIGTERM)
        supervisor.say(do="drain", seconds=300, delay=5)
        assert await living.leaving() == Leave(300.0, 5.0)
        lingering = asyncio.ensure_future(living.linger(Leave(300.0, WORD_SECONDS + 0.5)))
        assert await lingering == 300.0


async def test_a_command_that_fails_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    async with life() as (_, _, _, supervisor):
        supervisor.say(do="fail", id=1)
        answer = await supervisor.hear()
        assert answer["error"]["message"] == "The command failed; the log says why."
    assert "ValueError: broken" in caplog.text
