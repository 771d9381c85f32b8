"""The settings in force are asked of the running Durward, however long they are, and never a mixture of two."""

from pathlib import Path
from typing import Any

import pytest

from durward.calls.errors import GateError
from durward.cli import in_force as asking
from durward.cli.in_force import in_force
from durward.config.settings import Agent, Settings, settings_json

PIECE = 100


class Supervisor:
    """Answers as one, piece by piece; its settings change with the answers whose numbers are given."""

    def __init__(self, *changes: int) -> None:
        self._answers = 0
        self._changes = changes
        self._mark = 0

    def settings(self) -> Settings:
        return Settings("127.0.0.1:1", "/data", agents=tuple(Agent(f"a{n}é", team=f"t{self._mark}") for n in range(9)))

    def ask(self, _folder: Path, message: dict[str, Any]) -> dict[str, Any]:
        self._answers += 1
        self._mark += self._answers in self._changes
        whole = settings_json(self.settings())
        piece = whole[message["from"] : message["from"] + PIECE]
        return {"piece": piece.decode("latin-1"), "size": len(whole), "mark": self._mark, "listen": ""}


def test_they_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Supervisor()
    monkeypatch.setattr(asking, "ask", running.ask)
    assert in_force(Path("/data")) == (running.settings(), "")


def test_those_that_change_meanwhile_are_asked_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Supervisor(2)
    monkeypatch.setattr(asking, "ask", running.ask)
    found = in_force(Path("/data"))
    assert found is not None
    assert {agent.team for agent in found.settings.agents} == {"t1"}
    monkeypatch.setattr(asking, "ask", Supervisor(*range(2, 99)).ask)
    with pytest.raises(GateError, match="change all the time"):
        in_force(Path("/data"))


def test_where_nothing_runs_there_are_none(tmp_path: Path) -> None:
    assert in_force(tmp_path) is None
