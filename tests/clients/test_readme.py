"""The README as a new user follows it: the demo, its SDK samples unmodified, and the commands that show what was recorded."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.server.running import Running

README = (Path(__file__).parent.parent.parent / "README.md").read_text()
SAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^\.venv/bin/durward ((?:calls|spend|audit)\b.*)$", README, re.MULTILINE)
PROTOCOLS = {"openai": "openai_chat", "anthropic": "anthropic", "google": "gemini"}
ADDRESS = "127.0.0.1:7300"
SHOWN_KEY = re.compile(r"Bearer (dw_[A-Za-z0-9_-]{43})")


class Demo(NamedTuple):
    running: Running
    key: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Running(tmp_path_factory.mktemp("demo"), ["--demo", "--listen", "127.0.0.1:0"])
    try:
        running.wait_ready()
        assert running.process.stdout is not None
        shown = next(found for line in running.process.stdout if (found := SHOWN_KEY.search(line)))
        yield Demo(running, shown[1])
    finally:
        running.close()


def module(sample: str) -> str:
    found = re.search(r"^from (\w+)", sample, re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("sample", SAMPLES, ids=[module(sample) for sample in SAMPLES])
def test_a_sample_says_hello_and_is_recorded(demo: Demo, sample: str) -> None:
    assert ADDRESS in sample
    done = subprocess.run(
        [sys.executable, "-c", sample.replace(ADDRESS, f"127.0.0.1:{demo.running.port}")],
        env=os.environ | {"DURWARD_KEY": demo.key},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # No warning either, as of a model that its provider is about to end.
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    newest = json.loads(demo.running.command("calls", "--json", "--limit", "1").stdout)
    assert (newest["agent"], newest["outcome"], newest["protocol"]) == ("demo", "ok", PROTOCOLS[module(sample)])
    assert newest["cost_nano"] > 0


def test_there_is_a_sample_for_each_sdk_and_a_command_for_each_question() -> None:
    assert {module(sample) for sample in SAMPLES} == PROTOCOLS.keys()
    assert {command.split()[0] for command in COMMANDS} == {"calls", "spend", "audit"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_answers(demo: Demo, command: str) -> None:
    done = demo.running.command(*command.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout
