"""Log lines of the processes: one an event, on standard error, UTC. Standard library only."""

import logging
import sys
import time


def log_to_stderr() -> None:
    """Send every logger of this process to standard error: time, process, what happened."""
    output = logging.StreamHandler(sys.stderr)
    form = logging.Formatter("%(asctime)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    form.converter = time.gmtime
    output.setFormatter(form)
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(logging.INFO)
