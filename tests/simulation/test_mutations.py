"""Each named change of the source turns the simulation red, by the promise that it breaks, and without the harness failing.

Compiled modules cannot be changed: in the second half of scripts/test these are the sources again, the named ones only, and the package
itself is held against surroundings that fail.
"""

import json
import os
import subprocess
import sys

import pytest

from tests.simulation.disk import Disk
from tests.simulation.main import worlds
from tests.simulation.mutations import MUTATIONS, SRC
from tests.simulation.pipes import End

SEEDS = 400
NAMED = {
    "settle after the terminal event",
    "no cancel upstream",
    "retry after the first byte",
    "a lost settle",
    "two records for one call",
    "a call on a mixed snapshot",
}
"""What the simulation must see, whatever else it does."""
HARNESS = {"bug", "end"}
"""What a world tells where it failed to be one."""


@pytest.mark.parametrize("name", sorted(NAMED) if "DURWARD_COMPILED" in os.environ else MUTATIONS)
def test_a_change_that_breaks_a_promise_is_seen(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.mutations", name, "--seeds", str(SEEDS)],
        cwd=SRC.parent,
        env={"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["seed"] is not None, f"{SEEDS} worlds are green with it"
    assert MUTATIONS[name].invariant in told["invariants"]
    assert not HARNESS & set(told["invariants"])


def test_none_of_the_named_ones_is_missing() -> None:
    assert set(MUTATIONS) >= NAMED


# What the source does not do wrong, its surroundings may: so that the compiled package is held against the same promises.


def test_a_disk_that_loses_ends_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    write = Disk.put

    def lossy(disk: Disk, fd: int, data: bytes) -> int:
        return len(data) if b'"type":"settle"' in data else write(disk, fd, data)

    monkeypatch.setattr(Disk, "put", lossy)
    assert seen(range(5)) >= {"settle first", "one record", "chain"}


def test_connections_that_outlive_their_callers_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    abort = End.abort

    def deaf(end: End) -> None:
        if not (end.life is not None and end is end.pipe.near):
            abort(end)

    monkeypatch.setattr(End, "abort", deaf)
    assert seen(range(60)) >= {"cancel", "left over"}


def seen(seeds: range) -> set[str]:
    """The invariants that were broken."""
    return {violation.invariant for world in worlds(seeds) for violation in world.truth.violations}
