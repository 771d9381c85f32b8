"""The clients that other tests drive are there, start, and are the versions of the lock."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.peers.install import HERE, PROBES, environment, installed

PACKAGES = {"claude": "@anthropic-ai/claude-code", "codex": "@openai/codex", "gemini": "@google/gemini-cli"}


@pytest.mark.parametrize("command", PROBES)
def test_peer_runs(command: str, tmp_path: Path) -> None:
    run = [str(installed() / command), PROBES[command]]
    answer = subprocess.run(
        run,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    if command in PACKAGES:
        assert json.loads((HERE / "package.json").read_text())["dependencies"][PACKAGES[command]] in answer.stdout


def test_lock_names_no_registry() -> None:
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []
