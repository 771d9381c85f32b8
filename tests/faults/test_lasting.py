"""`durability: disk`, over the real gate: what left it is on the disk, and a disk that fails or does not answer holds up nobody else."""

import asyncio
import shutil
from pathlib import Path

import pytest

from durward.records import layout
from tests.faults.caller import CHAT, PLAIN, STREAM, STREAMS, Answer, Ask, Caller, trace_of
from tests.faults.held import Held
from tests.faults.inside import READY, Platter, asked, gate_inside, refused_in_every_wire, until_status
from tests.faults.ledger import open_calls, problems, read_ledger, wrongs
from tests.faults.load import Load
from tests.faults.place import durward, killed, until
from tests.faults.provider import Arrival, Provider, events, providing
from tests.faults.test_kill import settled
from tests.records.scribe import Watch
from tests.records.test_recovery import recover

SEED = 20_261
HEALTH = Ask("health", "/healthz", None, method="GET")


class Strict(Provider):
    """A provider that notes which requests came before their intent was on the disk."""

    def __init__(self, platter: Platter) -> None:
        super().__init__()
        self.early: list[str] = []
        self.platter = platter

    def arrived(self, arrival: Arrival) -> None:
        held = b"".join(list(self.platter.held.values()))
        if f'"trace":"{arrival.trace}"'.encode() not in held:
            self.early.append(arrival.trace)
        super().arrived(arrival)


async def test_nothing_goes_up_before_its_intent_and_nothing_ends_before_its_end_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platter = Platter()
    provider = Strict(platter)

    async def ask(number: int) -> None:
        caller = Caller(port)
        for turn in range(4):
            answer = await caller.call((*PLAIN, *STREAMS)[number], trace_of(number * 10 + turn))
            assert answer.complete
            assert platter.says("settle", answer.call)
        await caller.close()

    async with providing(provider=provider), gate_inside(tmp_path, provider, monkeypatch, platter) as (port, _):
        await asyncio.gather(*map(ask, range(8)))
        refused = await asked(port, CHAT._replace(body={"model": "forbidden", "messages": []}))
        assert refused.status == 403
        assert platter.says("refused", refused.call)
        assert (await asked(port, Ask("list", "/v1/models", None, method="GET"))).status == 200
        assert set(provider.early) <= {""}, "model lists have no trace"
        assert len(provider.arrivals) >= 32
        assert platter.syncs < 2 * 34, "calls that come together share a sync"
    assert problems(tmp_path / ".durward") == []


@pytest.mark.parametrize("fails", [1, 9])
async def test_a_disk_that_fails_once_refuses_for_a_moment_and_nobody_has_what_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    platter = Platter()
    async with providing() as provider:
        async with gate_inside(tmp_path, provider, monkeypatch, platter) as (port, _):
            load = Load(port, SEED)
            async with load.running():
                await load.steps(20)
                platter.failing = fails
                await load.steps(60)
                await until(lambda: not platter.failing, "the last failure")
                await until_status(port, READY, 200)
                await load.steps(20)
            statuses = {answer.status for _, answer in load.answers}
            assert statuses - {503} == {200}
            await until(lambda: not open_calls(read_ledger(tmp_path / ".durward")), "the end of every call")
            arrived = [arrival.trace for arrival in provider.arrivals]
            assert wrongs(read_ledger(tmp_path / ".durward"), load.seen(), arrived) == []
        assert problems(tmp_path / ".durward") == []


async def test_a_disk_that_does_not_answer_holds_up_only_what_hangs_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platter = Platter()
    async with providing() as provider, gate_inside(tmp_path, provider, monkeypatch, platter) as (port, _):
        streaming = Caller(port)
        answer = Answer(STREAM)
        await streaming.begin(STREAM, trace_of(0), "X-Manner: held-inside\r\n")
        first, *_, last = events(provider.of(trace_of(0)) if provider.arrivals else await _arrival(provider))
        await streaming.read(answer, enough=first)
        platter.let.clear()
        waits = asyncio.ensure_future(asked(port, CHAT))
        # Streams go on, all but their ends; who asks for nothing that is recorded is answered.
        provider.let.set()
        await streaming.read(answer, enough=b'"finish_reason":"stop"')
        assert last not in answer.body
        assert (await asked(port, HEALTH)).status == 200
        assert (await asked(port, READY)).status == 200
        assert not waits.done()
        platter.let.set()
        await streaming.read(answer)
        assert answer.complete
        assert (await waits).status == 200
        await streaming.close()


