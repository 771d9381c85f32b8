"""What the system says of this process's memory."""

import mmap
import sys
from pathlib import Path

import pytest

from durward.server.resident import PAGE, Resident


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_memory_that_is_used_is_seen_and_given_back() -> None:
    resident = Resident()
    before = resident.read()
    with mmap.mmap(-1, 64 * 2**20) as pages:
        for at in range(0, len(pages), PAGE):
            pages[at] = 1
        assert resident.read() - before > 60 * 2**20
    resident.give_back()
    assert resident.read() - before < 4 * 2**20
    resident.close()
    resident.close()


def test_where_the_system_does_not_tell_it_is_nothing(tmp_path: Path) -> None:
    resident = Resident(str(tmp_path / "statm"))
    assert resident.read() == 0
    resident.give_back()
    resident.close()
