"""A data folder whose journal holds many calls, written as the gate writes them."""

from pathlib import Path

from bench.processes import BenchError


def make(data_dir: Path, calls: int) -> None:
    """Write the journal of so many finished calls into an empty data folder."""
    raise BenchError(f"no journal of {calls} calls for {data_dir}: there is no writer yet")
