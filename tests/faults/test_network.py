"""Names that nobody resolves and upstreams that break in every way: a bound, a typed answer, one record, and nothing left behind."""

import asyncio
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from durward.upstreams.resolution import Names
from tests.faults.caller import CHAT, STREAM, Answer, Ask
from tests.faults.chaos import Chaos, chaos
from tests.faults.inside import READY, asked, gate_inside
from tests.faults.ledger import Line, problems, read_ledger
from tests.faults.place import PRICES, until
from tests.faults.provider import Provider, providing

PATIENT = {"connect": "400ms", "first_byte": "600ms", "between_chunks": "400ms"}
FAR = 60.0

# What is wrong, and what the caller gets. The next target is tried only where nothing was sent: where none could be reached.
BEFORE = {
    "refuses": (502, "upstream_unreachable"),
    "drops_what_comes": (502, "upstream_unreachable"),
    "says_nothing": (504, "upstream_silent"),
    "stops_in_the_head": (504, "upstream_silent"),
    "drips_its_head": (504, "upstream_silent"),
    "ends_its_side": (502, "upstream_cut"),
    "ends_in_the_head": (502, "upstream_cut"),
    "resets": (502, "upstream_cut"),
    "stops_in_the_body": (504, "upstream_silent"),
    "ends_in_the_body": (502, "upstream_cut"),
    "resets_in_the_body": (502, "upstream_cut"),
}
INSIDE = {"stops_in_the_stream": "upstream_silent", "ends_in_the_stream": "upstream_cut"}
if sys.platform != "linux":
    del BEFORE["drops_what_comes"]


def configuration(ports: dict[str, int], provider: Provider, host: str = "127.0.0.1") -> dict[str, Any]:
    """A model for each broken provider, alone, and `or-…` with a good one behind it."""
    providers: dict[str, Any] = {
        name: {"protocol": "openai", "base_url": f"http://{host}:{port}/v1", "timeouts": PATIENT}
        for name, port in ports.items()
    }
    providers["good"] = {"protocol": "openai", "base_url": f"http://127.0.0.1:{provider.port}/v1"}
    models: dict[str, Any] = {name: {"provider": name} for name in providers}
    models |= {
        f"or-{name}": {"strategy": "ordered", "targets": [{"provider": name}, {"provider": "good"}]} for name in ports
    }
    return {"providers": providers, "models": models, "prices": PRICES}


async def told(port: int, model: str, ask: Ask = CHAT) -> Answer:
    assert isinstance(ask.body, dict)
    return await asked(port, ask._replace(body=ask.body | {"model": model}))


def end_of(folder: Path, answer: Answer) -> Line:
    """The one end of a call."""
    ledger = read_ledger(folder / ".durward")
    assert len(ledger.intents[answer.call]) == 1
    (end,) = ledger.ends[answer.call]
    return end


async def nothing_left(found: Chaos, before: set[Any]) -> None:
    """No connection to what is broken, and no task beside those that were there before."""
    await until(lambda: not found.open, "the end of all connections")
    ours = {"call", "dial"}
    await until(
        lambda: not {task for task in asyncio.all_tasks() - before if task.get_name() in ours}, "the end of all calls"
    )


