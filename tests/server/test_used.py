"""What a process has of the machine is told where it can be seen."""

import os
from pathlib import Path

from durward.server.used import used


def test_a_process_is_seen_where_there_is_proc(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "statm").write_text("900 100 50 1 0 70 0\n")
    (folder / "stat").write_text("7 (a ) b) S " + " ".join(["0"] * 10) + " 150 50 0 0\n")
    (told,) = used("gate", 7, tmp_path)
    assert told["memory_bytes"] == 100 * os.sysconf("SC_PAGE_SIZE")
    assert told["cpu_seconds"] == 200 / os.sysconf("SC_CLK_TCK")


def test_what_cannot_be_seen_is_not_told(tmp_path: Path) -> None:
    assert used("gate", 7, tmp_path) == used("gate", None, tmp_path) == []
