"""One seed, one world: the real gate among callers and upstreams, from its first call to the last line of its journal."""

import asyncio
import shutil
import traceback
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from typing import Any

from durward.records import layout
from tests.simulation import audit
from tests.simulation.caller import Caller
from tests.simulation.disk import NOTHING, Disk, SeededSync
from tests.simulation.life import Life
from tests.simulation.loop import LIFE, Stuck, VirtualLoop, run
from tests.simulation.scenario import Event, Scenario, draw
from tests.simulation.traffic import settings_of
from tests.simulation.truth import Truth
from tests.simulation.upstream import Upstreams

MENDING_SECONDS = 60.0
"""How long an orderly gate takes at most to look after those that died."""
HANGING_SECONDS = 500.0


class World:
    """Everything there is."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.folder = folder
        """The data folder, with `state.db` and the journal's keys in it."""
        self.dice = dice = Random(seed)
        self.scenario: Scenario = draw(dice)
        self.loop = VirtualLoop(dice)
        self.truth = Truth(self.loop.time)
        self.lives: list[Life] = []
        self.truth.troubled = bool(self.scenario.troubles)
        self.truth.lasting = self.scenario.lasting
        self.disk = Disk(self.truth, dice, self.scenario.troubles, self.scenario.lasting)
        self.listener = self.loop.place("gate:7300")

    def play(self) -> Truth:
        """See it through; what was wrong is told by `violations`."""
        try:
            run(self.loop, self._play())
        except Stuck as stuck:
            self.truth.violate("end", str(stuck))
            for fault in self.loop.faults:
                self.truth.violate(
                    "bug", "".join(traceback.format_exception(fault)) if isinstance(fault, BaseException) else fault
                )
        return self.truth

    async def _play(self) -> None:
        loop, scenario = self.loop, self.scenario
        Upstreams(loop, self.truth, self.dice)
        self._make_moody()
        await self._begin(scenario.letter, scenario.last_write)
        callers = [Caller(loop, self.truth, self.dice, script) for script in scenario.scripts]
        for script in scenario.scripts:
            self.truth.calls |= {asked.call.trace: asked.call for asked in script}
        talks = [loop.create_task(caller.talk()) for caller in callers]
        fate = loop.create_task(self._befall(scenario.events))
        await asyncio.gather(*talks, fate)
        await self._finish()
        audit.check(self)

    def _make_moody(self) -> None:
        """Some connections to upstreams are refused, some never open."""
        dice, scenario = self.dice, self.scenario

        def mood() -> float:
            drawn = dice.random()
            if drawn < scenario.refused:
                raise ConnectionRefusedError(111, "Connection refused")
            return HANGING_SECONDS if drawn < scenario.refused + scenario.hangs else 0.0

        self.loop.forgets = scenario.refused / 2
        for listener in self.loop.places():
            if listener is not self.listener:
                listener.mood = mood

    # The gate's lives.

    @property
    def serving(self) -> Life:
        """The life that takes new connections now, or did last."""
        return self.lives[-1]

    async def _begin(self, letter: str, last_write: int) -> Life:
        life = Life(self.loop, self.truth, f"gate {len(self.lives) + 1}", letter)
        life.writes_left = last_write
        self.lives.append(life)
        machine = life.machine(self.dice)._replace(
            write=self.disk.writing(life), syncing=lambda: SeededSync(self.disk, self.loop, self.dice)
        )
        settings = settings_of(letter, str(self.folder), self.scenario.timeouts, self.scenario.lasting)
        task = self.loop.create_task(life.run(settings, machine, self.listener))
        life.tasks.append(task)
        task.add_done_callback(self._ended)
        await either(life.started.wait(), life.over.wait())
        return life

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def _befall(self, events: list[Event]) -> None:
        for event in events:
            await asyncio.sleep(max(0.0, event.at - self.loop.time()))
            await self._revive(event)
            await self._happen(event)
        # A life that dies later, of its last write, is followed by another as well.
        for _ in range(3):
            await asyncio.sleep(1.0)
            if self.serving.dead:
                await self._revive(Event(0.0, "", self.serving.letters[-1][1]))

    async def _happen(self, event: Event) -> None:
        life, loop = self.serving, self.loop
        self.truth.note(f"event: {event}")
        if event.kind == "reload":
            for each in [each for each in self.lives if not (each.dead or each.drain.is_set())]:
                settings = settings_of(event.letter, str(self.folder), self.scenario.timeouts, self.scenario.lasting)
                change = loop.create_task(each.change(settings, event.letter))
                each.tasks.append(change)
                await either(asyncio.wait({change}), each.over.wait())
        elif event.kind == "beside":
            await self._begin(life.letters[-1][1], event_last(event, self.dice))
        elif event.kind == "crash":
            life.die()
            await life.over.wait()
            await asyncio.sleep(event.pause)
            await self._revive(event)
        else:
            life.seconds = event.seconds
            if event.kind == "hand over":
                life.succeeded = True
                await self._begin(event.letter, event_last(event, self.dice))
            life.drain.set()
            if event.kind == "restart":
                await life.over.wait()
                await asyncio.sleep(event.pause)
                await self._begin(event.letter, event_last(event, self.dice))

    async def _revive(self, event: Event) -> None:
        """Where the last life is dead, the next one begins."""
        while self.serving.dead:
            await self.serving.over.wait()
            life = await self._begin(event.letter, event_last(event, self.dice))
            if not event.mends:
                life.die_mending(self.dice.randint(1, 3))
                event = event._replace(mends=True)

    async def _finish(self) -> None:
        """Drain every life that is left, and have those that died looked after."""
        for life in self.lives:
            if not life.dead:
                life.seconds = 1.0
                life.drain.set()
            await life.over.wait()
        while self._is_broken():
            life = await self._begin(self.scenario.letter, NOTHING)
            for _ in range(int(MENDING_SECONDS)):
                await asyncio.sleep(1.0)
                if not self._is_broken(but=life):
                    break
            else:
                self.truth.violate("mended", f"{life.name} has not looked after those before it")
                return
            life.drain.set()
            await life.over.wait()
        # What was about to be told to those who are gone.
        await asyncio.sleep(1.0)

    def _is_broken(self, but: Life | None = None) -> bool:
        """Whether a writer that died has not been looked after."""
        return any(
            not ((writer / layout.RECOVERED).exists() or is_closed(writer))
            for writer in layout.writers(self.folder / layout.JOURNAL)
            if but is None or writer.name != but.writer
        )

    def left_tasks(self) -> list[asyncio.Task[Any]]:
        """What still runs and should not."""
        return [task for task in asyncio.all_tasks(self.loop) if task is not asyncio.current_task()]

    def left_timers(self) -> list[asyncio.TimerHandle]:
        """Timers of lives that are over."""
        return [
            timer
            for timer in self.loop._scheduled  # type: ignore[attr-defined]
            if not timer.cancelled() and timer._context.get(LIFE) is not None
        ]


def event_last(event: Event, dice: Random) -> int:
    """The last write of the life that follows an event: hardly ever is there one."""
    return dice.randint(2, 20) if event.kind and dice.random() < 0.05 else NOTHING


async def either(*waits: Coroutine[Any, Any, Any]) -> None:
    """Until one of them is done."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def is_closed(writer: Path) -> bool:
    """Whether a writer ended in order: its last line says so."""
    numbers = layout.segments(writer)
    return bool(numbers) and b'"type":"close"' in layout.segment(writer, numbers[-1]).read_bytes().rpartition(b"\n{")[2]


def make_folder(folder: Path) -> None:
    """What every data folder of a world begins with: made once, since keys and databases take their time."""
    from durward.records.heads import load_signer
    from durward.storage.state import State

    folder.mkdir(parents=True)
    load_signer(folder)
    State(folder / "state.db").close()


def play(seed: int, template: Path, place: Path) -> World:
    """One world, in a folder of its own that is gone afterwards."""
    shutil.copytree(template, place)
    try:
        world = World(seed, place)
        world.play()
        return world
    finally:
        shutil.rmtree(place)
