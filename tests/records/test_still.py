"""A copy of the journal is whole, and says the same as the journal, whenever it is taken."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from durward.calls.errors import GateError
from durward.records import layout, still
from durward.records.archive import belongs
from durward.records.compressing import compress
from durward.records.pending import Posted
from durward.records.recovery import Recovery
from durward.records.still import Still, stand_still
from tests.faults.ledger import Ledger, problems, read_ledger
from tests.records.mending import STEPS, mending
from tests.records.scribe import Calls, Watch, journal
from tests.records.test_verify import write_day


def never(seconds: float) -> None:
    raise AssertionError("the journal stands still")


def laid_out(found: Still, folder: Path) -> Path:
    """What a restore makes of a copy, without the archive between."""
    for piece in found.pieces:
        path = folder / piece.name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = piece.path.read_bytes() if piece.path else piece.content
        path.write_bytes(content[: piece.size])
        (path.parent / layout.LOCK).touch()
    return folder


def mended(data_dir: Path) -> Ledger:
    """The journal after the next start."""
    with journal(data_dir, Watch(1_795_900_000.0)) as living:

        def wait(posted: Posted) -> bool:
            while not posted.written.is_set():
                living.tick()
            return True

        Recovery(living, data_dir, wait).look()
    return read_ledger(data_dir)


def test_of_a_line_that_is_being_written_nothing_is_copied(tmp_path: Path) -> None:
    writer = write_day(tmp_path / "data", Watch(), closed=False)
    last = layout.segments(writer)[-1]
    whole = layout.segment(writer, last).read_bytes()
    with layout.segment(writer, last).open("ab") as file:
        file.write(b'{"v":1,"writer"')
    found = stand_still(tmp_path / "data-after", never)
    assert found.pieces[-1].size == len(whole)
    assert found.tips[0].hash.encode() in whole.splitlines()[-1]
    assert problems(laid_out(found, tmp_path / "copy")) == []


def test_compressed_segments_are_copied_as_they_are(tmp_path: Path) -> None:
    writer = write_day(tmp_path / "data", Watch(), calls=60)
    for _ in compress(writer, 1):
        pass
    found = stand_still(tmp_path / "data", never)
    assert found.pieces[0].name == f"journal/{writer.name}/1.jsonl.zst"
    copy = laid_out(found, tmp_path / "copy")
    assert (copy / found.pieces[0].name).read_bytes() == layout.compressed(writer, 1).read_bytes()
    assert problems(copy) == []
    assert all(belongs(piece.name) for piece in found.pieces)


def test_an_empty_journal_and_none_are_no_error(tmp_path: Path) -> None:
    assert stand_still(tmp_path, never) == Still([], [])


LOOKS = 12
"""How often a copy of these two writers looks at a file."""
DICE = random.Random(20_271)
COURSES = [(2, look, 4) for look in range(1, LOOKS + 1)] + [
    (DICE.randrange(STEPS + 1), DICE.randrange(1, LOOKS + 1), DICE.randrange(STEPS + 1)) for _ in range(24)
]
"""How far a mending is when a copy begins, before which of its looks it goes on, and how far.

The first ones go from the claim to just before the mark.
"""


@pytest.mark.parametrize("before,interrupted,steps", COURSES)
def test_at_every_step_of_a_mending_before_and_within_a_copy_no_call_is_lost_or_ends_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, interrupted: int, steps: int
) -> None:
    with monkeypatch.context() as patch, mending(patch, tmp_path) as (data_dir, one, settled):
        looks = 0

        def go(steps: int) -> None:
            for _ in range(steps):
                one.step()

        def between(real: Callable[..., Any]) -> Callable[..., Any]:
            def looking(*words: Any) -> Any:
                nonlocal looks
                looks += 1
                go(steps if looks == interrupted else 0)
                return real(*words)

            return looking

        go(before)
        patch.setattr(still, "_bytes", between(still._bytes))
        patch.setattr(still, "_note_segments", between(still._note_segments))
        found = stand_still(data_dir, lambda _: None)
        assert all(belongs(piece.name) for piece in found.pieces)
        # The pieces are files that grow: what is written after the copy began is not in it.
        copy = laid_out(found, tmp_path / "copy")
    assert problems(copy) == []
    ledger = mended(copy)
    assert problems(copy) == []
    assert {call for call, ends in ledger.ends.items() if ends[0]["type"] == "settle"} == settled
    assert {len(ends) for ends in ledger.ends.values()} == {1}
    assert len(ledger.ends) == len(ledger.intents) == 6


def test_a_journal_that_never_comes_to_rest_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = write_day(tmp_path / "data", Watch())
    pauses: list[float] = []
    real = still._look

    def look(marks: still.Marks) -> Still:
        with (writer / layout.CLAIMS).open("a") as file:
            file.write("another\n")
        return real(marks)

    monkeypatch.setattr(still, "_look", look)
    with pytest.raises(GateError, match="does not come to rest"):
        stand_still(tmp_path / "data", pauses.append)
    assert len(pauses) == still.LOOKS


def test_a_segment_that_goes_while_it_is_looked_at_is_looked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_day(tmp_path / "data", Watch())
    real, left = layout.segments, [1]
    monkeypatch.setattr(layout, "segments", lambda writer: [*real(writer), *([99] if left and left.pop() else [])])
    found = stand_still(tmp_path / "data", lambda _: None)
    assert problems(laid_out(found, tmp_path / "copy")) == []


def test_calls_in_the_reserve_of_a_writer_that_lives_are_copied(tmp_path: Path) -> None:
    with journal(tmp_path) as written:
        calls = Calls()
        opening = calls.opening()
        written.intent(opening)
        assert written.writer is not None
        assert all(layout.RESERVE not in piece.name for piece in stand_still(tmp_path, never).pieces)
        written._writer.reserve.append(b"torn")  # type: ignore[union-attr]
        assert all(layout.RESERVE not in piece.name for piece in stand_still(tmp_path, never).pieces)
