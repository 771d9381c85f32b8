"""Where the journal lies: names, order, and who is dead."""

import fcntl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.records import layout


@pytest.mark.parametrize(
    "host,name",
    [
        ("web-1.example.com", "web-1.example.com-1795000000000"),
        ("Ünïcode Höst", "n-code-h-st-1795000000000"),
        ("../../etc/passwd", "etc-passwd-1795000000000"),
        ("", "host-1795000000000"),
        ("---", "host-1795000000000"),
        ("x" * 200, "x" * 48 + "-1795000000000"),
        ('quote"back\\slash\n', "quote-back-slash-1795000000000"),
    ],
)
def test_a_writer_is_named_by_its_host_and_beginning(host: str, name: str) -> None:
    assert layout.writer_name(host, 1_795_000_000_000) == name


@given(st.text())
def test_any_host_gives_a_name_that_is_found_again(tmp_path_factory: pytest.TempPathFactory, host: str) -> None:
    folder = tmp_path_factory.mktemp("journal")
    writer = folder / layout.writer_name(host, 1_795_000_000_000)
    writer.mkdir()
    assert layout.writers(folder) == [writer]


def test_writers_come_in_the_order_of_their_beginnings(tmp_path: Path) -> None:
    for name in ("b-1795000000002", "a-1795000000003", "z-1795000000001", "a-1795000000001"):
        (tmp_path / name).mkdir()
    (tmp_path / ".hidden-1795000000000").mkdir()
    (tmp_path / "other").mkdir()
    names = [writer.name for writer in layout.writers(tmp_path)]
    assert names == ["a-1795000000001", "z-1795000000001", "b-1795000000002", "a-1795000000003"]
    assert layout.writers(tmp_path / "missing") == []


def test_segments_come_in_numeric_order(tmp_path: Path) -> None:
    for name in ("10.jsonl", "9.jsonl", "1.jsonl", "x.jsonl", "2.jsonl.zst", "9.jsonl.zst", ".3.jsonl.zst", "reserve"):
        (tmp_path / name).touch()
    assert layout.segments(tmp_path) == [1, 2, 9, 10]
    assert [number for number in range(12) if layout.present(tmp_path, number)] == [1, 2, 9, 10]
    assert layout.segment(tmp_path, 9) == tmp_path / "9.jsonl"


@pytest.mark.parametrize(
    "content,whole",
    [
        (b"", 0),
        (b"one\n", 4),
        (b"one\ntw", 4),
        (b"torn", 0),
        (b"one\n" + b"x" * 200_000, 4),
        (b"x" * layout.BLOCK + b"\n", layout.BLOCK + 1),
    ],
)
def test_only_whole_lines_count(tmp_path: Path, content: bytes, whole: int) -> None:
    (tmp_path / "1.jsonl").write_bytes(content)
    assert layout.whole_length(tmp_path / "1.jsonl") == whole


def test_a_writer_is_dead_when_its_lock_is_free(tmp_path: Path) -> None:
    with layout.dead(tmp_path) as gone:
        assert not gone, "a writer that has made no lock yet is just beginning"
    with (tmp_path / layout.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with layout.dead(tmp_path) as gone:
            assert not gone
    with layout.dead(tmp_path) as gone:
        assert gone
        with layout.dead(tmp_path) as twice:
            assert not twice, "only one may mend it"
    with layout.dead(tmp_path) as gone:
        assert gone
