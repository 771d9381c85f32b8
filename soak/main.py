"""The command line of what takes long: each row runs for a while, says how far it is, and stops by itself."""

import argparse
import sys
from collections.abc import Callable
from functools import partial

from soak import worlds

Say = Callable[[str], None]
ROWS: dict[str, Callable[[Say], list[str]]] = {"simulation": worlds.simulation}
"""Each row answers what it found wrong."""


def _say(row: str, text: str) -> None:
    print(f"{row}: {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak", description="Runs for long what the tests run briefly.")
    parser.add_argument("--row", action="append", choices=ROWS, help="only this row; may be given again")
    options = parser.parse_args()
    red = False
    for name in options.row or list(ROWS):
        wrong = ROWS[name](partial(_say, name))
        red |= bool(wrong)
        print("\n\n".join(wrong))
        print(f"{name}: {'red' if wrong else 'ok'}", flush=True)
    return int(red)


if __name__ == "__main__":
    sys.exit(main())
