"""Fifty times as many worlds as the tests play, on all cores."""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from tests.simulation.main import report, worlds

SEEDS = 50_000
BATCH = 250
"""Seeds that are played between two words on how far it is."""
RED_MOST = 10
"""After so many red worlds no more are begun."""
TOLD_SECONDS = 30.0


def simulation(say: Callable[[str], None], seeds: int = SEEDS) -> list[str]:
    """Play worlds 0 to `seeds`; what is wrong with those that are red, each with how to see it again."""
    red: list[str] = []
    played = 0
    begun = told = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        batches = [processes.submit(_play, first, min(BATCH, seeds - first)) for first in range(0, seeds, BATCH)]
        for batch in as_completed(batches):
            if batch.cancelled():
                continue
            count, found = batch.result()
            played += count
            red += found
            now = time.monotonic()
            if now - told > TOLD_SECONDS or found or played == seeds:
                told = now
                say(f"{played:,} of {seeds:,} worlds, {len(red)} red, {now - begun:.0f} s")
            if len(red) >= RED_MOST:
                processes.shutdown(wait=False, cancel_futures=True)
    return red


def _play(first: int, count: int) -> tuple[int, list[str]]:
    """How many were played, and what is wrong with the red ones."""
    logging.disable(logging.CRITICAL)
    seeds = range(first, first + count)
    return count, [report(world, log=False) for world in worlds(seeds) if world.truth.violations]
