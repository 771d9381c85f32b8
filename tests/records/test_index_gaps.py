"""What the index makes of a journal that is not as a gate left it: clocks that went back, folders that are gone, lines that are others."""

import json
import shutil
from contextlib import closing
from pathlib import Path

from durward.records import layout
from durward.records.index import Indexer
from durward.records.queries import Index, Wanted

OLD, NEW = "host-9900000001000", "host-9900000002000"


def identifier(number: int) -> str:
    return f"01990000-0000-7000-8000-{number:012}"


def write(data_dir: Path, writer: str, *lines: dict[str, object]) -> Path:
    segment = layout.segment(data_dir / layout.JOURNAL / writer, 1)
    segment.parent.mkdir(parents=True)
    segment.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    (segment.parent / "recovered").touch()
    return segment


def intent(number: int, agent: str = "a") -> dict[str, object]:
    return {"type": "intent", "id": identifier(number), "time": "2026-01-01T00:00:00.000Z", "agent": agent}


def settle(number: int) -> dict[str, object]:
    return {"type": "settle", "id": identifier(number), "outcome": "ok", "cost_nano": 7}


def step(data_dir: Path) -> None:
    with closing(Indexer(data_dir)) as indexer:
        indexer.step()


def listed(data_dir: Path) -> list[str]:
    with closing(Index(data_dir)) as index:
        return [record.id for record in index.calls(Wanted())]


def test_an_end_that_is_read_before_its_beginning_makes_one_call(tmp_path: Path) -> None:
    write(tmp_path, NEW, intent(1))
    write(tmp_path, OLD, {"type": "unknown", "id": identifier(1), "outcome": "unknown", "cost_nano": 5, "of": NEW})
    step(tmp_path)
    step(tmp_path)
    assert listed(tmp_path) == [identifier(1)]


def test_calls_of_a_folder_that_is_gone_are_not_shown_and_all_others_are(tmp_path: Path) -> None:
    write(tmp_path, OLD, intent(1), settle(1), settle(3))
    write(tmp_path, NEW, intent(2), settle(2))
    step(tmp_path)
    shutil.rmtree(tmp_path / layout.JOURNAL / OLD)
    assert listed(tmp_path) == [identifier(2)]
    with closing(Index(tmp_path)) as index:
        assert list(index.open_calls()) == []
        (spent,) = index.spend("agent")
    assert spent.cost_nano == 14
    step(tmp_path)
    assert listed(tmp_path) == [identifier(2)]


def test_a_line_that_is_now_another_calls_is_not_shown_as_this_ones(tmp_path: Path) -> None:
    segment = write(tmp_path, OLD, intent(1), settle(1))
    step(tmp_path)
    segment.write_bytes(segment.read_bytes().replace(identifier(1).encode(), identifier(2).encode()))
    assert listed(tmp_path) == []
