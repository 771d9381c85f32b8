"""`durward check` as it is typed."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from durward.cli.check import check_command
from durward.config.compile import compile_file

GOOD = """
providers: {local: {protocol: openai, base_url: "http://127.0.0.1:11434/v1"}}
policies: [{name: all, allow: {}}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "durward.yaml"


def run(*words: str) -> Result:
    app = typer.Typer()
    app.command()(check_command)
    return CliRunner().invoke(app, list(words))


def test_a_valid_file_is_one_line(file: Path) -> None:
    file.write_text(GOOD, "utf-8")
    result = run("-c", str(file))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{file} is valid: 1 provider, any model, 0 APIs, 0 agents, 1 rule.\n"


def test_every_mistake_is_told_and_the_exit_is_2(file: Path) -> None:
    file.write_text(GOOD + "moode: x\nlisten: 1\n", "utf-8")
    result = run("--config", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{file}:4:1: unknown key `moode`\n    4 | moode: x\n      | ^^^^^\n" in result.stderr
    assert result.stderr.endswith(f"2 mistakes in {file}.\n")


def test_warnings_are_told_and_the_exit_is_0(file: Path) -> None:
    file.write_text(GOOD + "listen: 0.0.0.0:1\n", "utf-8")
    result = run("-c", str(file))
    assert result.exit_code == 0
    assert f"{file}:4:1: warning: agents on other machines" in result.stderr
    assert result.stdout.endswith("1 rule. 1 warning.\n")


def test_print_shows_the_file_in_force_and_nothing_else(file: Path, tmp_path: Path) -> None:
    file.write_text(GOOD, "utf-8")
    result = run("-c", str(file), "--print")
    assert result.exit_code == 0
    printed = tmp_path / "printed.yaml"
    printed.write_text(result.stdout, "utf-8")
    assert compile_file(printed).providers == compile_file(file).providers


def test_the_default_is_durward_yaml_of_this_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert run().stderr.startswith("durward.yaml: there is no such file")
    (tmp_path / "durward.yaml").write_text(GOOD, "utf-8")
    assert run().exit_code == 0
