"""Load on a subject: wrk for plain calls, our own client for streams. A call that fails spoils the figure, so it is an error."""

import json
import re
import subprocess
import sys
from pathlib import Path

from bench import prompts
from bench.processes import BenchError
from bench.subjects import HERE, PATH, Place, Subject

CONNECTIONS = 32
STREAM_SECONDS = 6.0


def calls(place: Place, subject: Subject, body: bytes, seconds: int) -> int:
    """Calls one after the other on some connections; how many were answered."""
    file = place.folder / "body.json"
    file.write_bytes(body)
    url = f"http://127.0.0.1:{subject.port}{PATH}"
    words = [
        "wrk",
        "--threads",
        "1",
        "--connections",
        str(CONNECTIONS),
        "--duration",
        f"{seconds}s",
        "--timeout",
        "10s",
    ]
    words += ["--script", str(HERE / "load.lua"), url, "--", str(place.folder / "headers.txt"), str(file)]
    output = _output(words, seconds + 60)
    if trouble := re.search(r"Non-2xx.*|Socket errors:.*", output):
        raise BenchError(f"under load: {trouble[0]}")
    answered = re.search(r"(\d+) requests in", output)
    if not answered or not int(answered[1]):
        raise BenchError(f"wrk counted no call:\n{output}")
    return int(answered[1])


def streams(place: Place, subject: Subject) -> int:
    """Streams on many connections at once; how many came to their end."""
    body = prompts.stream()
    lines = (place.folder / "headers.txt").read_text().splitlines()
    head = [f"POST {PATH} HTTP/1.1", f"Host: 127.0.0.1:{subject.port}", f"Content-Length: {len(body)}", *lines, "", ""]
    file = place.folder / "stream.request"
    file.write_bytes("\r\n".join(head).encode() + body)
    words = [sys.executable, "-m", "bench.streams", "load", str(subject.port), str(STREAM_SECONDS), str(file)]
    counted = json.loads(_output(words, STREAM_SECONDS + 60))
    if counted["lost"] or not counted["streams"]:
        raise BenchError(f"streams ended badly: {counted}")
    return int(counted["streams"])


def _output(words: list[str], seconds: float) -> str:
    try:
        done = subprocess.run(
            words, cwd=Path(HERE).parent, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{words[0]} did not end within {seconds:g} s") from None
    if done.returncode:
        raise BenchError(f"{' '.join(words[:3])}: exit {done.returncode}\n{(done.stdout + done.stderr)[-500:]}")
    return done.stdout
