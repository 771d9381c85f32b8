"""The benchmark's command line: measures the bars and prints a table."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from bench.figures import Figure
from bench.rows import ROWS, measure
from bench.subjects import Place, free_ports, prepare


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures what Durward promises of its cost.")
    parser.add_argument("--row", action="append", choices=ROWS, help="only this row; may be given again")
    parser.add_argument("--json", action="store_true", help="one object a figure instead of a table")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("scripts/bench needs two cores: one for what is measured, one for load and upstream")
    # Everything that this process starts inherits the core of the load; only what is measured is moved.
    os.sched_setaffinity(0, cores[1:2])
    red = False
    with tempfile.TemporaryDirectory(prefix="durward-bench-") as folder:
        place = Place(Path(folder), free_ports(), cores[0], cores[1])
        prepare(place)
        if not options.json:
            print(f"{'':72}{'bar':>12}{'measured':>12}")
        for result in measure(place, options.row or list(ROWS)):
            red |= not (isinstance(result, Figure) and result.met)
            print(_json(result) if options.json else _line(result), flush=True)
    return int(red)


def _line(result: Figure | tuple[str, str]) -> str:
    if not isinstance(result, Figure):
        name, why = result
        return f"{name:72}{'not measured':>24}  {why}"
    sign = "≥" if result.bar.least else "<" if result.bar.below else "≤"
    bar = f"{sign} {result.bar.limit:g}"
    verdict = "ok" if result.met else "missed"
    return f"{result.bar.name:72}{bar:>12}{result.value:>12.2f}  {result.bar.unit:11}{verdict:8}{result.detail}"


def _json(result: Figure | tuple[str, str]) -> str:
    if not isinstance(result, Figure):
        return json.dumps({"row": result[0], "error": result[1]})
    value = {"measured": result.value, "met": result.met, "detail": result.detail}
    return json.dumps({**result.bar._asdict(), **value}, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
