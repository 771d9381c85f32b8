"""A running Durward takes over what its file says now, as a whole or not at all, while calls go on."""

import asyncio
import hashlib
import os
import pty
import signal
from pathlib import Path
from typing import cast

import pytest

from durward import __version__
from durward.calls.errors import GateError
from durward.config.compile import compile_file
from durward.config.settings import settings_json
from durward.server.gates import Gates
from durward.server.launch import Launch, unnamed
from durward.server.notify import Notifier
from durward.server.reloading import Reloading, Watched
from tests.server.running import DURWARD, KEY, READY, SECONDS, Running, Upstream, calling, durward, until, write_config

OTHER_KEY = "dw_" + "o" * 43
DENIED = "policies: [{name: none, deny: {agents: ['*']}}]\n"
TAKEN_OVER = "the configuration is taken over"
NOT_TAKEN_OVER = "the configuration is not taken over, nothing has changed"


def rewrite(running: Running, old: str, new: str) -> None:
    """Change the file in one move, as editors and deployments do."""
    file = running.folder / "durward.yaml"
    text = file.read_text()
    assert old in text
    beside = file.with_suffix(".new")
    beside.write_text(text.replace(old, new))
    beside.replace(file)


def reloaded(running: Running, times: int = 1) -> None:
    """Ask for it, and wait until it is done."""
    running.process.send_signal(signal.SIGHUP)
    told(running, TAKEN_OVER, times)


def told(running: Running, text: str, times: int = 1) -> None:
    until(lambda: running.log.read_text().count(text) >= times, text)


