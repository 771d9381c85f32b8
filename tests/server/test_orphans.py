"""What process 1 inherits is collected, and what somebody waits for is left to that one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from durward.server.orphans import Orphans, ended_children
from tests.server.running import until

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="process 1 of a container is on Linux")


def ended() -> int:
    """A child that has ended, and that nobody waits for."""
    pid = os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", ""], {})
    until(lambda: pid in ended_children(os.getpid()), "its end")
    return pid


def test_what_nobody_waits_for_is_collected_at_the_second_look() -> None:
    pid = ended()
    orphans = Orphans()
    orphans.look()
    assert pid in ended_children(os.getpid())
    orphans.look()
    assert pid not in ended_children(os.getpid())


def test_what_is_waited_for_meanwhile_keeps_its_exit_code() -> None:
    orphans = Orphans()
    child = subprocess.Popen([sys.executable, "-S", "-c", "raise SystemExit(7)"])
    until(lambda: child.pid in ended_children(os.getpid()), "its end")
    orphans.look()
    assert child.wait() == 7
    orphans.look()


def test_who_lives_and_whose_parent_is_another_is_left_alone() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid not in ended_children(os.getpid())
        assert ended_children(1 << 30) == set()
        child.communicate(b"\n")


class SeenTwice(Exception):
    """It has looked two times."""


async def test_it_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look(_: Orphans) -> None:
        looks.append(1)
        if len(looks) == 2:
            raise SeenTwice

    monkeypatch.setattr(Orphans, "look", look)
    monkeypatch.setattr("durward.server.orphans.LOOK_SECONDS", 0.0)
    with pytest.raises(SeenTwice):
        await Orphans().collect()
