"""Lines that are not in the chain yet: those of a turn that has not ended, and those that another thread has posted."""

from collections import deque
from collections.abc import Iterable
from threading import Event
from typing import NamedTuple

from durward.calls.record import Closing


class Posted:
    """Lines that another thread wants in this chain. `written` is set when they are."""

    def __init__(self, lines: Iterable[tuple[bytes, bytes]]) -> None:
        self.lines = deque(lines)
        """Each line's type, and its members without `time`."""
        self.written = Event()


Parked = tuple[bytes, bytes, Closing | None, str]
"""A line that waits for the end of the turn: its type, its members without `time` if it is a settle, that settle's half, and the call.

A plain tuple: two are made a call, and a named one costs as much as a line's hash.
"""


class Kept(NamedTuple):
    """What a commit could keep: where False, some intents, or some ends of calls, are in no file, and what hangs on them may not leave."""

    beginnings: bool
    ends: bool


ALL_KEPT = Kept(True, True)