async def _arrival(provider: Provider) -> Arrival:
    await provider.has(1)
    return provider.arrivals[0]


async def test_who_has_waited_long_enough_is_told_and_readiness_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durward.records.lasting.STALL_SECONDS", 0.05)
    monkeypatch.setattr("durward.server.gate.BEAT_SECONDS", 0.02)
    platter = Platter()
    async with providing() as provider:
        async with gate_inside(tmp_path, provider, monkeypatch, platter) as (port, _):
            calls = Held(port, provider)
            await calls.begin_all()
            platter.let.clear()
            await refused_in_every_wire(port)
            provider.let.set()
            # Their ends cannot be kept in time: what has begun is cut, or ends in an error.
            assert await calls.read() == [False] * 8
            platter.let.set()
            await until_status(port, READY, 200)
            assert (await asked(port, STREAM)).complete
            await until(lambda: not open_calls(read_ledger(tmp_path / ".durward")), "the end of every call")
            traces = [arrival.trace for arrival in provider.arrivals if arrival.trace]
            assert wrongs(read_ledger(tmp_path / ".durward"), calls.seen(), traces) == []
        assert problems(tmp_path / ".durward") == []


async def test_a_gate_whose_disk_never_answers_ends_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durward.records.lasting.STALL_SECONDS", 0.05)
    platter = Platter()
    async with providing() as provider:
        async with gate_inside(tmp_path, provider, monkeypatch, platter) as (port, _):
            assert (await asked(port, CHAT)).status == 200
            platter.let.clear()
            waits = asyncio.ensure_future(asked(port, CHAT))
            await until(lambda: len(read_ledger(tmp_path / ".durward").intents) == 2, "the intent")
        assert (await waits).status != 200
        platter.let.set()
    recover(tmp_path / ".durward", Watch())
    assert problems(tmp_path / ".durward") == []


async def test_after_a_power_cut_under_load_no_call_that_a_caller_saw_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platter = Platter()
    data_dir = tmp_path / ".durward"
    cuts = []
    async with providing() as provider, gate_inside(tmp_path, provider, monkeypatch, platter) as (port, _):
        load = Load(port, SEED)
        async with load.running():
            for number in range(12):
                await load.steps(7 + number)
                seen, arrived = load.seen(), [arrival.trace for arrival in provider.arrivals]
                cuts.append((_power_cut(data_dir, platter, tmp_path / f"cut-{number}"), seen, arrived))
    for found, seen, arrived in cuts:
        recover(found, Watch(1_900_000_000.0))
        ledger = read_ledger(found)
        assert wrongs(ledger, seen, arrived) == []
        assert open_calls(ledger) == []
        assert problems(found) == []
    assert len(cuts[-1][1]) > 100


def _power_cut(data_dir: Path, platter: Platter, found: Path) -> Path:
    """The journal as it is found after the power went: of each file what was brought onto the disk."""
    held = dict(platter.held)
    for writer in layout.writers(data_dir / layout.JOURNAL):
        copy = found / layout.JOURNAL / writer.name
        copy.mkdir(parents=True)
        (copy / layout.LOCK).touch()
        for number in layout.segments(writer):
            path = layout.segment(writer, number)
            (copy / path.name).write_bytes(held.get(path.stat().st_ino, b""))
    for name in ("journal.key", "journal.pub"):
        shutil.copy(data_dir / name, found / name)
    return found


async def test_a_gate_that_is_killed_loses_and_doubles_nothing_here_either(tmp_path: Path) -> None:
    async with durward(tmp_path, SEED, durability="disk") as (running, provider):
        load = Load(running.port, SEED)
        async with load.running():
            await load.steps(60)
            await killed(running.child("gate"))
            await until_status(running.port, READY, 200)
            await load.steps(30)
        assert {answer.status for _, answer in load.answers} == {200}
        await settled(running, load, provider)
