"""`durward agent`: with a running gate, which knows the key before the command returns, and without one."""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from durward.cli.agent import list_agents
from durward.server.claims import claim
from durward.storage.state import open_offline
from tests.server.running import Upstream, command, durward, write_config

KEY = re.compile(r"dw_[A-Za-z0-9_-]{43}\n")


def test_a_running_gate_knows_a_new_key_before_the_command_returns(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        for name in ("one", "two", "three"):
            made = running.command("agent", "add", name)
            assert KEY.fullmatch(made.stdout), made.stderr
            assert f"http://127.0.0.1:{running.port}/v1" in made.stderr
            assert running.chat(made.stdout.strip()) == 200
        listed = [json.loads(line) for line in running.command("agent", "list", "--json").stdout.splitlines()]
        assert {agent["name"]: agent["made_by"] for agent in listed} == {
            "support": "file",
            "one": "command",
            "two": "command",
            "three": "command",
        }


def test_a_rotation_without_grace_ends_the_old_key_at_once_in_a_running_gate(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        first = running.command("agent", "add", "one").stdout.strip()
        second = running.command("agent", "rotate", "one").stdout.strip()
        assert [running.chat(first), running.chat(second)] == [200, 200]
        third = running.command("agent", "rotate", "one", "--grace", "0s").stdout.strip()
        assert [running.chat(first), running.chat(second), running.chat(third)] == [401, 401, 200]


def test_keys_made_before_the_start_are_known_after_it(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.close()
    write_config(tmp_path, upstream.port)
    made = command(tmp_path, "agent", "add", "one", "--tenant", "acme", "--team", "care", "--app", "desk")
    assert KEY.fullmatch(made.stdout), made.stderr
    with open_offline(tmp_path / ".durward/state.db") as state:
        (key,) = state.keys(0.0)
    assert key.digest == sha256(made.stdout.strip().encode()).hexdigest()
    assert (key.agent.tenant, key.agent.team, key.agent.app) == ("acme", "care", "desk")
    with durward(tmp_path) as (running, _):
        assert running.chat(made.stdout.strip()) == 200


def test_the_key_itself_is_nowhere_but_on_standard_output(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        made = running.command("agent", "add", "one")
        key = made.stdout.strip().encode()
        assert running.chat(key.decode()) == 200
        assert key.decode() not in made.stderr
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert [path for path in files if key in path.read_bytes()] == []
    assert [path for path in files if path.exists() and key in path.read_bytes()] == []


@pytest.mark.parametrize(
    "words,said",
    [
        (["add", "support"], "written in the configuration file"),
        (["rotate", "support"], "written in the configuration file"),
        (["rotate", "nobody"], "no agent nobody"),
        (["add", "two words"], "not a name"),
        (["add", "one", "--team", "../x"], "not a name"),
        (["rotate", "one", "--grace", "soon"], "no length of time"),
        (["rotate", "one", "--grace", "-1s"], "no length of time"),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_a_sentence(tmp_path: Path, words: list[str], said: str) -> None:
    write_config(tmp_path, 9)
    ended = command(tmp_path, "agent", *words)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_a_command_waits_for_a_start_that_is_under_way(tmp_path: Path) -> None:
    """The lock is taken, but nobody answers yet."""
    write_config(tmp_path, 9)
    data_dir = tmp_path / ".durward"
    lock = claim(data_dir)
    with ThreadPoolExecutor(1) as thread:
        made = thread.submit(command, tmp_path, "agent", "add", "one")
        with pytest.raises(TimeoutError):
            made.result(1.0)
        os.close(lock)
        assert KEY.fullmatch(made.result().stdout)


def test_a_name_is_given_once_with_and_without_a_gate(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        assert running.command("agent", "add", "one").returncode == 0
        online = running.command("agent", "add", "one")
    offline = command(tmp_path, "agent", "add", "one")
    assert (online.returncode, offline.returncode) == (2, 2)
    assert online.stderr == offline.stderr
    assert "one already" in offline.stderr


def test_the_list_is_a_table_for_people(tmp_path: Path) -> None:
    assert "make one with" in command(tmp_path, "agent", "list").stderr
    command(tmp_path, "agent", "add", "one", "--team", "care")
    table = command(tmp_path, "agent", "list").stdout
    assert table.splitlines()[0].split() == ["name", "team", "keys", "created", "made", "by"]
    assert table.splitlines()[1].split()[:3] == ["one", "care", "1"]
    assert "\x1b" not in table


def test_a_name_is_the_last_that_the_table_cuts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, tenant in (("support", "acme"), ("a" * 30, "b" * 60)):
        assert command(tmp_path, "agent", "add", name, "--tenant", tenant, "--team", "care").returncode == 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    list_agents()
    lines = capsys.readouterr().out.splitlines()
    assert "a" * 30 in lines[1]
    assert "b…" in lines[1]
    assert max(map(len, lines)) == 80
    assert "support" in lines[2]