async def test_each_way_in_which_an_upstream_breaks_has_its_answer_its_end_and_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chaos() as found, providing() as provider:
        changes = configuration(found.ports, provider)
        async with gate_inside(tmp_path, provider, monkeypatch, **changes) as (port, _):
            before = asyncio.all_tasks()
            async with asyncio.timeout(FAR):
                asking = [
                    asyncio.gather(*(told(port, name) for name in BEFORE)),
                    asyncio.gather(*(told(port, f"or-{name}") for name in BEFORE)),
                    asyncio.gather(*(told(port, name, STREAM) for name in INSIDE), told(port, "drips")),
                ]
                alone, second, (*inside, slow) = await asyncio.gather(*asking)
            for (name, (status, reason)), answer in zip(BEFORE.items(), alone, strict=True):
                assert (name, answer.status, answer.whole) == (name, status, True)
                assert json.loads(answer.body)["error"]["code"] == reason
                end = end_of(tmp_path, answer)
                assert (end["outcome"], end["status"], end["reason"]) == ("failed", status, reason), name
            for (name, (status, reason)), answer in zip(BEFORE.items(), second, strict=True):
                next_tried = reason == "upstream_unreachable"
                assert (name, answer.status) == (name, 200 if next_tried else status)
                attempts = end_of(tmp_path, answer)["attempts"]
                assert len(attempts) == 1 + next_tried, name
                # One whose answer had begun has that answer's status.
                assert attempts[0].get("reason", "") == ("" if name.endswith("_the_body") else reason), name
            # As long as each piece comes in time, all of them may take as long as they like.
            assert slow.status == 200
            assert end_of(tmp_path, slow)["outcome"] == "ok"
            for (name, reason), answer in zip(INSIDE.items(), inside, strict=True):
                assert (name, answer.status, answer.whole, answer.complete) == (name, 200, False, False)
                assert reason.encode() in answer.body.split(b"data: ")[-1]
                assert (end_of(tmp_path, answer)["outcome"], end_of(tmp_path, answer)["reason"]) == ("cut", reason)
            assert (await asked(port, READY)).status == 200
            await nothing_left(found, before)
    assert problems(tmp_path / ".durward") == []


class Resolver:
    """Answers, fails or keeps silent, as a test says."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.let = asyncio.Event()
        self.let.set()
        self.asked = 0

    async def __call__(self, host: str) -> list[str]:
        self.asked += 1
        await self.let.wait()
        if self.error is not None:
            raise self.error
        return ["127.0.0.1"]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    found = Resolver()
    monkeypatch.setattr("durward.upstreams.pool.Names", partial(Names, lookup=found))
    return found


def named(provider: Provider) -> dict[str, Any]:
    return configuration({"named": provider.port}, provider, "provider.test")


def no_such_name(resolver: Resolver) -> None:
    resolver.error = OSError(-2, "Name or service not known")


def no_server(resolver: Resolver) -> None:
    resolver.error = OSError(-3, "Temporary failure in name resolution")


def silence(resolver: Resolver) -> None:
    resolver.let.clear()


@pytest.mark.parametrize("fail", [no_such_name, no_server, silence])
async def test_a_name_that_nobody_resolves_is_told_in_time_and_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolver: Resolver, fail: Callable[[Resolver], None]
) -> None:
    async with providing() as provider, gate_inside(tmp_path, provider, monkeypatch, **named(provider)) as (port, _):
        fail(resolver)
        async with asyncio.timeout(FAR):
            answers = await asyncio.gather(*(told(port, "named") for _ in range(5)))
            over = await told(port, "or-named")
        assert fail is not silence or resolver.asked <= 2, "calls that wait for one name ask once"
        for answer in answers:
            assert (answer.status, json.loads(answer.body)["error"]["code"]) == (502, "upstream_unreachable")
            assert "provider.test" in json.loads(answer.body)["error"]["message"]
            assert end_of(tmp_path, answer)["reason"] == "upstream_unreachable"
        assert over.status == 200
        assert (await asked(port, READY)).status == 200
        resolver.error = None
        resolver.let.set()
        assert (await told(port, "named")).status == 200
    assert problems(tmp_path / ".durward") == []


async def test_a_resolver_that_is_gone_does_not_stop_calls_to_names_it_knew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolver: Resolver
) -> None:
    monkeypatch.setattr("durward.upstreams.resolution.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("durward.upstreams.resolution.STALE_SECONDS", 0.0)
    monkeypatch.setattr("durward.upstreams.resolution.PATIENCE_SECONDS", 0.01)
    async with providing() as provider, gate_inside(tmp_path, provider, monkeypatch, **named(provider)) as (port, _):
        assert (await told(port, "named")).status == 200
        for fail in (no_such_name, no_server, silence):
            fail(resolver)
            await provider.close()
            assert (await told(port, "named")).status == 200
