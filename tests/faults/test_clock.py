"""Clocks that jump a day: no call notices, ids stay unique, records whole; only what is said in wall time moves with it."""

import asyncio
from pathlib import Path

import pytest

from durward.records.index import Indexer
from durward.records.journal import FileJournal
from durward.records.queries import Index, Wanted
from durward.server.clock import SystemClock
from tests.faults.caller import PLAIN, STREAMS, Caller
from tests.faults.held import Held
from tests.faults.inside import READY, asked, gate_inside
from tests.faults.ledger import open_calls, problems, read_ledger, wrongs
from tests.faults.load import Load
from tests.faults.place import until
from tests.faults.provider import providing
from tests.records.scribe import BEGIN, Calls, Watch, after_death
from tests.records.test_recovery import recover

DAY = 86_400.0


class Jumping(SystemClock):
    """The system's clock, whose wall time a test moves; monotonic time is what it is."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def listed(data_dir: Path) -> list[str]:
    indexer = Indexer(data_dir)
    while indexer.step():
        pass
    indexer.close()
    index = Index(data_dir)
    try:
        return [record.id for record in index.calls(Wanted())]
    finally:
        index.close()


@pytest.mark.parametrize("jumps", [(DAY, 0.0), (-DAY, 0.0), (DAY, -DAY)])
async def test_calls_go_on_through_every_jump_and_all_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jumps: tuple[float, ...]
) -> None:
    monkeypatch.setattr("durward.server.gate.BEAT_SECONDS", 0.05)
    monkeypatch.setattr(Jumping, "ahead", 0.0)
    data_dir = tmp_path / ".durward"
    async with providing() as provider, gate_inside(tmp_path, provider, monkeypatch, clock=Jumping()) as (port, _):
        held = Held(port, provider)
        await held.begin_all()
        idle = Caller(port)
        assert (await idle.call(PLAIN[0])).status == 200
        load = Load(port, 7)
        async with load.running():
            for jump in jumps:
                await load.steps(30)
                monkeypatch.setattr(Jumping, "ahead", jump)
                assert (await idle.call(STREAMS[0])).complete, "a connection that idles is not taken for old"
                assert (await asked(port, READY)).status == 200
            await load.steps(30)
        provider.let.set()
        assert await held.read() == [True] * 8, "a call that began before ends as if nothing had been"
        await idle.close()
        assert load.cut == 0
        assert {answer.status for _, answer in load.answers} == {200}
        await until(lambda: not open_calls(read_ledger(data_dir)), "the end of every call")
        ledger = read_ledger(data_dir)
        assert wrongs(ledger, [*held.seen(), *load.seen()], [a.trace for a in provider.arrivals if a.trace]) == []
        assert all(0 <= end["duration_ms"] < 60_000 for (end,) in ledger.ends.values())
        assert sorted(await asyncio.to_thread(listed, data_dir)) == sorted(ledger.ends)
    assert problems(data_dir) == []


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_gate_that_starts_on_another_day_ends_what_the_last_one_left(tmp_path: Path, jump: float) -> None:
    (tmp_path / "data").mkdir()
    calls = Calls()
    died = FileJournal(tmp_path / "data", "test", Watch())
    openings = [calls.opening() for _ in range(3)]
    for opening in openings:
        died.intent(opening)
    died.settle(calls.closing(openings[0]))
    found = after_death(tmp_path / "data")
    died.close()
    recover(found, Watch(BEGIN + jump))
    ledger = read_ledger(found)
    assert open_calls(ledger) == []
    assert [ledger.ends[opening.id][0]["type"] for opening in openings] == ["settle", "unknown", "unknown"]
    assert sorted(listed(found)) == sorted(opening.id for opening in openings)
    recover(found, Watch(BEGIN))
    assert len(read_ledger(found).ends) == 3
    assert problems(found) == []
