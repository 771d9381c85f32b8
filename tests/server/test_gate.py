"""The gate process among the others: commands it understands, a journal it cannot write, calls that its predecessor left open."""

import os
import signal
import sys
from pathlib import Path

import pytest

from durward.calls.errors import CallerError
from durward.server.control import ask
from tests.server.running import calling, durward, lives, until

DATA = ".durward"


def test_the_status_tells_who_runs(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        status = ask(tmp_path / DATA, {"do": "status"})
        assert status is not None
        assert (status["pid"], status["address"]) == (running.pid, f"127.0.0.1:{running.port}")
        assert (status["gates"], status["office"]) == ([running.child("gate")], running.child("office"))
        assert running.chat() == 200
        told = ask(tmp_path / DATA, {"do": "health"})
        assert told is not None
        (health,) = told["gates"]
        (upstream,) = health["upstreams"]
        assert (upstream["state"], upstream["calls"], upstream["failures"]) == ("closed", 1, 0)
        assert health["overload"]["steps"] == []
        assert health["overload"]["resident"] > 0 or sys.platform != "linux"
        assert health["overload"]["calls"]["open"] == 0
        assert health["pool"]["opened"] == 1
    assert ask(tmp_path / DATA, {"do": "status"}) is None


@pytest.mark.parametrize(
    "message,said",
    [
        ({"do": "agent.add", "name": "one"}, "missing required field `digest`"),
        ({"do": "agent.add", "name": 1, "digest": "x"}, "Expected `str`"),
        ({"do": "agent.fly"}, "not understood"),
        ({"do": "drain", "seconds": 0}, "no command 'drain'"),
        ({}, "no command None"),
    ],
)
def test_a_command_that_is_none_is_refused(tmp_path: Path, message: dict[str, object], said: str) -> None:
    with durward(tmp_path) as (running, _):
        with pytest.raises(CallerError, match=said):
            ask(tmp_path / DATA, message)
        assert running.chat() == 200


def test_calls_wait_for_no_journal_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / DATA).mkdir()
    (tmp_path / DATA / "journal").write_text("in the way of the folder")
    with durward(tmp_path) as (running, _):
        assert running.ask("GET", "/readyz")[0] == 503
        assert running.chat() == 503
        assert "the journal cannot be written" in running.log.read_text()
        (tmp_path / DATA / "journal").unlink()
        until(running.is_ready, "a journal that can be written again")
        assert running.chat() == 200


def test_a_call_that_the_last_gate_left_open_is_recorded_as_unknown(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, upstream):
        upstream.let.clear()
        with calling(running):
            assert upstream.asked.wait(30)
            gate = running.child("gate")
            os.kill(gate, signal.SIGKILL)
            until(lambda: not lives(gate), "the gate's end")
        journal = tmp_path / DATA / "journal"
        until(lambda: any(b'"type":"unknown"' in path.read_bytes() for path in journal.rglob("*.jsonl")), "the mending")
