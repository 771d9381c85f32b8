"""The bars of the benchmark, each with what measures it."""

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import bulk, hangup, idle_streams, load, make_journal, overload, prompts, reload, slow, takeover
from bench.figures import Bar, Figure
from bench.processes import BenchError, command, cpu, pss_mb, tree, wait_until
from bench.subjects import (
    HERE,
    Place,
    Subject,
    gate,
    provider,
    proxy,
    ready,
    roles,
    streaming_provider,
    wait_for_index,
)

ROUNDS = 5
CALL_SECONDS = 4


Load = Callable[[Place, Subject], int]


def _data_dir(place: Place) -> Path:
    """A new data folder. Those of earlier rows are gone: a run must not fill the disk."""
    for old in place.folder.glob("data-*"):
        shutil.rmtree(old)
    return Path(tempfile.mkdtemp(prefix="data-", dir=place.folder))


def _cost(place: Place, subject: Subject, put: Load) -> float:
    """Microseconds of CPU a call, of all the subject's processes, whatever is left behind done."""
    pids = tree(subject.pid)
    before = cpu(pids)
    count = put(place, subject)
    wait_for_index(subject)
    if tree(subject.pid) != pids:
        raise BenchError("a process of the subject was replaced under load")
    return (cpu(pids) - before) / count * 1e6


def _compare(place: Place, proxy_port: int, base_url: str, bar: Bar, put: Load) -> Iterator[Figure]:
    """The gate's cost over nginx's, measured in turns, so that a slow minute of the machine meets both."""
    ours, theirs = [], []
    with proxy(place, proxy_port) as nginx, gate(place, base_url, _data_dir(place)) as durward:
        for subject in (nginx, durward):
            put(place, subject)
        for _ in range(ROUNDS):
            theirs.append(_cost(place, nginx, put))
            ours.append(_cost(place, durward, put))
    mine, its = statistics.median(ours), statistics.median(theirs)
    spread = f"{min(ours):.1f}–{max(ours):.1f} / {min(theirs):.1f}–{max(theirs):.1f}"
    yield Figure(bar, mine / its, f"{mine:.1f} µs / {its:.1f} µs (range {spread})")


def plain(place: Place) -> Iterator[Figure]:
    bar = Bar("plain model call, 1 KB prompt / nginx", 3.5, "×")
    with provider(place):
        base_url = f"http://127.0.0.1:{place.ports.plain}/v1"
        yield from _compare(place, place.ports.proxy_plain, base_url, bar, _calls(prompts.plain()))


def tls(place: Place) -> Iterator[Figure]:
    bar = Bar("the same over TLS to the upstream / nginx over TLS", 3.5, "×")
    with provider(place):
        base_url = f"https://localhost:{place.ports.tls}/v1"
        yield from _compare(place, place.ports.proxy_tls, base_url, bar, _calls(prompts.plain()))


def body(place: Place) -> Iterator[Figure]:
    bar = Bar("77 KB body / nginx", 3.0, "×")
    with provider(place):
        base_url = f"http://127.0.0.1:{place.ports.plain}/v1"
        yield from _compare(place, place.ports.proxy_plain, base_url, bar, _calls(prompts.large()))


def stream(place: Place) -> Iterator[Figure]:
    bar = Bar("stream of 101 events, each its own write, usage metered / nginx", 1.4, "×")
    with streaming_provider(place):
        base_url = f"http://127.0.0.1:{place.ports.streams}/v1"
        yield from _compare(place, place.ports.proxy_streams, base_url, bar, load.streams)


def _calls(content: bytes) -> Load:
    return lambda place, subject: load.calls(place, subject, content, CALL_SECONDS)


@contextlib.contextmanager
def _gate_and_provider(place: Place) -> Iterator[Subject]:
    base_url = f"http://127.0.0.1:{place.ports.plain}/v1"
    with provider(place), gate(place, base_url, _data_dir(place)) as durward:
        yield durward


