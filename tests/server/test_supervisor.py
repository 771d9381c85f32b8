"""Processes that watch each other: what is killed comes back, what is told to stop finishes, and nothing is left behind."""

import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.server.running import READY, SECONDS, Running, Upstream, calling, durward, lives, until, write_config

GATE, OFFICE = "gate", "office"


def test_a_killed_gate_is_back_and_no_caller_is_turned_away(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        gates = [running.child(GATE)]
        for _ in range(3):
            os.kill(gates[-1], signal.SIGKILL)
            until(lambda: not lives(gates[-1]), "the gate's end")
            # The supervisor holds the socket: who connects meanwhile waits, and is served by the next gate.
            assert running.chat() == 200
            gates.append(running.child(GATE, *gates))
        assert running.log.read_text().count("gate was ended by SIGKILL; starting it again") == 3


def test_a_killed_office_is_back_while_the_gate_serves(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        office, gate = running.child(OFFICE), running.child(GATE)
        os.kill(office, signal.SIGKILL)
        assert running.child(OFFICE, office)
        assert running.chat() == 200
        assert running.child(GATE) == gate


def test_when_the_supervisor_is_killed_the_gate_finishes_its_call_and_all_end(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, upstream):
        gate, office = running.child(GATE), running.child(OFFICE)
        upstream.let.clear()
        with calling(running) as statuses:
            assert upstream.asked.wait(30)
            running.process.kill()
            running.process.wait()
            until(lambda: refused(running.port), "the listener's end")
            upstream.let.set()
        assert statuses == [200]
        until(lambda: not lives(gate) and not lives(office), "the end of gate and office")
        # The lock went with the gate: the next start is not kept waiting.
        again = Running(tmp_path, [])
        try:
            again.wait_ready()
        finally:
            again.close()


def test_a_stop_goes_on_accepting_until_whoever_sends_callers_has_learnt_of_it(tmp_path: Path) -> None:
    upstream = Upstream()
    file = write_config(tmp_path, upstream.port)
    file.write_text(file.read_text().replace("delay: 0s", "delay: 30s"))
    running = Running(tmp_path, [])
    try:
        running.wait_ready()
        running.process.send_signal(signal.SIGTERM)
        until(lambda: running.ask("GET", "/readyz")[0] == 503, "the word that it stops")
        assert running.ask("GET", "/healthz")[0] == 200
        assert running.chat() == 200
        # Asked again, it hurries.
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(SECONDS) == 0
        assert refused(running.port)
    finally:
        running.close()
        upstream.close()


def test_a_person_at_the_terminal_does_not_wait_for_that(tmp_path: Path) -> None:
    upstream = Upstream()
    file = write_config(tmp_path, upstream.port)
    file.write_text(file.read_text().replace("delay: 0s", "delay: 300s"))
    running = Running(tmp_path, [])
    try:
        running.wait_ready().process.send_signal(signal.SIGINT)
        assert running.process.wait(SECONDS) == 0
    finally:
        running.close()
        upstream.close()


def test_a_stop_finishes_the_call_in_flight_and_ends_with_0(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, upstream):
        pids = [running.child(GATE), running.child(OFFICE)]
        upstream.let.clear()
        with calling(running) as statuses:
            assert upstream.asked.wait(30)
            running.process.send_signal(signal.SIGTERM)
            until(lambda: refused(running.port), "the listener's end")
            upstream.let.set()
        assert statuses == [200]
        assert running.process.wait(30) == 0
        assert not any(lives(pid) for pid in pids)
        assert not (tmp_path / ".durward/control.sock").exists()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")
def test_a_signal_in_the_moment_of_the_start_is_obeyed_later(tmp_path: Path) -> None:
    upstream = Upstream()
    write_config(tmp_path, upstream.port)
    running = Running(tmp_path, [])
    try:
        command_line = Path(f"/proc/{running.pid}/cmdline")
        until(lambda: b"durward.server.supervisor" in command_line.read_bytes(), "the supervisor's beginning")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(30) == 0
        assert "Traceback" not in running.log.read_text()
    finally:
        running.close()
        upstream.close()


def test_a_second_signal_cuts_what_is_left(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, upstream):
        upstream.let.clear()
        with calling(running) as statuses:
            assert upstream.asked.wait(30)
            running.process.send_signal(signal.SIGINT)
            until(lambda: refused(running.port), "the listener's end")
            running.process.send_signal(signal.SIGINT)
            assert running.process.wait(30) == 0
        assert statuses != [200]
        assert "asked to stop again" in running.log.read_text()


def test_a_gate_that_is_told_to_stop_alone_is_replaced(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        gate = running.child(GATE)
        os.kill(gate, signal.SIGTERM)
        assert running.child(GATE, gate)
        assert running.chat() == 200


def test_what_lies_in_the_data_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        assert running.chat() == 200
        paths = [tmp_path / ".durward", *(tmp_path / ".durward").rglob("*")]
        assert {path.name for path in paths} >= {"lock", "control.sock", "state.db", "journal"}
        assert [path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_a_gate_that_cannot_start_says_why_and_up_ends_with_1(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        pass
    (tmp_path / ".durward/state.db").write_bytes(b"no database" * 1000)
    running = Running(tmp_path, [])
    try:
        assert running.process.wait(30) == 1
        assert "state.db cannot be used" in running.log.read_text()
    finally:
        running.close()


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's smaps_rollup")
def test_no_secret_is_in_arguments_and_the_office_has_no_credentials(tmp_path: Path) -> None:
    canary = "canary-3f1c"
    with durward(tmp_path) as (running, _):
        running.close()
    running = Running(tmp_path, [], {"OPENAI_API_KEY": canary})
    try:
        running.wait_ready()
        pids = [running.pid, running.child(GATE), running.child(OFFICE)]
        assert not any(canary in Path(f"/proc/{pid}/cmdline").read_text() for pid in pids)
        assert canary not in Path(f"/proc/{running.child(OFFICE)}/environ").read_text()
    finally:
        running.close()


def refused(port: int) -> bool:
    """Whether nobody listens there any more."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return True
    return False


def test_the_line_that_says_it_is_ready_can_be_read() -> None:
    assert READY.search("Durward is ready on http://127.0.0.1:7300 (pid 42). Ctrl-C stops it.\n")
