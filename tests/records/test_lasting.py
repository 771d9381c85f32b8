"""Lines that outlive the machine: nothing that hangs on a line leaves before its sync, whatever the disk does meanwhile."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from durward.calls.record import Closing
from durward.records import layout
from durward.records.lasting import STALL_SECONDS
from durward.records.verify import verify
from tests.records.scribe import lines
from tests.records.waiting import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "data")


async def test_nothing_leaves_before_its_sync(world: World) -> None:
    opening = world.begin()
    await world.turn()
    assert (world.kinds(), world.went) == (["open", "intent"], set())
    await world.through()
    assert world.went == {opening.id}
    world.end(opening)
    await world.turn()
    assert (world.kinds(), world.seen) == (["open", "intent", "settle"], set())
    await world.through()
    assert world.seen == {opening.id}


async def test_what_comes_while_the_disk_works_is_one_batch(world: World) -> None:
    first = world.begin()
    await world.turn()
    others = [world.begin() for _ in range(5)]
    await world.turn()
    others += [world.begin() for _ in range(5)]
    await world.turn()
    assert world.platter.notes == ["start"]
    assert world.kinds() == ["open", "intent"], "nothing is written to a file whose sync is under way"
    await world.through()
    assert world.went == {first.id}
    await world.through()
    assert world.went == {first.id, *(each.id for each in others)}
    assert world.platter.notes == ["start", "through"] * 2


async def test_a_call_that_is_cancelled_while_it_waits_is_ended_and_holds_up_nobody(world: World) -> None:
    gone = world.calls.opening()
    world.journal.intent(gone)
    waits = asyncio.ensure_future(world._wait(gone.id))
    stays = world.begin()
    await world.turn()
    waits.cancel()
    await world.turn()
    world.journal.settle(Closing(gone.id, "failed", reason="caller_gone"))
    await world.through()
    await world.through()
    assert waits.cancelled()
    assert world.went == {stays.id}
    assert [line.get("id") for line in lines(world.journal)] == [None, gone.id, stays.id, gone.id]


async def test_who_has_no_line_does_not_wait(world: World) -> None:
    await world._wait("a call that never was")
    opening = world.begin()
    await world.turn()
    await world.through()
    await world._wait(opening.id)


async def test_a_batch_that_does_not_get_onto_the_disk_is_taken_back_and_another_file_begun(world: World) -> None:
    kept = world.begin()
    await world.turn()
    await world.through()
    lost = world.begin()
    world.end(kept)
    await world.turn()
    assert world.kinds() == ["open", "intent", "intent", "settle"]
    await world.through(errno.EIO)
    assert world.kinds() == ["open", "intent"]
    assert world.refused == {lost.id}
    assert "could not be brought onto the disk (Input/output error)" in world.journal.failure
    # The end lies in the reserve; its caller has it once that is on the disk.
    assert world.seen == set()
    await world.through()
    assert world.seen == {kept.id}
    world.watch.now += 1
    assert world.journal.unavailable(), "the proof is under way"
    await world.through()
    assert not world.journal.unavailable()
    assert world.journal.writer is not None
    assert layout.segments(world.journal.writer) == [1, 2]
    assert world.kinds() == ["open", "intent", "settle", "open"]
    after = world.begin()
    await world.turn()
    await world.through()
    assert after.id in world.went


async def test_as_long_as_the_proof_fails_nothing_is_taken(world: World) -> None:
    kept = world.begin()
    await world.turn()
    await world.through()
    world.end(kept)
    await world.turn()
    await world.through(errno.EIO)
    await world.through()
    for _ in range(3):
        world.watch.now += 1
        assert world.journal.unavailable()
        await world.through(errno.EIO)
        assert world.journal.unavailable()
        assert world.kinds() == ["open", "intent"]
    world.watch.now += 1
    assert world.journal.unavailable()
    await world.through()
    assert world.kinds() == ["open", "intent", "settle", "open"]
    assert verify(world.data_dir, []).problems == []


async def test_an_end_that_not_even_the_reserve_brings_onto_the_disk_reaches_no_caller(world: World) -> None:
    opening = world.begin()
    await world.turn()
    await world.through()
    world.end(opening)
    await world.turn()
    await world.through(errno.EIO)
    await world.through(errno.EIO)
    assert world.seen == set()
    assert not world.tasks


async def test_a_disk_that_does_not_answer_is_waited_for_so_long_and_no_longer(world: World) -> None:
    caught = world.begin()
    await world.turn()
    behind = world.begin()
    await world.turn()
    world.watch.now += STALL_SECONDS - 1
    world.journal.tick()
    await world.turn()
    assert world.refused == set()
    world.watch.now += 1
    world.journal.tick()
    await world.turn()
    assert world.refused == {caught.id, behind.id}
    assert world.journal.unavailable()
    late = world.begin()
    await world.turn()
    assert late.id in world.refused
    assert world.kinds() == ["open", "intent"]
    # It answers after all: nothing was lost, and those that were told no have their end.
    await world.through()
    assert not world.journal.unavailable()
    await world.through_all()
    assert world.kinds() == ["open", "intent", "intent", "settle", "settle"]


async def test_an_end_does_not_wait_for_a_disk_that_does_not_answer(world: World) -> None:
    opening = world.begin()
    await world.turn()
    await world.through()
    world.begin()
    await world.turn()
    world.watch.now += STALL_SECONDS
    world.journal.tick()
    world.end(opening)
    await world.turn()
    assert not world.tasks
    assert world.seen == set()
    await world.through()
    await world.through_all()
    assert world.kinds().count("settle") == 2


async def test_a_full_disk_settles_aside_and_onto_the_disk(world: World) -> None:
    opening = world.begin()
    await world.turn()
    await world.through()
    world.disk.error = errno.ENOSPC
    new = world.begin()
    world.end(opening)
    await world.turn()
    assert (world.refused, world.seen) == ({new.id}, set())
    await world.through()
    assert world.seen == {opening.id}
    world.disk.mend()
    world.watch.now += 1
    assert world.journal.unavailable()
    await world.through()
    assert not world.journal.unavailable()
    assert world.kinds() == ["open", "intent", "settle"]


async def test_what_was_set_aside_is_brought_in_once(world: World) -> None:
    openings = [world.begin() for _ in range(4)]
    await world.turn()
    await world.through()
    for opening in openings[:3]:
        world.disk.error = errno.ENOSPC
        world.disk.spares_reserve = opening is not openings[1]
        world.end(opening)
        await world.turn()
        await world.through_all()
        world.disk.mend()
        world.watch.now += 1
        world.journal.unavailable()
        await world.through_all()
        assert not world.journal.unavailable()
    assert world.seen == {openings[0].id, openings[2].id}
    assert world.kinds() == ["open", *["intent"] * 4, "settle", "unknown", "settle"]


async def test_a_file_that_cannot_even_be_cut_keeps_its_lines_and_nobody_relies_on_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = world.begin()
    await world.turn()
    await world.through()
    world.end(opening)
    new = world.begin()
    await world.turn()

    def fails(fd: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", fails)
        await world.through(errno.EIO)
    assert (world.seen, world.refused) == (set(), {new.id})
    await world.through_all()
    world.watch.now += 1
    world.journal.unavailable()
    await world.through_all()
    assert not world.journal.unavailable()
    assert verify(world.data_dir, []).problems == []
    assert world.kinds() == ["open", "intent", "settle", "intent", "settle", "open"]


async def test_lines_that_others_post_count_once_they_are_on_the_disk(world: World) -> None:
    posted = world.journal.post([(b"unknown", b'"id":"%d"' % number) for number in range(3)])
    world.journal.tick()
    assert not posted.written.is_set()
    await world.through(errno.EIO)
    world.watch.now += 1
    world.journal.tick()
    await world.through()
    assert not posted.written.is_set()
    world.journal.tick()
    await world.through()
    assert posted.written.is_set()
    assert world.kinds() == ["open", "unknown", "unknown", "unknown"]


@pytest.mark.parametrize("fails", [False, True])
async def test_the_last_lines_are_on_the_disk_when_it_closes(world: World, fails: bool) -> None:
    opening = world.begin()
    await world.turn()
    await world.through()
    world.end(opening)
    await asyncio.sleep(0)
    world.platter.fails = fails
    world.journal.close()
    await asyncio.sleep(0)
    assert not world.platter.busy
    assert world.journal.writer is not None
    assert (world.journal.writer / layout.RESERVE).exists() is fails
    if not fails:
        assert world.kinds() == ["open", "intent", "settle", "close"]
        assert world.seen == {opening.id}


async def test_a_disk_that_never_answers_does_not_keep_it_from_closing(world: World) -> None:
    world.begin()
    await world.turn()
    world.platter.stuck = True
    world.journal.close()
    assert world.platter.notes[-1] == "close"
    assert world.kinds() == ["open", "intent"]
    for task in world.tasks:
        task.cancel()


async def test_a_new_segment_is_entered_in_its_folder_before_anything_in_it_counts(world: World) -> None:
    opening = world.begin()
    await world.turn()
    await world.through()
    world.journal._writer.rotate_at = 1
    world.end(opening)
    await world.turn()
    await world.through()
    after = world.platter.after_power_loss(world.data_dir)
    assert world.journal.writer is not None
    assert (after / "journal" / world.journal.writer.name / "2.jsonl").read_bytes().count(b'"type":"settle"') == 1
    # The next one fails before it is on the disk, and is made again.
    world.journal._writer.rotate_at = 1
    again = world.begin()
    await world.turn()
    assert layout.segments(world.journal.writer) == [1, 2, 3]
    await world.through(errno.EIO)
    assert layout.segments(world.journal.writer) == [1, 2]
    world.watch.now += 1
    world.journal.unavailable()
    await world.through()
    assert again.id in world.refused
    assert layout.segments(world.journal.writer) == [1, 2, 3]
    assert world.kinds() == ["open", "intent", "open", "settle", "open"]
    assert verify(world.data_dir, []).problems == []


async def test_a_disk_that_fails_from_the_beginning_is_begun_on_later(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    world.begin()
    await world.turn()
    await world.through(errno.EIO)
    assert world.journal.writer is not None
    assert layout.segments(world.journal.writer) == []
    world.watch.now += 1
    world.journal.unavailable()
    await world.through()
    assert world.kinds() == ["open"]
    assert verify(world.data_dir, []).problems == []
