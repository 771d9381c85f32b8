"""Peers as processes: started with an environment of their own, watched for what they print, ended by their pid."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.peers.install import environment
from tests.server.running import until

SECONDS = 60.0
END_SECONDS = 10.0


class Ended(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str


def run(words: list[str], home: Path, folder: Path, more: dict[str, str]) -> Ended:
    """Run a peer to its end, in a folder, at home in another. It is killed after SECONDS."""
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment(home) | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@contextmanager
def printing(words: list[str], home: Path, wanted: str) -> Iterator[str]:
    """A peer that keeps running; the line of its output that holds `wanted`, which says that it is ready."""
    process = subprocess.Popen(
        words,
        cwd=home,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        # Line by line: who waits looks at them as they come.
        lines.extend(iter(process.stdout.readline, ""))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        until(lambda: any(wanted in line for line in lines) or process.poll() is not None, words[0])
        ready = [line for line in lines if wanted in line]
        assert ready, f"{words[0]} ended: {''.join(lines)}"
        yield ready[0]
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()
