"""LiteLLM 1.82.7 and 1.82.8 (March 2026) came from a scanner that its own build fetched unpinned; a hundred packages, as many doors.

Here: what runs is few packages, each locked with its hashes, installed by nothing that would resolve or fetch anything else.
"""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
DIRECT, ALL = 12, 32
"""How many packages may be asked for, and how many may come of it, those they depend on and those of other platforms included.

The office's page has brought a web server."""


def entries(lock: Path) -> dict[str, list[str]]:
    """The packages of a lock, with their hashes."""
    blocks = re.split(r"^(?=[a-zA-Z0-9])", lock.read_text("utf-8"), flags=re.MULTILINE)
    return {block.split()[0]: re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block) for block in blocks[1:]}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_package_is_locked_to_one_version_with_its_hashes(lock: Path) -> None:
    assert entries(lock)
    assert [name for name, hashes in entries(lock).items() if not hashes or "==" not in name] == []
    assert not re.search(
        r"^\s*(?:--?(?:extra-)?index-url|-i\b|--trusted-host|git\+|-e\b)", lock.read_text("utf-8"), re.MULTILINE
    )


def test_what_runs_is_few_packages() -> None:
    assert len(PROJECT["project"]["dependencies"]) <= DIRECT
    assert len(entries(ROOT / "requirements" / "runtime.lock")) <= ALL


def test_each_direct_dependency_is_in_the_lock_that_runs() -> None:
    locked = {name.partition("==")[0] for name in entries(ROOT / "requirements" / "runtime.lock")}
    asked = {re.split(r"[ ;>=<]", each)[0].lower().replace(".", "-") for each in PROJECT["project"]["dependencies"]}
    assert asked - locked == set()


@pytest.mark.parametrize("path", ["scripts/install", "deploy/Containerfile"])
def test_what_is_installed_is_held_against_the_hashes(path: str) -> None:
    text = (ROOT / path).read_text("utf-8").replace("\\\n", " ")
    installs = [line for line in text.splitlines() if re.search(r"pip.*\binstall\b|locked=\(", line)]
    assert installs
    for line in text.splitlines():
        if ".lock" in line and "pip" in line and "install" in line:
            assert "--require-hashes" in line or "${locked[@]}" in line, line
    assert "--require-hashes" in text
    assert "--no-deps" in text
