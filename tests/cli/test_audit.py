"""`durward audit`: a word over a whole journal, the place of every change, and heads to keep outside."""

from pathlib import Path

import pytest

from durward.calls.errors import CallerError
from durward.records import layout
from tests.cli.recorded import durward, record_story
from tests.records.scribe import journal


def segment(data_dir: Path) -> Path:
    (writer,) = layout.writers(data_dir / layout.JOURNAL)
    return layout.segment(writer, 1)


def test_a_whole_journal_is_said_to_be_whole(tmp_path: Path) -> None:
    record_story(tmp_path)
    said = durward("audit", "verify", "-c", str(tmp_path))
    assert said.lines == ["Whole: 16 lines of 1 writer."]
    assert said.code == 0


def test_a_change_is_told_with_its_place_and_the_exit_code(tmp_path: Path) -> None:
    record_story(tmp_path)
    path = segment(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"cost_nano":7', b'"cost_nano":6'))
    said = durward("audit", "verify", "-c", str(tmp_path))
    assert said.lines == [f"{path.parent.name}/1.jsonl:13: this line is not the one that was written"]
    assert "1 problem." in said.beside
    assert said.code == 1


def test_a_head_that_was_kept_outside_shows_what_was_cut_off(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    record_story(data_dir)
    head = tmp_path / "head.json"
    head.write_text("\n".join(durward("audit", "head", "-c", str(data_dir)).lines))
    said = durward("audit", "verify", "-c", str(data_dir), "--head", str(head))
    assert said.lines == ["Whole: 16 lines of 1 writer, up to and with the line of the head that was kept outside."]
    lines = segment(data_dir).read_bytes().splitlines(keepends=True)
    segment(data_dir).write_bytes(b"".join(lines[:-4]))
    assert durward("audit", "verify", "-c", str(data_dir)).code == 0
    said = durward("audit", "verify", "-c", str(data_dir), "--head", str(head))
    assert said.code == 1
    assert "the chain ends at line 12; the outside head was signed at line 15" in said.lines[0]


def test_notes_are_no_problems(tmp_path: Path) -> None:
    with journal(tmp_path, signed=True):
        pass
    with segment(tmp_path).open("ab") as file:
        file.write(b"torn")
    said = durward("audit", "verify", "-c", str(tmp_path))
    assert "note:" in said.beside
    assert said.code == 0


def test_lines_that_are_not_signed_yet_are_counted(tmp_path: Path) -> None:
    with journal(tmp_path, signed=True):
        assert durward("audit", "verify", "-c", str(tmp_path)).lines == [
            "Whole: 1 line of 1 writer; the last 1 of them not signed yet."
        ]


def test_without_a_head_there_is_none_to_export(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="No head is signed yet"):
        durward("audit", "head", "-c", str(tmp_path))


def test_what_is_no_head_is_said(tmp_path: Path) -> None:
    (tmp_path / "head.json").write_text('{"v": 1}')
    with pytest.raises(CallerError, match="holds no head"):
        durward("audit", "verify", "-c", str(tmp_path), "--head", str(tmp_path / "head.json"))
    with pytest.raises(CallerError, match="cannot be read"):
        durward("audit", "verify", "-c", str(tmp_path), "--head", str(tmp_path / "missing.json"))
