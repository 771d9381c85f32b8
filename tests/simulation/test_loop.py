"""The ground of the worlds: time that jumps, threads that are none, connections as a network has them."""

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, TypeVar

import pytest

from tests.simulation.answers import AnswerReader
from tests.simulation.loop import LIFE, STEPS, Mortal, Stuck, VirtualLoop, run
from tests.simulation.pipes import End

Result = TypeVar("Result")


class Side(asyncio.Protocol):
    """Notes what happens to one end."""

    def __init__(self, told: list[str]) -> None:
        self.told = told
        self.received = b""
        self.end: End

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, End)
        self.end = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(type(exc).__name__ if exc else "closed")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


def played(work: Callable[[VirtualLoop], Coroutine[Any, Any, Result]], seed: int = 1) -> Result:
    loop = VirtualLoop(Random(seed))
    return run(loop, work(loop))


async def pair(loop: VirtualLoop) -> tuple[Side, Side]:
    """Both ends of a new connection."""
    far = Side([])
    loop.serve(loop.place("there:1"), lambda: far)
    opened = await loop.create_connection(lambda: Side([]), "there", 1)
    await asyncio.sleep(1)
    near: Side = opened[1]
    return near, far


def test_time_jumps_to_the_next_timer() -> None:
    async def work(loop: VirtualLoop) -> float:
        await asyncio.sleep(86_400 * 365)
        return loop.time()

    begun = time.monotonic()
    assert played(work) == pytest.approx(86_400 * 365)
    assert time.monotonic() - begun < 30


def test_what_nobody_will_end_is_stuck() -> None:
    async def waits(loop: VirtualLoop) -> None:
        await asyncio.Event().wait()

    async def turns(loop: VirtualLoop) -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with pytest.raises(Stuck, match="nobody is ready"):
        played(waits)
    with pytest.raises(Stuck, match=str(STEPS)):
        played(turns)


def test_what_runs_in_a_thread_runs_here_a_while_later() -> None:
    async def work(loop: VirtualLoop) -> tuple[str, float]:
        told = await asyncio.to_thread(lambda: "done")
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return told, loop.time()

    told, now = played(work)
    assert told == "done"
    assert 0 < now < 0.01


def test_timers_end_with_the_life_that_set_them() -> None:
    async def work(loop: VirtualLoop) -> list[str]:
        told: list[str] = []
        life = Mortal()
        life.dead, life.tasks = False, []

        async def lives() -> None:
            LIFE.set(life)
            while True:
                await asyncio.sleep(1)
                told.append("beat")

        task = loop.create_task(lives())
        await asyncio.sleep(2.5)
        life.dead = True
        await asyncio.sleep(10)
        task.cancel()
        return told

    assert played(work) == ["beat"] * 3  # the third was set before


@pytest.mark.parametrize("seed", range(12))
def test_every_byte_arrives_in_order_and_a_writer_is_asked_to_wait(seed: int) -> None:
    async def work(loop: VirtualLoop) -> None:
        near, far = await pair(loop)
        far.end.pause_reading()
        sent = Random(seed).randbytes(600_000)
        near.end.write(sent[:400_000])
        near.end.write(sent[400_000:])
        await asyncio.sleep(60)
        assert far.received == b""
        assert near.told == ["pause"]
        far.end.resume_reading()
        await asyncio.sleep(600)
        assert far.received == sent
        assert near.told == ["pause", "resume"]
        assert near.end.get_write_buffer_size() == 0

    played(work, seed)


Ending = Callable[[Side], Awaitable[None] | None]


def resets(side: Side) -> None:
    side.end.lingers = False
    side.end.abort()


@pytest.mark.parametrize(
    "ends,near_is_told,far_is_told,received",
    [
        (lambda side: side.end.write_eof(), [], ["eof"], b"x"),
        (lambda side: side.end.close(), ["closed"], ["eof"], b"x"),
        (lambda side: side.end.abort(), ["closed"], ["eof"], b"x"),
        (resets, ["closed"], ["ConnectionResetError"], b"x"),
        (lambda side: side.end.die(), [], ["eof"], b"x"),
    ],
    ids=["half-close", "close", "abort", "reset", "death"],
)
def test_each_end_is_told_as_a_network_tells_it(
    ends: Ending, near_is_told: list[str], far_is_told: list[str], received: bytes
) -> None:
    async def work(loop: VirtualLoop) -> None:
        near, far = await pair(loop)
        near.end.write(b"x")
        ends(near)
        await asyncio.sleep(5)
        assert (near.told, far.told, far.received) == (near_is_told, far_is_told, received)

    played(work)


def test_whoever_writes_to_one_who_has_gone_is_reset() -> None:
    async def work(loop: VirtualLoop) -> None:
        near, far = await pair(loop)
        far.end.close()
        await asyncio.sleep(1)
        near.end.write(b"late")
        await asyncio.sleep(1)
        assert near.told == ["eof", "ConnectionResetError"]

    played(work)


def test_nobody_listens() -> None:
    async def work(loop: VirtualLoop) -> None:
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(lambda: Side([]), "nowhere", 1)

    played(work)


def test_an_acceptance_is_in_the_name_of_whoever_listens() -> None:
    async def work(loop: VirtualLoop) -> list[object]:
        life = Mortal()
        life.dead, life.tasks = False, []
        told: list[object] = []

        class Asks(Side):
            def data_received(self, data: bytes) -> None:
                told.append(LIFE.get())

        def listens() -> None:
            LIFE.set(life)
            loop.serve(loop.place("gate:1"), lambda: Asks([]))

        contextvars.copy_context().run(listens)
        opened = await loop.create_connection(lambda: Side([]), "gate", 1)
        opened[0].write(b"x")
        await asyncio.sleep(1)
        return [told[0] is life, LIFE.get()]

    assert played(work) == [True, None]


ANSWERS = (
    b"HTTP/1.1 103 Early Hints\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n2\r\n!!\r\n0\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    b"HTTP/1.1 204 No Content\r\n\r\n"
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
)


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_answers_are_read_whatever_pieces_they_come_in(piece: int) -> None:
    methods = ["GET", "HEAD", "DELETE", "GET"]
    reader = AnswerReader(lambda at: methods[at] if at < len(methods) else None)
    for at in range(0, len(ANSWERS), piece):
        reader.feed(ANSWERS[at : at + piece])
    told = [(each.status, bytes(each.body), each.complete, each.last) for each in reader.readings]
    assert told == [
        (200, b"one!!", True, False),
        (200, b"", True, False),
        (204, b"", True, False),
        (404, b"no", True, True),
    ]
    reader.feed(b"HTTP/1.1 200 OK\r\n\r\n")
    assert reader.wrong == "an answer 200 to no request"
