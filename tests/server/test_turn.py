"""Writes wait for the end of the turn, leave in order, and are never overtaken by a close."""

import asyncio
from typing import Any, cast

import pytest

from durward.server.turn import Turn


class Wire:
    """A transport that notes what is asked of it."""

    def __init__(self, notes: list[str], name: str) -> None:
        self._notes = notes
        self._name = name
        self.closing = False

    def write(self, data: bytes) -> None:
        if self.closing:
            raise RuntimeError(f"{self._name} is closed")  # As uvloop's does.
        self._notes.append(f"{self._name}: {data.decode()}")

    def writelines(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def close(self) -> None:
        self._notes.append(f"{self._name} closed")

    def abort(self) -> None:
        self._notes.append(f"{self._name} aborted")
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def write_eof(self) -> None:
        self._notes.append(f"{self._name} ended")

    def get_write_buffer_size(self) -> int:
        return 100

    def get_extra_info(self, name: str) -> str:
        return name


def wires(*names: str) -> tuple[list[str], list[Any]]:
    notes: list[str] = []
    turn = Turn()
    return notes, [turn.batch(cast(asyncio.Transport, Wire(notes, name))) for name in names]


async def test_what_is_written_in_one_turn_leaves_at_its_end_each_sockets_pieces_as_one() -> None:
    notes, (one, two) = wires("one", "two")
    one.write(b"a")
    two.write(b"x")
    one.writelines((b"b", b"c"))
    assert notes == []
    await asyncio.sleep(0)
    assert notes == ["one: abc", "two: x"]
    two.write(b"y")
    await asyncio.sleep(0)
    assert notes == ["one: abc", "two: x", "two: y"]


async def test_a_close_comes_behind_what_was_written_and_only_once_is_it_written() -> None:
    notes, (one, two) = wires("one", "two")
    one.write(b"last")
    one.close()
    two.write(b"last")
    two.write_eof()
    await asyncio.sleep(0)
    assert notes == ["one: last", "one closed", "two: last", "two ended"]


async def test_an_abort_loses_what_has_not_left() -> None:
    notes, (one,) = wires("one")
    one.write(b"a")
    one.write(b"b")
    one.abort()
    await asyncio.sleep(0)
    assert notes == ["one aborted"]


@pytest.mark.parametrize("pieces", [(b"a",), (b"a", b"b")])
async def test_a_transport_that_was_closed_meanwhile_takes_nothing_and_the_others_get_theirs(
    pieces: tuple[bytes, ...],
) -> None:
    notes: list[str] = []
    turn = Turn()
    gone, stays = Wire(notes, "gone"), Wire(notes, "stays")
    turn.batch(cast(asyncio.Transport, gone)).writelines(pieces)
    turn.batch(cast(asyncio.Transport, stays)).write(b"x")
    gone.closing = True
    told = exceptions_of_the_loop()
    await asyncio.sleep(0)
    assert notes == ["stays: x"]
    assert told == []


async def test_a_write_that_fails_is_told_and_loses_nobody_elses() -> None:
    turn = Turn()
    left: list[str] = []

    def fails() -> None:
        raise RuntimeError("a bug")

    turn.later(fails)
    turn.later(lambda: left.append("mine"))
    told = exceptions_of_the_loop()
    await asyncio.sleep(0)
    assert left == ["mine"]
    assert [str(each["exception"]) for each in told] == ["a bug"]


def exceptions_of_the_loop() -> list[dict[str, Any]]:
    """What the running loop is told of errors, from now on."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, facts: told.append(facts))
    return told


async def test_what_waits_counts_as_not_left() -> None:
    _, (one,) = wires("one")
    one.write(b"12345")
    assert one.get_write_buffer_size() == 105
    await asyncio.sleep(0)
    assert one.get_write_buffer_size() == 100


async def test_everything_else_is_the_transports_own() -> None:
    _, (one,) = wires("one")
    assert one.get_extra_info("peername") == "peername"


async def test_a_writer_that_never_waits_is_held_up_by_its_transport_not_by_memory() -> None:
    notes, (one,) = wires("one")
    for _ in range(20):
        one.write(bytes(10_000))
    assert len(notes) == 2
    await asyncio.sleep(0)
    assert len(notes) == 3