def idle(place: Place) -> Iterator[Figure]:
    limits = {"gate": 50.0, "office": 60.0, "supervisor": 25.0}
    with _gate_and_provider(place) as durward:
        time.sleep(3)
        pids = roles(durward.pid)
        for role, limit in limits.items():
            yield Figure(Bar(f"idle memory (PSS) of the {role}", limit, "MB"), pss_mb(pids[role]))


def start(place: Place) -> Iterator[Figure]:
    yield _starts(place, _data_dir(place), "an empty journal")


def start_full(place: Place) -> Iterator[Figure]:
    data_dir = _data_dir(place)
    make_journal.make(data_dir, 1_000_000)
    yield _starts(place, data_dir, "a journal of 1 million calls")


def _starts(place: Place, data_dir: Path, what: str) -> Figure:
    base_url = f"http://127.0.0.1:{place.ports.plain}/v1"
    took = []
    for _ in range(ROUNDS):
        begin = time.monotonic()
        with gate(place, base_url, data_dir):
            took.append(time.monotonic() - begin)
    detail = ", ".join(f"{seconds:.2f}" for seconds in took)
    return Figure(Bar(f"start to ready with {what}", 1.0, "s"), statistics.median(took), detail)


def growth(place: Place) -> Iterator[Figure]:
    bar = Bar("memory of the gate after calls 50,000 → 200,000", 1.0, "MB growth")
    with _gate_and_provider(place) as durward:
        done, marks = 0, []
        for mark in (50_000, 200_000):
            while done < mark:
                done += load.calls(place, durward, prompts.plain(), 1)
            wait_for_index(durward)
            time.sleep(1)
            marks.append(pss_mb(durward.gate_pid()))
        yield Figure(bar, marks[1] - marks[0], f"{marks[0]:.1f} → {marks[1]:.1f} MB, {done} calls")


def install(place: Place) -> Iterator[Figure]:
    """What `pip` puts into a fresh environment from the runtime lock, and the wheel that scripts/bench has made."""
    wheel = os.environ.get("DURWARD_WHEEL")
    if wheel is None:
        raise BenchError("scripts/bench names the wheel")
    target = place.folder / "installed"
    pip = [sys.executable, "-m", "pip", "-qq", "--no-input", "--disable-pip-version-check", "install", "--no-compile"]
    lock = HERE.parent / "requirements" / "runtime.lock"
    for what in (["--require-hashes", "-r", str(lock)], ["--no-index", wheel]):
        subprocess.run([*pip, "--no-deps", "--target", str(target), *what], check=True)
    packages = len(list(target.glob("*.dist-info")))
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file() and file.suffix != ".pyc")
    yield Figure(Bar("install: packages", 32, "packages"), packages)
    yield Figure(Bar("install: size without bytecode", 75, "MB"), size / 1e6)


