"""Closed segments get smaller and nothing else changes: not for listings, checks or recovery, and not where a pass ends in its middle."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from durward.records import compressing, layout
from durward.records import writer as writers
from durward.records.compressing import COOL_SECONDS, LOOK_SECONDS, Compressor, compress, expand
from durward.records.index import Indexer
from durward.records.lines import as_json
from durward.records.queries import Index, Wanted
from durward.records.recovery import settle_estate
from durward.records.schema import INDEX
from durward.records.tail import Tail
from durward.records.verify import newest_heads, verify
from tests.records.scribe import Calls, Watch, after_death, journal
from tests.records.truth import truth


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "SEGMENT_BYTES", 4_000)
    monkeypatch.setattr(compressing, "SMALLEST", 0)
    monkeypatch.setattr(compressing, "FRAME", 1_000)


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The journal of a gate that was killed over its last call."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    calls, watch = Calls(), Watch()
    with journal(data_dir, watch, signed=True) as written:
        for _ in range(20):
            opening = calls.opening(session="s")
            written.intent(opening)
            written.settle(calls.closing(opening))
            watch.now += 1
            written.tick()
        written.intent(calls.opening())
        return after_death(data_dir)


def writer_of(data_dir: Path) -> Path:
    (writer,) = layout.writers(data_dir / layout.JOURNAL)
    return writer


def run(data_dir: Path, ahead: float = COOL_SECONDS + 60) -> None:
    compressor = Compressor(
        data_dir, lambda: max(path.stat().st_mtime for path in writer_of(data_dir).iterdir()) + ahead
    )
    while compressor.step():
        pass


def forms(data_dir: Path) -> list[str]:
    return sorted(path.name for path in writer_of(data_dir).iterdir() if "jsonl" in path.name)


def listed(data_dir: Path) -> list[str]:
    with closing(Indexer(data_dir)) as indexer:
        while indexer.step():
            pass
    with closing(Index(data_dir)) as index:
        return sorted(as_json(record) for record in index.calls(Wanted()))


def test_it_all_reads_as_before(left: Path) -> None:
    heads = newest_heads(left)
    lines = verify(left, heads).lines
    known = sorted(as_json(record) for record in truth(left))
    assert listed(left) == known
    last = layout.segments(writer_of(left))[-1]
    run(left)
    assert forms(left) == sorted([*(f"{n}.jsonl.zst" for n in range(1, last)), f"{last}.jsonl"])
    assert listed(left) == known
    (left / INDEX).unlink()
    assert listed(left) == known
    verdict = verify(left, heads)
    assert (verdict.problems, verdict.lines, newest_heads(left)) == ([], lines, heads)


def test_of_a_writer_that_is_over_the_last_one_too(left: Path) -> None:
    (writer_of(left) / layout.RECOVERED).touch()
    known = Tail(left).before(100)
    assert known
    run(left, 0)
    assert all(name.endswith(".zst") for name in forms(left))
    assert Tail(left).before(100) == known
    assert verify(left, newest_heads(left)).problems == []


def test_what_may_still_change_is_left_alone(left: Path) -> None:
    before = forms(left)
    run(left, 0)
    assert forms(left) == before
    writer = writer_of(left)
    # The second is begun, and has no line; the first has one that is not whole.
    layout.segment(writer, 2).write_bytes(b"")
    with layout.segment(writer, 3).open("ab") as file:
        file.write(b'{"v":1')
    run(left)
    assert {"1.jsonl", "2.jsonl", "3.jsonl"} <= set(forms(left))
    assert "4.jsonl.zst" in forms(left)


def test_only_one_process_does_it(left: Path) -> None:
    before = forms(left)
    with layout.upkeep(left / layout.JOURNAL) as ours:
        assert ours
        run(left)
    assert forms(left) == before


def test_it_looks_again_after_a_while(left: Path) -> None:
    watch = Watch(writer_of(left).stat().st_mtime)
    compressor = Compressor(left, watch.time)
    while compressor.step():
        pass
    watch.now += COOL_SECONDS + 60
    assert compressor.step()
    while compressor.step():
        pass
    assert "1.jsonl.zst" in forms(left)
    watch.now += LOOK_SECONDS - 1
    assert not compressor.step()


class Crash(BaseException):
    """The machine goes down."""


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("call", ["fsync", "replace", "unlink"])
@pytest.mark.parametrize("failure", [Crash(), OSError(28, "No space left on device")])
def test_whatever_ends_it_the_segment_is_there(
    left: Path, monkeypatch: pytest.MonkeyPatch, call: str, failure: BaseException, *, whole: bool
) -> None:
    known = listed(left)

    def fails(*_: object, **__: object) -> None:
        raise failure

    owner = os if call == "fsync" else Path
    real = getattr(owner, call)
    with monkeypatch.context() as patch, pytest.raises(type(failure)):
        patch.setattr(owner, call, fails)
        list(compress(writer_of(left), 1))
    assert getattr(owner, call) is real
    if not whole:
        # What a crash leaves beside is no segment.
        (writer_of(left) / ".1.jsonl.zst").write_bytes(b"half a fi")
    (left / INDEX).unlink()
    assert listed(left) == known
    assert verify(left, newest_heads(left)).problems == []
    run(left)
    assert "1.jsonl" not in forms(left)
    assert ".1.jsonl.zst" not in forms(left)
    assert listed(left) == known


def test_what_does_not_work_is_said_once_and_tried_again(
    left: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = forms(left)
    with monkeypatch.context() as patch:
        patch.setattr(compressing, "table", lambda _: b"no table")
        run(left)
        run(left)
    assert forms(left) == before
    assert {record.message.partition(": ")[0] for record in caplog.records} == {"a segment cannot be compressed yet"}
    run(left)
    assert "1.jsonl.zst" in forms(left)


def test_the_last_room_on_a_disk_is_left_to_new_lines(
    left: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = forms(left)
    full = os.statvfs_result((4096, 4096, 0, 0, 1, 0, 0, 0, 0, 255))
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda _: full)
        run(left)
    assert forms(left) == before
    assert "too little room" in caplog.text
    run(left)
    assert "1.jsonl.zst" in forms(left)


def test_a_damaged_file_is_found(left: Path) -> None:
    run(left)
    path = layout.compressed(writer_of(left), 2)
    content = path.read_bytes()
    path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    (problem,) = verify(left, []).problems
    assert problem == (f"{writer_of(left).name}/2.jsonl.zst", "this file is damaged, or not ours")


def test_recovery_goes_on_in_a_compressed_segment_where_the_last_one_was_lost(left: Path) -> None:
    writer = writer_of(left)
    last = layout.segments(writer)[-1]
    kept = layout.segment(writer, last - 1).read_bytes()
    run(left)
    layout.segment(writer, last).write_bytes(b"")
    estate = settle_estate(writer)
    assert estate.end is not None
    assert estate.end.hash == kept[-67:-3]
    assert layout.segment(writer, last - 1).read_bytes() == kept
    assert not layout.compressed(writer, last - 1).exists()
    assert expand(writer, last - 1) == layout.segment(writer, last - 1)
