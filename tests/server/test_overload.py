"""Measuring acts on the edge, and new settings on all of it."""

import asyncio
import logging
import signal
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from durward.calls.ports import Exchange
from durward.cli.checks import check_load
from durward.config.compile import compile_file
from durward.config.settings import Overload as Said
from durward.config.settings import Settings
from durward.server import overload as module
from durward.server.overload import Overload
from tests.playbooks.world import World
from tests.server.line import GET, Line, echo
from tests.server.running import durward, until

GIB = 2**30
SETTINGS = Settings("127.0.0.1:0", "unused", overload=Said(memory=GIB))


class Memory:
    """A resident set of any size."""

    def __init__(self) -> None:
        self.share = 0.0
        self.given_back = 0

    def read(self) -> int:
        return int(self.share * GIB)

    def give_back(self) -> None:
        self.given_back += 1

    def close(self) -> None:
        pass


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    made = Memory()
    monkeypatch.setattr(module, "Resident", lambda: made)
    monkeypatch.setattr(module, "machine_memory", lambda: 64 * GIB)
    monkeypatch.setattr(module, "memory_limit", lambda: None)
    return made


def watched(line: Line) -> Overload:
    overload = Overload(SETTINGS, World().gateway, line.clock, lambda reason, peer: line.refused.append((reason, peer)))
    overload.guard(line.edge)
    return overload


async def test_short_memory_is_saved_then_connections_end_then_calls_do_not_begin(memory: Memory) -> None:
    line, idle = Line(echo), Line(echo)
    overload = watched(line)
    memory.share = 0.86
    overload.sample(0.0)
    assert memory.given_back == 1
    await line.let_pass(5.5)
    assert line.transport.ended(), "an idle connection is kept for five seconds"
    line = Line(echo, edge=line.edge)
    memory.share = 0.93
    overload.sample(0.0)
    await line.deliver(GET % 1)
    assert b"Connection: close\r\n" in line.written
    idle = Line(echo, edge=line.edge)
    memory.share = 0.99
    overload.sample(0.0)
    await idle.deliver(b"GET /1 HTTP/1.1\r\nHost: gate\r\n\r\n")
    assert idle.written.startswith(b"HTTP/1.1 503 ")
    assert overload.state()["turned_away"]["interactive"] == 1
    memory.share = 0.5
    overload.sample(0.0)
    well = Line(echo, edge=line.edge)
    await well.deliver(GET % 1)
    assert well.written.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" not in well.written


async def test_memory_is_given_back_only_now_and_then(memory: Memory) -> None:
    line = Line(echo)
    overload = watched(line)
    memory.share = 0.9
    for _ in range(40):
        overload.sample(0.0)
        line.clock.passed += 0.25
    assert memory.given_back == 1
    overload.sample(0.0)
    assert memory.given_back == 2


async def test_that_calls_are_refused_stands_in_the_log_once_a_minute(
    memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(echo)
    overload = watched(line)
    with caplog.at_level(logging.WARNING, "gate"):
        for _ in range(20):
            overload.sample(1.0)
    assert [record.message for record in caplog.records] == [
        "The gate has more to do than it can. Calls are refused (loop 500 ms late, memory 0 %)"
    ]


async def test_calls_beyond_the_bound_are_refused_and_those_in_progress_go_on(memory: Memory) -> None:
    async def app(exchange: Exchange) -> None:
        await exchange.body(100)
        exchange.send(200, b"", b"")

    line = Line(app)
    overload = watched(line)
    overload.take_over(replace(SETTINGS, overload=Said(calls=1, memory=GIB)))
    await line.deliver(b"POST / HTTP/1.1\r\nHost: gate\r\nContent-Length: 3\r\n\r\n")
    second = Line(app, edge=line.edge)
    second.clock = line.clock
    await second.deliver(GET % 2)
    assert second.written.startswith(b"HTTP/1.1 503 ")
    assert b"Connection: close" not in second.written
    assert overload.state()["calls"] == {"open": 1, "most": 1}
    await line.deliver(b"abc")
    assert line.written.startswith(b"HTTP/1.1 200 ")
    await second.let_pass(1)
    await second.deliver(GET % 3)
    assert second.written.count(b"HTTP/1.1 200 ") == 1


async def test_a_measurement_that_fails_is_told_and_the_next_one_is_made(
    memory: Memory, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    overload = watched(Line(echo))
    monkeypatch.setattr(module, "SAMPLE_SECONDS", 0.0)
    enough = asyncio.Event()
    tries = 0

    def read() -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError("no such process")
        enough.set()
        return 0

    monkeypatch.setattr(memory, "read", read)
    watching = asyncio.create_task(overload.watch())
    await enough.wait()
    watching.cancel()
    assert "cannot be measured" in caplog.text


async def test_more_than_the_machine_allows_is_not_granted_and_said(
    memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(echo)
    overload = watched(line)
    with caplog.at_level(logging.WARNING, "gate"):
        overload.take_over(replace(SETTINGS, overload=Said(connections=10**6, memory=65 * GIB)))
    assert overload.bounds.connections < 10**6
    assert overload.bounds.memory == 64 * GIB
    assert len(caplog.records) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory a process has")
def test_a_gate_without_memory_refuses_calls_says_so_and_goes_on_once_it_has_more(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        assert running.chat() == 200
        file = tmp_path / "durward.yaml"
        enough = file.read_text()
        file.write_text(enough + "overload: {memory: 8MiB}\n")
        running.process.send_signal(signal.SIGHUP)
        until(lambda: running.chat() == 503, "calls that are refused")
        status, answer = running.ask("POST", "/v1/chat/completions", {})
        assert (status, answer["error"]["code"]) == (503, "overloaded")
        assert running.ask("GET", "/healthz")[0] == 200
        assert running.is_ready(), "it is overloaded, not out of order"
        (load,) = [each for each in check_load(compile_file(file)) if each.about == "load"]
        assert load.verdict == "fail"
        assert "The gate is short of memory. Calls are refused" in running.log.read_text()
        file.write_text(enough)
        running.process.send_signal(signal.SIGHUP)
        until(lambda: running.chat() == 200, "calls that are carried again")
        assert [each.verdict for each in check_load(compile_file(file))] == ["ok"]
