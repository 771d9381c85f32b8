"""How many callers each gate of one Durward has, in memory that all of them see: whoever has more lets the others accept first.

Standard library only.
"""

import mmap
import os
import struct

SLOT = struct.Struct("=q")
SLACK = 4
"""A sixteenth more than another is as good as equal."""


def room(count: int) -> bytes:
    """The content of the file that so many gates share."""
    return bytes(SLOT.size * count)


class Shares:
    """One gate's view: `number` is its own slot."""

    def __init__(self, fd: int, number: int) -> None:
        """Takes the descriptor over."""
        size = os.fstat(fd).st_size
        self._slots = mmap.mmap(fd, size)
        os.close(fd)
        self._number = number
        self._count = size // SLOT.size
        self.tell(0)

    def tell(self, callers: int) -> None:
        """So many are ours."""
        SLOT.pack_into(self._slots, SLOT.size * self._number, callers)

    def gives_way(self, callers: int) -> bool:
        """Whether one that has so many callers should let another accept: there is one that has clearly fewer."""
        fewer = callers - 1 - (callers >> SLACK)
        return any(SLOT.unpack_from(self._slots, SLOT.size * number)[0] < fewer for number in range(self._count))
