"""The check of the journal: silent over what was written, and never over what was changed since."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durward.records import layout
from durward.records import writer as writers
from durward.records.chain import TAIL
from durward.records.heads import Head, load_signer
from durward.records.pending import Posted
from durward.records.recovery import Recovery
from durward.records.verify import PROBLEMS, Verdict, newest_heads, verify
from tests.records.scribe import Calls, Watch, after_death, journal

Lines = list[bytes]


def write_day(data_dir: Path, watch: Watch, calls: int = 20, *, closed: bool = True) -> Path:
    """A writer's folder with calls, a head after every fifth, in several segments."""
    data_dir.mkdir(exist_ok=True)
    made = Calls(seed=calls, now=watch.now)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writers, "SEGMENT_BYTES", 4_000)
        with journal(data_dir, watch, signed=True) as written:
            for number in range(calls):
                opening = made.opening()
                written.intent(opening)
                written.settle(made.closing(opening))
                watch.now += 1
                if number % 5 == 4:
                    written.tick()
            found = data_dir if closed else after_death(data_dir)
            assert written.writer is not None
            return found / "journal" / written.writer.name


@pytest.fixture
def watch() -> Watch:
    return Watch()


def problems(data_dir: Path, *heads: Head) -> list[str]:
    return [f"{place}: {what}" for place, what in verify(data_dir, list(heads)).problems]


def test_what_was_written_is_whole(tmp_path: Path, watch: Watch) -> None:
    writer = write_day(tmp_path / "data", watch)
    verdict = verify(tmp_path / "data", newest_heads(tmp_path / "data"))
    assert verdict.problems == []
    assert verdict.notes == []
    assert (verdict.writers, verdict.unsigned) == (1, 0)
    assert verdict.lines == sum(len(read(writer, number)) for number in layout.segments(writer))
    assert len(layout.segments(writer)) > 3


def test_nothing_written_is_whole(tmp_path: Path) -> None:
    assert problems(tmp_path) == []
    assert newest_heads(tmp_path) == []


def read(writer: Path, number: int) -> Lines:
    return layout.segment(writer, number).read_bytes().splitlines(keepends=True)


def write(writer: Path, number: int, lines: Lines) -> None:
    layout.segment(writer, number).write_bytes(b"".join(lines))


def edited(lines: Lines, at: int) -> Lines:
    changed = lines[at].replace(b'"type":"', b'"type": "')
    return [*lines[:at], changed, *lines[at + 1 :]]


def resealed(lines: Lines, at: int) -> Lines:
    """An edit by someone who knows how a line is sealed."""
    body = lines[at][:-TAIL].replace(b'"time":"2', b'"time":"1')
    changed = b'%b,"hash":"%b"}\n' % (body, sha256(body).hexdigest().encode())
    return [*lines[:at], changed, *lines[at + 1 :]]


def doubled(lines: Lines, at: int) -> Lines:
    return [*lines[: at + 1], *lines[at:]]


def removed(lines: Lines, at: int) -> Lines:
    return lines[:at] + lines[at + 1 :]


