"""Whatever comes in whatever order, and the power with it: what anybody saw is in the journal."""

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from durward.records.lasting import LastingJournal
from durward.records.recovery import Recovery
from durward.records.verify import verify
from tests.faults.ledger import read_ledger
from tests.records.platter import Platter
from tests.records.scribe import Disk, Watch, lines
from tests.records.test_recovery import written_at_once
from tests.records.waiting import World, nothing

DISKS: dict[str, Callable[[Disk, int], None]] = {
    "full": lambda disk, _: setattr(disk, "error", errno.ENOSPC),
    "short": lambda disk, choice: setattr(disk, "bytes_left", choice * 100),
    "reserve fails": lambda disk, _: setattr(disk, "spares_reserve", False),
    "mend": lambda disk, _: disk.mend(),
}
LIKELY = ("begin", "end", "turn", "sync")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [*LIKELY, *LIKELY, *LIKELY, "sync fails", "refuse", "second", "second", "rotate", "power cut", *DISKS]
        ),
        st.integers(0, 9),
    ),
    max_size=60,
)


# What once was wrong: a segment begun with nothing to write, and one begun before the first was on the disk.
@example([("end", 0), ("rotate", 0), ("short", 6), ("second", 0), ("turn", 0), ("sync", 0)])
@example([("begin", 0), ("rotate", 0), ("turn", 0), ("sync", 0)])
@given(STEPS)
def test_after_a_power_cut_at_any_moment_no_call_that_anybody_saw_is_missing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    asyncio.run(_interleaved(tmp_path_factory.mktemp("world"), steps))


async def _interleaved(folder: Path, steps: list[tuple[str, int]]) -> None:
    world = World(folder / "data")
    for _ in range(4):
        world.begin()
    await world.turn()
    for name, choice in [("sync", 0), *steps, ("power cut", 0)]:
        await _step(world, name, choice)
    # And when the power stays: all comes to an end in one whole chain.
    world.disk.mend()
    for _ in range(4):
        await world.turn()
        await world.through_all()
        world.watch.now += 1
        world.journal.tick()
    for opening in list(world.open):
        world.end(opening)
    await world.turn()
    await world.through_all()
    assert not world.tasks
    assert not world.journal.unavailable()
    world.journal.close()
    told = [(str(line["type"]), str(line["id"])) for line in lines(world.journal) if "id" in line]
    world.kinds()
    assert len({*told}) == len(told)
    begun = {call for kind, call in told if kind == "intent"}
    assert begun == {call for kind, call in told if kind in {"settle", "unknown"}}
    assert world.went <= begun
    assert world.seen <= {call for kind, call in told if kind == "settle"}
    assert not world.journal._forgotten
    assert verify(world.data_dir, []).problems == []


async def _step(world: World, name: str, choice: int) -> None:
    if name in DISKS:
        DISKS[name](world.disk, choice)
        return
    if name == "begin":
        world.begin()
    elif name == "end" and world.open:
        world.end(world.open[choice % len(world.open)])
    elif name == "refuse":
        world.refuse()
    elif name == "turn":
        await world.turn()
    elif name.startswith("sync") and world.platter.busy:
        await world.through(errno.EIO if name == "sync fails" else 0)
    elif name == "rotate":
        world.journal._writer.rotate_at = 1
    elif name == "power cut":
        # What is not on the disk by now would reach nobody any more.
        _recovered(world.platter.after_power_loss(world.data_dir), world.watch, world.went, world.seen)
    elif name == "second":
        world.watch.now += 1
        world.journal.tick()


def _recovered(data_dir: Path, watch: Watch, went: set[str], seen: set[str]) -> None:
    """A start over what is left: every call that went upstream is there, ends once, and as its caller saw it."""
    later = Watch(watch.now + 60)
    with_platter = LastingJournal(data_dir, "test", later, nothing)
    platter = with_platter.syncing = Platter(data_dir)

    class Ticking:
        """A journal whose disk answers at once."""

        def tick(self) -> None:
            with_platter.tick()
            platter.finish(1)

    Recovery(with_platter, data_dir, written_at_once(Ticking())).look()  # type: ignore[arg-type]
    with_platter.close()
    ledger = read_ledger(data_dir)
    assert {len(each) for each in (*ledger.intents.values(), *ledger.ends.values())} <= {1}
    assert went <= ledger.intents.keys()
    assert seen <= {call for call, ends in ledger.ends.items() if ends[0]["type"] == "settle"}
    assert ledger.intents.keys() == ledger.ends.keys()
    assert verify(data_dir, []).problems == []
