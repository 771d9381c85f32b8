"""The real gate in seeded worlds: whatever callers, upstreams, disk and fate do, no promise is broken.

`--seed N` plays one world and shows its log; `--seeds N` says how many are played.
"""

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from tests.simulation.main import report, worlds
from tests.simulation.world import World, make_folder, play

BATCH = 100
HAPPENINGS = {
    "journal: unknown": 5,
    "journal: refused": 40,
    "event: Event(at=": 40,
    "goes by": 20,
    "gate 1 dies": 10,
    "gate 2 serves": 10,
    "drains for": 40,
    "disk: ": 10,
    "hangs up: close": 10,
    "hangs up: reset": 10,
    "hangs up: half": 10,
    "attempt 1": 2,
    "fault='silent'": 2,
    "fault='reset'": 5,
    "fault='stall'": 2,
    "fault='event'": 5,
    "fault='interim'": 2,
    "then='garbage'": 20,
    "halts=0.": 5,
    "ahead=True": 20,
    "is answered 200": 300,
    "is answered 403": 5,
    "is answered 429": 2,
    "is answered 502": 5,
    "is answered 504": 2,
}
"""What happens in a hundred worlds, and how often at least: worlds in which nothing happens prove nothing."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" in metafunc.fixturenames:
        seed, count = metafunc.config.getoption("--seed"), metafunc.config.getoption("--seeds")
        batches = [range(first, min(first + BATCH, count)) for first in range(0, count, BATCH)]
        chosen = batches if seed is None else [range(seed, seed + 1)]
        metafunc.parametrize("seeds", chosen, ids=[f"{each.start}-{each.stop - 1}" for each in chosen])


def test_no_promise_is_broken(seeds: range, request: pytest.FixtureRequest) -> None:
    for world in worlds(seeds):
        if request.config.getoption("--seed") is not None:
            print(report(world, log=True))
        assert not world.truth.violations, report(world, log=True)


@pytest.fixture(scope="module")
def hundred() -> Counter[str]:
    seen: Counter[str] = Counter()
    for world in worlds(range(100)):
        text = "\n".join(line for _, line in world.truth.log)
        seen.update({sign: text.count(sign) for sign in HAPPENINGS})
    return seen


@pytest.mark.parametrize("sign,least", HAPPENINGS.items(), ids=list(HAPPENINGS))
def test_the_worlds_are_full_of_trouble(hundred: Counter[str], sign: str, least: int) -> None:
    assert hundred[sign] >= least


def test_a_seed_is_the_same_world_again(tmp_path: Path) -> None:
    make_folder(tmp_path / "template")

    def once(seed: int) -> World:
        return play(seed, tmp_path / "template", tmp_path / "world")

    eight = range(8)
    first = [once(seed).truth.log for seed in eight]
    again = [once(seed).truth.log for seed in reversed(eight)]
    assert first == again[::-1]
    assert len({str(log) for log in first}) == len(eight)


def test_a_red_world_is_told_with_its_log_and_how_to_see_it_again() -> None:
    (world,) = islice(worlds([3]), 1)
    world.truth.violate("one record", "as if")
    text = report(world, log=True)
    assert text.startswith("seed 3: 1 violations\n  one record: as if\n")
    assert "gate 1 serves" in text
    assert text.endswith("the same world again: scripts/test tests/simulation/test_simulation.py --seed 3")