def deny(running: Running) -> None:
    rewrite(running, "policies: [{name: all, allow: {agents: ['*']}}]\n", DENIED)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def test_a_changed_file_is_taken_over_without_being_asked(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        assert running.chat() == 200
        deny(running)
        until(lambda: running.chat() == 403, "the new rule")
        assert running.log.read_text().count(TAKEN_OVER) == 1


def test_a_call_under_way_keeps_what_it_began_with(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, upstream):
        upstream.let.clear()
        with calling(running) as statuses:
            assert upstream.asked.wait(30)
            deny(running)
            reloaded(running)
            assert running.chat() == 403
            upstream.let.set()
        assert statuses == [200]


def test_a_gate_that_is_started_again_starts_with_what_was_taken_over(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        deny(running)
        reloaded(running)
        gate, office = running.child("gate"), running.child("office")
        for child in (gate, office):
            os.kill(child, signal.SIGKILL)
        running.child("gate", gate)
        running.child("office", office)
        assert running.chat() == 403
        rewrite(running, DENIED, "policies: [{name: all, allow: {agents: ['*']}}]\n")
        reloaded(running, 2)
        assert running.chat() == 200


def test_a_broken_file_changes_nothing_and_says_why_once(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        rewrite(running, "protocol: openai", "protocol: opnai")
        running.process.send_signal(signal.SIGHUP)
        told(running, NOT_TAKEN_OVER)
        assert "durward.yaml:4:" in running.log.read_text()
        assert running.chat() == 200
        status = running.status()
        assert "opnai" in str(status["refused"])
        running.process.send_signal(signal.SIGHUP)
        rewrite(running, "protocol: opnai", "protocol: openai")
        reloaded(running)
        assert running.log.read_text().count(NOT_TAKEN_OVER) == 1
        assert running.status()["refused"] == ""


@pytest.mark.parametrize(
    "old,new,said",
    [
        ("listen: 127.0.0.1:0", "listen: 127.0.0.1:7399", "needs restart: listen: 127.0.0.1:0 → 127.0.0.1:7399"),
        ("version: 1\n", "version: 1\ndata_dir: elsewhere\n", "needs restart: data_dir"),
    ],
)
def test_what_needs_a_restart_is_refused_with_all_beside_it(tmp_path: Path, old: str, new: str, said: str) -> None:
    with durward(tmp_path) as (running, _):
        deny(running)
        rewrite(running, old, new)
        running.process.send_signal(signal.SIGHUP)
        told(running, said)
        assert running.chat() == 200


def test_where_the_command_line_says_to_listen_the_file_may_say_anything(tmp_path: Path) -> None:
    upstream = Upstream()
    write_config(tmp_path, upstream.port)
    running = Running(tmp_path, ["--listen", "127.0.0.1:0"])
    try:
        running.wait_ready()
        rewrite(running, "listen: 127.0.0.1:0", "listen: 127.0.0.1:7399")
        deny(running)
        reloaded(running)
        assert running.chat() == 403
    finally:
        running.close()
        upstream.close()


def test_keys_come_and_go_with_their_agents(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        assert running.command("agent", "add", "made").returncode == 0
        rewrite(running, "support", "made")
        running.process.send_signal(signal.SIGHUP)
        told(running, "The agent made is in the configuration and was also made by command.")
        assert running.chat() == 200
        rewrite(running, f"made: {{keys: ['sha256:{digest(KEY)}']", f"other: {{keys: ['sha256:{digest(OTHER_KEY)}']")
        reloaded(running)
        assert (running.chat(), running.chat(OTHER_KEY)) == (401, 200)
        refused = running.command("agent", "add", "other")
        assert refused.returncode == 2
        assert "is written in the configuration file" in refused.stderr
        assert running.command("agent", "add", "support").returncode == 0


def test_a_secret_that_changes_in_its_file_is_presented_at_once(tmp_path: Path) -> None:
    upstream = Upstream()
    secret = tmp_path / "secret"
    secret.write_text("first")
    file = write_config(tmp_path, upstream.port)
    file.write_text(file.read_text().replace("/v1}", "/v1, credential: file:secret}"))
    running = Running(tmp_path, [])
    try:
        running.wait_ready()
        assert running.chat() == 200
        assert b"\r\nAuthorization: Bearer first\r\n" in upstream.head
        secret.write_text("second")
        told(running, TAKEN_OVER)
        assert running.chat() == 200
        assert b"\r\nAuthorization: Bearer second\r\n" in upstream.head
    finally:
        running.close()
        upstream.close()


def test_how_to_stop_is_taken_over_too(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        rewrite(running, "delay: 0s", "delay: 300s")
        reloaded(running)
        running.process.send_signal(signal.SIGTERM)
        until(lambda: running.ask("GET", "/readyz")[0] == 503, "the word that it stops")
        assert running.chat() == 200
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(SECONDS) == 0


def test_a_connection_that_stays_open_is_judged_anew(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _), running.connection() as connection:
        assert [running.chat_on(connection) for _ in range(3)] == [200] * 3
        deny(running)
        reloaded(running)
        assert running.chat_on(connection) == 403


def test_the_end_of_its_terminal_stops_it_also_with_a_file(tmp_path: Path) -> None:
    upstream = Upstream()
    write_config(tmp_path, upstream.port)
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(tmp_path)
        os.execv(DURWARD[0], [*DURWARD, "up"])
    shown = b""
    while not READY.search(shown.decode("utf-8", "replace")):
        shown += os.read(terminal, 4096)
    os.close(terminal)
    try:
        until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, "the end of a Durward without its terminal")
    except AssertionError:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        upstream.close()


def test_a_file_is_another_when_it_was_written_replaced_or_taken_away(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_text("a")
    watched = Watched([file])
    assert not watched.changed()
    file.write_text("ab")
    assert watched.changed()
    assert not watched.changed()
    other.write_text("cd")
    other.replace(file)
    assert watched.changed()
    file.unlink()
    assert watched.changed()
    watched.look_at([file, other])
    assert not watched.changed()
    other.write_text("e")
    assert watched.changed()


async def test_a_gate_that_ends_before_it_has_taken_over_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "durward.yaml"
    file.write_text("version: 1\n")
    settings = unnamed(settings_json(compile_file(file)))

    class Mortal:
        """Gates that end the first time they are given settings."""

        given = 0

        async def take_over(self, old: int, new: int, seconds: float) -> None:
            assert old == settings
            self.given += 1
            if self.given == 1:
                raise GateError("The gate ended before it answered.", reason="stopping")

    gates = Mortal()
    launch = Launch("/data", "", 0, 0, settings, config=str(file), version=__version__)
    reloading = Reloading(launch, cast(Gates, gates), Notifier({}))
    watching = asyncio.ensure_future(reloading.watch())
    reloading.ask()
    async with asyncio.timeout(SECONDS):
        while not reloading.times:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    watching.cancel()
    assert gates.given == 2
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(settings)
    os.close(reloading.settings)


def test_reloads_leave_no_descriptor_behind(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        pids = (running.pid, running.child("gate"))

        def held() -> list[int]:
            return [len(list(Path(f"/proc/{pid}/fd").glob("*"))) for pid in pids]

        reloaded(running)
        before = held()
        for times in range(2, 5):
            reloaded(running, times)
        rewrite(running, "protocol: openai", "protocol: opnai")
        running.process.send_signal(signal.SIGHUP)
        told(running, NOT_TAKEN_OVER)
        until(lambda: held() == before, "the descriptors of before")
