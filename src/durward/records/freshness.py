"""What a listing does before it answers: see that the index holds what the journal held when the listing began.

While a gate runs, its office follows the journal, so the listing waits a little. While none runs, the listing follows by itself, under the
lock that a start takes; it lets go of it again and again, so that a start need not wait.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from durward.calls.errors import GateError
from durward.records import layout
from durward.records.index import Indexer
from durward.records.queries import Index
from durward.records.schema import INDEX
from durward.records.stored import stored

RUNNING = "lock"
"""The file in the data directory that a running Durward holds locked."""
LOOK_AGAIN_SECONDS = 0.05
LOOKS = 100
"""At an office that does not come, five seconds long."""
STEPS_A_TURN = 20
"""Steps between two chances for a start to take the lock: some 20 MiB of journal, a quarter of a second."""


class End(NamedTuple):
    """How far a writer's lines went."""

    writer: Path
    segment: int
    offset: int


def journal_ends(data_dir: Path, index: Index) -> list[End]:
    """The ends of all writers that the index has not read for good."""
    followed = index.followed()
    ends = []
    for writer in layout.writers(data_dir / layout.JOURNAL):
        _, _, done = followed.get(writer.name, (0, 0, False))
        numbers = [] if done else layout.segments(writer)
        if numbers:
            with stored(writer, numbers[-1]) as opened:
                ends.append(End(writer, numbers[-1], opened.whole()))
    return ends


def missing(index: Index, ends: list[End]) -> int:
    """Bytes of journal before `ends` that the index does not hold."""
    followed = index.followed()
    total = 0
    for end in ends:
        segment, offset, done = followed.get(end.writer.name, (0, 0, False))
        if done or (segment, offset) >= (end.segment, end.offset):
            continue
        numbers = layout.segments(end.writer)
        sizes = [_size(end.writer, number) for number in numbers if segment <= number < end.segment]
        total += sum(sizes) + end.offset - (offset if segment else 0)
    return total


def _size(writer: Path, number: int) -> int:
    with stored(writer, number) as opened:
        return opened.size


def catch_up(data_dir: Path, pause: Callable[[float], None] = time.sleep) -> int:
    """Bring the index to where the journal is now, or wait for it. The bytes that it still lacks after 5 s of waiting, else 0.

    Raises GateError `state_unavailable` where the index cannot be used.
    """
    ends: list[End] | None = None
    looks = 0
    while True:
        try:
            ends, lacking = _look(data_dir, ends)
        except GateError:
            # One that was damaged has been thrown away, and is made anew by whoever keeps it.
            if looks == LOOKS or (data_dir / INDEX).exists():
                raise
            lacking = 1
        if not lacking or looks == LOOKS:
            return lacking
        if not _take_turn(data_dir):
            looks += 1
        pause(LOOK_AGAIN_SECONDS)


def _look(data_dir: Path, ends: list[End] | None) -> tuple[list[End], int]:
    """The ends to be reached, those of now where none are known, and the bytes that the index lacks before them."""
    index = Index(data_dir)
    try:
        if ends is None:
            ends = journal_ends(data_dir, index)
        return ends, missing(index, ends)
    finally:
        index.close()


def _take_turn(data_dir: Path) -> bool:
    """Follow the journal for a while, unless a gate runs. Whether we could."""
    with _nothing_runs(data_dir) as free:
        if free:
            indexer = Indexer(data_dir)
            try:
                for _ in range(STEPS_A_TURN):
                    if not indexer.step():
                        break
            finally:
                indexer.close()
        return free


@contextmanager
def _nothing_runs(data_dir: Path) -> Iterator[bool]:
    try:
        # Not made here: the lock's age tells which data directory was started last.
        lock = os.open(data_dir / RUNNING, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        yield layout.try_lock(lock)
    finally:
        os.close(lock)