def swapped(lines: Lines, at: int) -> Lines:
    return [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


TAMPERED: list[Callable[[Lines, int], Lines]] = [edited, resealed, doubled, removed, swapped]


@settings(max_examples=60)
@given(st.sampled_from(TAMPERED), st.data())
def test_any_line_that_is_tampered_with_is_found(
    tmp_path_factory: pytest.TempPathFactory, tamper: Callable[[Lines, int], Lines], data: st.DataObject
) -> None:
    data_dir = tmp_path_factory.mktemp("tampered") / "data"
    writer = write_day(data_dir, Watch(), 8)
    number = data.draw(st.sampled_from(layout.segments(writer)))
    lines = read(writer, number)
    last = number == layout.segments(writer)[-1]
    at = data.draw(st.integers(0, len(lines) - 2 - (last and tamper is not doubled)))
    write(writer, number, tamper(lines, at))
    assert problems(data_dir), (tamper.__name__, number, at)


@pytest.mark.parametrize(
    "tamper,said",
    [
        (edited, "this line is not the one that was written"),
        (resealed, "this line follows another one than the one before it"),
        (doubled, "line 5 stands behind line 5: it was moved, or put in"),
        (removed, "lines 5 to 5 are missing before this one"),
        (swapped, "lines 5 to 5 are missing before this one"),
    ],
)
def test_what_was_done_and_where_is_said(
    tmp_path: Path, watch: Watch, tamper: Callable[[Lines, int], Lines], said: str
) -> None:
    writer = write_day(tmp_path / "data", watch)
    write(writer, 1, tamper(read(writer, 1), 4))
    place, _, what = problems(tmp_path / "data")[0].partition(": ")
    assert what == said
    assert place == f"{writer.name}/1.jsonl:{6 if tamper in {resealed, doubled} else 5}"


def test_segments_that_are_gone_moved_or_of_others_are_found(tmp_path: Path, watch: Watch) -> None:
    writer = write_day(tmp_path / "data", watch)
    other = write_day(tmp_path / "data", Watch(watch.now + 5))
    layout.segment(writer, 2).rename(tmp_path / "kept")
    assert any("segments before 3 are missing" in problem for problem in problems(tmp_path / "data"))
    layout.segment(writer, 2).write_bytes(layout.segment(writer, 3).read_bytes())
    assert any("this is the beginning of segment 3" in problem for problem in problems(tmp_path / "data"))
    layout.segment(writer, 2).write_bytes(layout.segment(other, 2).read_bytes())
    assert any(f"of the writer {other.name}" in problem for problem in problems(tmp_path / "data"))
    layout.segment(writer, 2).write_bytes((tmp_path / "kept").read_bytes())
    assert problems(tmp_path / "data") == []


def cut(writer: Path, lines: int) -> None:
    """Take so many lines from the end, as if they had never been written."""
    for number in reversed(layout.segments(writer)):
        kept = read(writer, number)
        write(writer, number, kept[: max(0, len(kept) - lines)])
        if len(kept) > lines:
            return
        layout.segment(writer, number).unlink()
        lines -= len(kept)


@pytest.mark.parametrize("lines", [1, 2, 5, 17, 30])
def test_an_end_that_was_cut_off_is_found_with_an_outside_head(tmp_path: Path, watch: Watch, lines: int) -> None:
    writer = write_day(tmp_path / "data", watch)
    (head,) = newest_heads(tmp_path / "data")
    cut(writer, lines)
    found = problems(tmp_path / "data", head)
    # The last line is the signature itself: what it was over is still there.
    assert bool(found) == (lines > 1)
    if found:
        assert f"the outside head was signed at line {head.seq}" in found[-1]


def test_an_end_that_was_written_anew_is_found_with_an_outside_head(tmp_path: Path, watch: Watch) -> None:
    writer = write_day(tmp_path / "data", watch)
    (head,) = newest_heads(tmp_path / "data")
    lines = read(writer, layout.segments(writer)[-1])
    body = lines[-2][:-TAIL].replace(b'"time":"2', b'"time":"1')
    digest = sha256(body).hexdigest().encode()
    lines[-2] = b'%b,"hash":"%b"}\n' % (body, digest)
    body = lines[-1][:-TAIL].replace(head.hash.encode(), digest)
    lines[-1] = b'%b,"hash":"%b"}\n' % (body, sha256(body).hexdigest().encode())
    write(writer, layout.segments(writer)[-1], lines)
    found = problems(tmp_path / "data")
    assert found == [f"{writer.name}: the head of line {head.seq} is not signed with journal.key"]
    assert any("not the line for which the outside head was signed" in one for one in problems(tmp_path / "data", head))


def test_heads_that_are_no_heads_are_found(tmp_path: Path, watch: Watch) -> None:
    write_day(tmp_path / "data", watch)
    (tmp_path / "other").mkdir()
    (head,) = newest_heads(tmp_path / "data")
    members = {name: getattr(head, name) for name in Head.__struct_fields__}
    stranger = load_signer(tmp_path / "other")
    forged = Head(**members | {"seq": head.seq - 1})
    of_another = Head(**members | {"key": stranger.public})
    gone = Head(**members | {"writer": "gone-1795000000000"})
    assert any("does not have a valid signature" in one for one in problems(tmp_path / "data", forged))
    assert any("valid signature" in one for one in problems(tmp_path / "data", of_another))
    assert any("this writer's folder is gone" in one for one in problems(tmp_path / "data", gone))
    (tmp_path / "data" / "journal.pub").write_bytes((tmp_path / "other" / "journal.pub").read_bytes())
    assert any("signed with another key than journal.key" in one for one in problems(tmp_path / "data", head))


def test_an_end_for_which_a_later_writer_vouches_cannot_be_cut_off(tmp_path: Path, watch: Watch) -> None:
    data_dir = tmp_path / "data"
    write_day(data_dir, watch, closed=False)
    data_dir = tmp_path / "data-after"
    with journal(data_dir, watch, signed=True) as living:

        def wait(posted: Posted) -> bool:
            while not posted.written.is_set():
                living.tick()
            return True

        Recovery(living, data_dir, wait).look()
        living.tick()
    (writer, last) = layout.writers(data_dir / "journal")
    assert problems(data_dir) == []
    assert [head.writer for head in newest_heads(data_dir)] == [last.name]
    cut(writer, 1)
    assert any("a later writer vouches for line" in one for one in problems(data_dir))
    for path in writer.iterdir():
        path.unlink()
    writer.rmdir()
    assert any("this writer's folder is gone; a later writer" in one for one in problems(data_dir))


def test_a_torn_line_and_a_reserve_are_noted_and_no_problem(tmp_path: Path, watch: Watch) -> None:
    writer = write_day(tmp_path / "data", watch, closed=False)
    path = layout.segment(writer, layout.segments(writer)[-1])
    whole = path.read_bytes()
    *_, settle = [line for line in whole.splitlines(keepends=True) if b'"settle"' in line]
    path.write_bytes(whole[:-10])
    verdict = verify(tmp_path / "data-after", [])
    assert verdict.problems == []
    assert "not whole" in verdict.notes[0]
    (writer / layout.RESERVE).write_bytes(settle + bytes(100))
    cut(writer, 3)
    assert "keeps 1 lines in its reserve" in verify(tmp_path / "data-after", []).notes[-1]


def test_lines_behind_the_last_head_are_counted_and_a_long_silence_is_a_problem(tmp_path: Path, watch: Watch) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    calls = Calls()
    with journal(data_dir, watch, signed=True) as written:
        written.tick()
        opening = calls.opening()
        written.intent(opening)
        watch.now += 59
        written.settle(calls.closing(opening))
        verdict = verify(data_dir, [])
        assert (verdict.problems, verdict.unsigned) == ([], 2)
        watch.now += 2
        written.settle(calls.closing(opening))
        assert "nothing is signed between" in problems(data_dir)[0]


def test_without_a_key_nothing_is_signed_and_the_chain_is_checked_all_the_same(tmp_path: Path, watch: Watch) -> None:
    calls = Calls()
    with journal(tmp_path, watch) as written:
        opening = calls.opening()
        written.intent(opening)
        watch.now += 1_000
        written.settle(calls.closing(opening))
    assert verify(tmp_path, []).unsigned == 4
    assert problems(tmp_path) == []
    assert written.writer is not None
    write(written.writer, 1, edited(read(written.writer, 1), 1))
    assert problems(tmp_path)


def test_problems_are_bounded(tmp_path: Path, watch: Watch) -> None:
    writer = write_day(tmp_path / "data", watch, 150)
    for number in layout.segments(writer):
        write(writer, number, [line.replace(b"gpt", b"gqt") for line in read(writer, number)])
    assert len(problems(tmp_path / "data")) == PROBLEMS


def test_a_verdict_is_whole_until_something_is_found() -> None:
    verdict = Verdict()
    assert (verdict.problems, verdict.notes, verdict.lines) == ([], [], 0)
