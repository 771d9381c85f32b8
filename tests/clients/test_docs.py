"""The documentation: every block of code runs as it stands, every link leads somewhere, and every page has been thought of."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import durward
from durward.config.compile import examine_file
from tests.server.running import DURWARD, Running
from tests.upstreams.authority import Authority

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(durward.__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
LINKED = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
ADDRESS = "127.0.0.1:7300"
SHOWN_KEY = re.compile(r"Bearer (dw_[A-Za-z0-9_-]{43})")
RUN_ELSEWHERE = {
    "scripts/up": "tests/cli and tests/clients/test_readme.py",
    "scripts/test": "what runs this",
    "scripts/build": "the second half of scripts/test",
    "python3": "scripts/bench, whose environment is made in the same way",
    "durward-environment/bin/pip": "scripts/bench",
    "durward-environment/bin/durward": "tests/cli/test_main.py, in both halves of scripts/test",
    ".venv/bin/durward": "tests/clients/test_readme.py; `up` and `agent add` need a provider or a gate of their own",
}
"""First words of shell lines that are held by other tests."""


class Block(NamedTuple):
    page: Path
    language: str
    text: str


BLOCKS = [Block(page, *found) for page in PAGES for found in BLOCK.findall(page.read_text("utf-8"))]


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def named(block: Block) -> str:
    return f"{block.page.stem}: {block.text.splitlines()[0]}"


class Demo(NamedTuple):
    running: Running
    environment: dict[str, str]

    def here(self, text: str) -> str:
        return text.replace(ADDRESS, f"127.0.0.1:{self.running.port}")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("docs")
    running = Running(folder, ["--demo", "--listen", "127.0.0.1:0"])
    try:
        running.wait_ready()
        assert running.process.stdout is not None
        shown = next(found for line in running.process.stdout if (found := SHOWN_KEY.search(line)))
        # The command under its own name, as an installation has it.
        command = folder / "bin" / "durward"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec {shlex.join(DURWARD)} "$@"\n')
        command.chmod(0o755)
        (folder / "example.yaml").write_text(example())
        path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
        yield Demo(running, os.environ | {"DURWARD_KEY": shown[1], "PATH": path, "PYTHONPATH": str(PACKAGE)})
    finally:
        running.close()


def example() -> str:
    return next(block.text for block in of("yaml") if block.page.stem == "configuration")


def test_every_block_has_a_language_that_is_held() -> None:
    assert {block.language for block in BLOCKS} <= {"sh", "python", "yaml", "toml"}
    assert len(BLOCKS) > 12


@pytest.mark.parametrize("block", of("python"), ids=named)
def test_python_runs(demo: Demo, block: Block) -> None:
    done = subprocess.run(
        [sys.executable, "-c", demo.here(block.text)],
        env=demo.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("block", of("sh"), ids=named)
def test_shell_runs(demo: Demo, block: Block) -> None:
    lines = [line for line in block.text.splitlines() if line.split()[0] not in RUN_ELSEWHERE]
    done = subprocess.run(
        ["sh", "-eu", "-c", demo.here("\n".join(lines))],
        cwd=demo.running.folder,
        env=demo.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"error"' not in done.stdout


@pytest.mark.parametrize("block", of("yaml"), ids=named)
def test_yaml_is_a_valid_configuration(tmp_path: Path, block: Block) -> None:
    path = tmp_path / "durward.yaml"
    path.write_text(block.text)
    if "tls:" in block.text:
        Authority(tmp_path).pair("gate.test", name="gate", days=90)
    variables = dict.fromkeys(re.findall(r"env:([A-Z_]+)", block.text), "set")
    examined = examine_file(path, variables)
    assert examined.settings.policies
    # Agents are made by command; whether they were, the file cannot know.
    assert [each for each in examined.warnings if "has no agent" not in each.message] == []


@pytest.mark.parametrize("block", of("toml"), ids=named)
def test_toml_is_readable(block: Block) -> None:
    assert ADDRESS in block.text
    assert tomllib.loads(block.text)


def headings(text: str) -> set[str]:
    """The anchors that headings of a page have."""
    titles = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text("utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor and there.suffix == ".md":
            text = there.read_text("utf-8")
            assert anchor in headings(text) or f'id="{anchor}"' in text, f"{page.name} links to {target}#{anchor}"


def test_the_readme_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name}" not in text] == []
