"""The entry point: only what is asked for is imported, and errors are sentences."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from durward import __version__
from durward.cli import main
from durward.cli.main import COMMANDS, command_line
from durward.protocols import framing
from tests.server.running import command


def test_every_command_is_in_the_help() -> None:
    told = CliRunner().invoke(command_line([]), ["--help"]).output
    assert all(name in told for name in COMMANDS)


def test_only_the_command_that_is_asked_for_is_there() -> None:
    runner = CliRunner()
    assert runner.invoke(command_line(["agent"]), ["agent", "--help"]).exit_code == 0
    assert runner.invoke(command_line(["agent"]), ["up", "--help"]).exit_code == 2


def test_a_misspelt_command_is_answered_with_what_was_meant(tmp_path: Path) -> None:
    ended = command(tmp_path, "agnt")
    assert ended.returncode == 2
    assert "Did you mean 'agent'?" in ended.stderr


def test_a_mistake_in_the_file_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "durward.yaml").write_text("a: 1\na: 2\n")
    ended = command(tmp_path, "agent", "list")
    assert ended.returncode == 2
    assert "durward.yaml:2:1" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_listing_does_not_load_what_checks_files() -> None:
    program = (
        "import sys; from durward.cli.main import command_line; command_line(['agent', 'list']);"
        "print(sorted({'pydantic', 'uvloop', 'cryptography'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_the_version_is_told(tmp_path: Path) -> None:
    how = "pure Python" if framing.__file__.endswith(".py") else "compiled"
    assert command(tmp_path, "--version").stdout == f"durward {__version__} ({how})\n"


def test_an_error_of_the_system_names_the_file_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(words: list[str]) -> typer.Typer:
        raise PermissionError(errno.EACCES, "Permission denied", "/x/journal")

    monkeypatch.setattr(main, "command_line", refuse)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "It could not be done: /x/journal: Permission denied.\n"
