"""The demo: a show that anybody can start, and a gate that serves behind it."""

import json
import re
import sqlite3
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from durward.cli.demo_show import Stage
from tests.server.running import Running, command, lives

LISTEN = ["--listen", "127.0.0.1:0"]
KEY = re.compile(r"Bearer (dw_[A-Za-z0-9_-]{43})'")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path, ["--demo", *LISTEN])
    try:
        yield running.wait_ready()
    finally:
        running.close()


def shown(running: Running) -> str:
    """What the show says, to its last line."""
    assert running.process.stdout is not None
    told = ""
    while "See also" not in told:
        line = running.process.stdout.readline()
        assert line, told
        told += line
    return told


def test_the_show_tells_of_each_kind_of_call_and_ends_with_0(tmp_path: Path) -> None:
    ended = command(tmp_path, "up", "--demo", "--once", *LISTEN)
    assert ended.returncode == 0, ended.stderr
    for part in (
        r"200 ok · \d+ → \d+ tokens · \$0\.0\d+ · ",
        r"403 denied",
        r"A deny rule wins over every allow rule",
        r'"company": "Harbour Books"',
        r"\$ durward trace demo-[0-9a-f]{6}",
        r"4 calls by demo",
        r"curl http://127\.0\.0\.1:\d+/v1/chat/completions",
    ):
        assert re.search(part.replace(" → ", " ?→ ?"), ended.stdout), part
    assert "\x1b" not in ended.stdout
    assert ended.stderr == ""


def test_it_keeps_serving_with_the_key_that_it_shows_and_leaves_nobody_behind(demo: Running) -> None:
    key = KEY.search(shown(demo))
    assert key is not None
    assert demo.chat(key[1]) == 200
    assert demo.chat(key[1] + "x") == 401
    status, models = demo.ask("GET", "/v1/models", key=key[1])
    assert status == 200
    assert models["data"]
    listed = demo.command("calls", "--json").stdout.splitlines()
    assert {json.loads(line)["outcome"] for line in listed} == {"ok", "refused"}
    words = [Path(f"/proc/{pid}/cmdline").read_text() for pid in {demo.pid, *demo.known} if Path("/proc/self").exists()]
    assert not any(key[1] in word for word in words)
    demo.close()
    assert demo.process.returncode == 0
    assert not any(lives(pid) for pid in demo.known)


def test_a_stop_in_the_middle_of_the_show_ends_with_0(demo: Running) -> None:
    demo.close()
    assert demo.process.returncode == 0
    assert "Traceback" not in demo.log.read_text()


def test_the_file_is_ignored_and_the_key_is_new_each_time(tmp_path: Path) -> None:
    (tmp_path / "durward.yaml").write_text("this: is wrong\n")
    keys = {KEY.search(command(tmp_path, "up", "--demo", "--once", *LISTEN).stdout) for _ in range(2)}
    assert len({found and found[1] for found in keys} - {None}) == 2
    with sqlite3.connect(tmp_path / ".durward/demo/state.db") as state:
        assert state.execute("SELECT count(*) FROM keys").fetchone() == (0,)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_live_text_is_wrapped_between_words_whatever_pieces_it_comes_in(width: int) -> None:
    text = " ".join(f"word{number}" for number in range(60))
    for size in (1, 3, 7, 500):
        output = StringIO()
        Stage(Console(file=output, width=width)).live(text[at : at + size] for at in range(0, len(text), size))
        lines = output.getvalue().splitlines()
        assert all(line.startswith("    word") and len(line) <= width for line in lines)
        assert " ".join(" ".join(lines).split()) == text


def test_words_show_while_the_rest_has_not_come() -> None:
    output = StringIO()

    def pieces() -> Iterator[str]:
        yield "one two"
        assert output.getvalue().strip() == "one"
        yield " three"
        assert output.getvalue().strip() == "one two"

    Stage(Console(file=output, width=80)).live(pieces())
    assert output.getvalue().strip() == "one two three"
