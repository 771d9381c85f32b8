"""Plays worlds: `python -m tests.simulation.main --seeds 1000`, or one again with its log: `--seed 17`."""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.simulation.truth import Violation
from tests.simulation.world import World, make_folder, play

TOLD = 20
"""Violations of one world that are told."""
AGAIN = "scripts/test tests/simulation/test_simulation.py --seed {}"


def worlds(seeds: Iterable[int]) -> Iterator[World]:
    """Plays one world after another."""
    # Memory, where there is such a folder: a world writes a few hundred lines and reads them back.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="durward-worlds-", dir=memory if memory.is_dir() else None) as folder:
        template = Path(folder) / "template"
        make_folder(template)
        for seed in seeds:
            yield play(seed, template, Path(folder) / "world")


def report(world: World, *, log: bool) -> str:
    """What is wrong with a world, what happened in it, and how to see it again."""
    lines = [f"  {what.invariant}: {what.text}" for what in world.truth.violations[:TOLD]]
    if log:
        lines += ["", *(f"{at:12.6f}  {text}" for at, text in world.truth.log)]
    lines.append(f"\nthe same world again: {AGAIN.format(world.seed)}")
    return "\n".join([f"seed {world.seed}: {len(world.truth.violations)} violations", *lines])


def first_red(seeds: Iterable[int]) -> World | None:
    """The first world in which anything is wrong."""
    return next((world for world in worlds(seeds) if world.truth.violations), None)


def violations(world: World) -> list[Violation]:
    """What is wrong with it."""
    return world.truth.violations


def main() -> int:
    parser = argparse.ArgumentParser(description="Plays seeded worlds over the real gate.")
    parser.add_argument("--seed", type=int, help="only this one, with its log")
    parser.add_argument("--seeds", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (0)")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    seeds = range(options.first, options.first + options.seeds) if options.seed is None else [options.seed]
    begun = time.monotonic()
    red = calls = 0
    for world in worlds(seeds):
        calls += len(world.truth.calls)
        if world.truth.violations or options.seed is not None:
            red += bool(world.truth.violations)
            print(report(world, log=options.seed is not None), flush=True)
    print(f"{len(seeds)} worlds, {calls} calls, {red} red, {time.monotonic() - begun:.1f} s")
    return int(bool(red))


if __name__ == "__main__":
    sys.exit(main())