def hang_up(place: Place) -> Iterator[Figure]:
    bar = Bar("caller hangs up → upstream cancelled, p99", 100, "ms")
    with gate(place, f"http://127.0.0.1:{place.ports.plain}/v1", _data_dir(place)) as durward:
        delays = asyncio.run(hangup.measure(place.ports.plain, durward.port))
    p99 = delays[len(delays) * 99 // 100 - 1]
    yield Figure(
        bar, p99, f"{len(delays)} hang-ups, median {statistics.median(delays):.1f} ms, worst {delays[-1]:.1f} ms"
    )


def restart(place: Place) -> Iterator[Figure]:
    bar = Bar("gate killed → ready again, worst", 1.0, "s", below=True)
    took = []
    with _gate_and_provider(place) as durward:
        for _ in range(ROUNDS):
            killed = durward.gate_pid()
            begin = time.monotonic()
            os.kill(killed, signal.SIGKILL)
            wait_until(functools.partial(_replaced, durward, killed), 20, "the gate after a kill")
            took.append(time.monotonic() - begin)
            time.sleep(2)
    yield Figure(bar, max(took), ", ".join(f"{seconds:.2f}" for seconds in took))


def reloads(place: Place) -> Iterator[Figure]:
    """A hundred reloads of a large file under load, every third of them broken."""
    data_dir = _data_dir(place)
    base_url = f"http://127.0.0.1:{place.ports.plain}/v1"
    with provider(place), gate(place, base_url, data_dir, reload.models()) as durward:
        noticed = asyncio.run(reload.measure(place, durward, data_dir))
    quiet, reloading = (calls[len(calls) * 99 // 100] for calls in (noticed.quiet, noticed.reloading))
    detail = (
        f"{len(noticed.reloading)} calls, p99 {quiet:.1f} → {reloading:.1f} ms, worst {noticed.reloading[-1]:.1f} ms"
    )
    yield Figure(Bar(f"{reload.RELOADS} reloads under load: failed calls", 0, "calls"), noticed.failed, detail)
    bar = Bar(f"a reload of {reload.MODELS} entries adds to the p99 of running calls", 20, "ms")
    yield Figure(bar, reloading - quiet, f"a reload took {noticed.reload_seconds:.2f} s")


def takeovers(place: Place) -> Iterator[Figure]:
    """A second `up`, again and again, under calls and streams."""
    with streaming_provider(place, takeover.GAP):
        seen = asyncio.run(takeover.measure(place, _data_dir(place)))
    what = (
        f"{takeover.TAKEOVERS} take-overs under {takeover.CALLS_A_SECOND} calls/s and {takeover.STREAMS} live streams"
    )
    detail = f"{seen.calls} calls, {seen.streams} streams, p99 {seen.p99:.1f} ms; a take-over took {seen.seconds:.2f} s"
    if seen.failed:
        detail += f"; the first: {seen.failed[0]}"
    yield Figure(Bar(f"{what}: failures", 0, "calls"), len(seen.failed), detail)


def idle_streams_row(place: Place) -> Iterator[Figure]:
    """Streams that have begun and say nothing, to an upstream in the clear and over TLS."""
    for tls, limit in ((False, 16.0), (True, 56.0)):
        base_url = f"{'https://localhost' if tls else 'http://127.0.0.1'}:{place.ports.streams}/v1"
        with idle_streams.provider(place, tls), gate(place, base_url, _data_dir(place)) as durward:
            each = asyncio.run(idle_streams.measure(place, durward))
        what = f"{idle_streams.STREAMS} idle streams{' from a TLS upstream' if tls else ''}: memory each"
        yield Figure(Bar(what, limit, "KB"), each)


def bulk_row(place: Place) -> Iterator[Figure]:
    """A gigabyte each way, with one who is slow at the other end."""
    with bulk.provider(place), gate(place, "http://127.0.0.1:9/v1", _data_dir(place), bulk.api(place)) as durward:
        for way, send in (("up", bulk.upload), ("down", bulk.download)):
            grown, seconds = asyncio.run(bulk.growth(durward, send))
            bar = Bar(f"1 GB {way} past a slow {'upstream' if way == 'up' else 'reader'}: memory grows", 16, "MB", True)
            yield Figure(bar, grown, f"{seconds:.0f} s")


def slow_row(place: Place) -> Iterator[Figure]:
    """Two thousand connections that are as slow as they can be, beside calls."""
    base_url = f"http://127.0.0.1:{place.ports.plain}/v1"
    for kind in slow.KINDS:
        with (
            provider(place),
            bulk.provider(place),
            gate(place, base_url, _data_dir(place), bulk.api(place)) as durward,
        ):
            seen = slow.measure(place, durward, kind)
        detail = f"p99 {seen.quiet:.1f} → {seen.beside:.1f} ms, {seen.failed} calls failed"
        yield Figure(
            Bar(f"{slow.CONNECTIONS} slow {kind}s: p99 of others", 2, "×", True), seen.beside / seen.quiet, detail
        )
        yield Figure(Bar(f"{slow.CONNECTIONS} slow {kind}s: the last is cut after", 10, "s"), seen.cut_seconds)


def workers(place: Place) -> Iterator[Figure]:
    """How many more calls two gates can carry than one, had each a core: calls for the CPU of the busiest."""
    capacity = []
    for count in (1, 2):
        base_url = f"http://127.0.0.1:{place.ports.plain}/v1"
        with provider(place), gate(place, base_url, _data_dir(place), f"workers: {count}\n") as durward:
            put = _calls(prompts.plain())
            gates = [pid for pid in tree(durward.pid) if "durward.server.gate" in command(pid)]
            # Each on a core of its own, as where they are used: on one they would share its turns and its cache too.
            for gate_pid, core in zip(gates, (place.subject_core, place.load_core), strict=False):
                os.sched_setaffinity(gate_pid, {core})
            put(place, durward)
            before = [cpu([pid]) for pid in gates]
            calls = sum(put(place, durward) for _ in range(ROUNDS))
            used = [cpu([pid]) - was for pid, was in zip(gates, before, strict=True)]
            capacity.append(calls / max(used))
    detail = f"{capacity[0]:.0f} → {capacity[1]:.0f} calls a second of the busiest gate's core"
    yield Figure(
        Bar("`workers: 2` over one, load and upstream counted out", 1.7, "×", least=True),
        capacity[1] / capacity[0],
        detail,
    )


def overloaded(place: Place) -> Iterator[Figure]:
    """A storm of ten times the calls that the gate can carry."""
    base_url = f"http://127.0.0.1:{place.ports.plain}/v1"
    bounds = f"overload: {{memory: {overload.CAP_MB * 3 // 4}MB}}\n"
    with provider(place), gate(place, base_url, _data_dir(place), bounds) as durward:
        found = overload.measure(place, durward)
    answers = ", ".join(f"{name}: {count}" for name, count in sorted(found.answers.items()))
    detail = f"peak {found.peak:.0f}, {found.goodput:.0f} of {found.offered:.0f} calls/s; {answers}"
    name = f"{overload.FACTOR} × overload for {overload.SECONDS:g} s"
    yield Figure(Bar(f"{name}: peak / goodput", 1 / 0.9, "×"), found.peak / found.goodput, detail)
    yield Figure(Bar(f"{name}: recovered", 2.0, "s", below=True), found.recovered, f"p99 in it {found.waited:.2f} s")
    yield Figure(Bar(f"{name}: memory of the gate, most", overload.CAP_MB, "MB"), found.most_mb)
    checks = ", ".join(f"{status}: {count}" for status, count in sorted(found.checks.items()))
    bad = sum(count for status, count in found.checks.items() if status != 200)
    yield Figure(Bar(f"{name}: health checks that failed", 0, "checks"), bad, checks)


def _replaced(durward: Subject, old: int) -> bool:
    try:
        return durward.gate_pid() != old and ready(durward.port)
    except (BenchError, OSError):
        return False


ROWS: dict[str, Callable[[Place], Iterator[Figure]]] = {
    "plain": plain,
    "tls": tls,
    "body": body,
    "stream": stream,
    "idle": idle,
    "start": start,
    "start-full": start_full,
    "growth": growth,
    "install": install,
    "hangup": hang_up,
    "restart": restart,
    "reload": reloads,
    "overload": overloaded,
    "takeover": takeovers,
    "idle-streams": idle_streams_row,
    "bulk": bulk_row,
    "slow": slow_row,
    "workers": workers,
}


def measure(place: Place, names: list[str]) -> Iterator[Figure | tuple[str, str]]:
    """Every figure of these rows; a row that cannot be measured gives its name and why."""
    for name in names:
        try:
            yield from ROWS[name](place)
        except (BenchError, OSError, subprocess.SubprocessError) as error:
            yield name, str(error)
