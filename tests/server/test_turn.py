"""Writes wait for the end of the turn, leave in order, and are never overtaken by a close."""

import asyncio
from typing import Any, cast

import pytest

from durward.calls.errors import GateError
from durward.records.pending import ALL_KEPT, Kept
from durward.server.turn import HELD_BYTES, Turn


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

    def get_protocol(self) -> "Wire":
        return self

    def fail(self, error: GateError) -> None:
        self._notes.append(f"{self._name} failed: {error.reason}")
        self.closing = True

    def get_extra_info(self, name: str, default: object = None) -> str:
        return name


def wires(*names: str) -> tuple[list[str], list[Any]]:
    notes: list[str] = []
    turn = Turn()
    return notes, [turn.callers(cast(asyncio.Transport, Wire(notes, name))) for name in names]


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
    turn.callers(cast(asyncio.Transport, gone)).writelines(pieces)
    turn.callers(cast(asyncio.Transport, stays)).write(b"x")
    gone.closing = True
    told = exceptions_of_the_loop()
    await asyncio.sleep(0)
    assert notes == ["stays: x"]
    assert told == []


class Broken(Wire):
    """A transport with a bug."""

    def write(self, data: bytes) -> None:
        raise RuntimeError("a bug")


async def test_a_write_that_fails_is_told_and_loses_nobody_elses() -> None:
    turn = Turn()
    notes: list[str] = []
    turn.callers(cast(asyncio.Transport, Broken(notes, "broken"))).write(b"a")
    turn.callers(cast(asyncio.Transport, Wire(notes, "mine"))).write(b"b")
    told = exceptions_of_the_loop()
    await asyncio.sleep(0)
    assert notes == ["mine: b"]
    assert [str(each["exception"]) for each in told] == ["a bug"]


class Ledger:
    """A journal that notes when it commits, and keeps what it is told to."""

    def __init__(self, notes: list[str], kept: Kept = ALL_KEPT) -> None:
        self._notes = notes
        self._kept = kept

    def commit(self) -> Kept:
        self._notes.append("kept")
        return self._kept


def guarded(kept: Kept) -> tuple[list[str], Any, Any]:
    notes: list[str] = []
    turn = Turn()
    turn.guard(Ledger(notes, kept).commit)
    caller = turn.callers(cast(asyncio.Transport, Wire(notes, "caller")))
    return notes, caller, turn.upstreams(cast(asyncio.Transport, Wire(notes, "upstream")))


async def test_the_journals_lines_come_first() -> None:
    notes, caller, upstream = guarded(ALL_KEPT)
    upstream.write(b"a")
    caller.write(b"b")
    await asyncio.sleep(0)
    assert notes == ["kept", "upstream: a", "caller: b"]


@pytest.mark.parametrize("early", ["close", "write_eof", "large"])
async def test_they_come_first_also_where_a_write_cannot_wait_for_the_turns_end(early: str) -> None:
    notes, caller, _ = guarded(ALL_KEPT)
    if early == "large":
        caller.write(b"x" * (HELD_BYTES + 1))
    else:
        caller.write(b"x")
        getattr(caller, early)()
    assert notes[0] == "kept"
    assert notes[1].startswith("caller: x")


async def test_a_beginning_that_is_in_no_file_reaches_no_upstream() -> None:
    notes, caller, upstream = guarded(Kept(beginnings=False, ends=True))
    upstream.write(b"a")
    caller.write(b"b")
    await asyncio.sleep(0)
    assert notes == ["kept", "upstream failed: journal_unavailable", "caller: b"]


async def test_an_end_that_is_in_no_file_reaches_no_caller() -> None:
    notes, caller, upstream = guarded(Kept(beginnings=True, ends=False))
    upstream.write(b"a")
    caller.write(b"b")
    await asyncio.sleep(0)
    assert notes == ["kept", "caller aborted", "upstream: a"]


async def test_a_line_alone_makes_an_end_of_the_turn() -> None:
    notes: list[str] = []
    turn = Turn()
    turn.guard(Ledger(notes).commit)
    turn.schedule()
    turn.schedule()
    await asyncio.sleep(0)
    assert notes == ["kept"]


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
        one.write(bytes(HELD_BYTES // 8))
    assert len(notes) == 2
    await asyncio.sleep(0)
    assert len(notes) == 3


async def test_what_hangs_on_no_line_is_written_at_once_but_never_before_what_waits() -> None:
    notes, (one, other) = wires("one", "other")
    one.pass_on(b"a")
    other.write(b"b")
    other.pass_on(b"c")
    assert notes == ["one: a"]
    await asyncio.sleep(0)
    assert notes == ["one: a", "other: bc"]


async def test_nothing_passes_on_to_a_transport_that_closes() -> None:
    notes, (one,) = wires("one")
    one.abort()
    one.pass_on(b"a")
    assert notes == ["one aborted"]
