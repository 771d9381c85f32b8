"""What only one process may own: a data directory (by a lock in it) and a listening address.

Standard library only: the supervisor imports it and stays small.
"""

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from errno import EADDRINUSE
from pathlib import Path

from durward.calls.errors import CallerError, GateError

LOCK = "lock"
BACKLOG = 4096
PASSED_FD = 3
"""Where the first passed socket stands."""
PREDECESSOR_SECONDS = 12.0
"""A gate whose supervisor is gone finishes its calls within ten seconds; a new start waits that long for it."""
LOOK_AGAIN_SECONDS = 0.05


def make_private(folder: Path) -> None:
    """Make a data directory that only its owner may enter. Raises GateError `state_unavailable`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise GateError(
            f"The data directory {folder} cannot be made: {error.strerror}.", reason="state_unavailable"
        ) from error


def claim(folder: Path, patience: float = PREDECESSOR_SECONDS, told: Callable[[str], None] | None = None) -> int:
    """Lock a data directory for as long as the descriptor, or a copy that a child inherited, stays open.

    Waits up to `patience` seconds only where the process that took the lock is gone and its gate still finishes calls; `told` is told.
    Raises GateError `already_running`, which names the pid.
    """
    make_private(folder)
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise GateError(f"{folder / LOCK} cannot be opened: {error.strerror}.", reason="state_unavailable") from error
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = holder(folder)
            if pid is None or _lives(pid) or time.monotonic() > deadline:
                os.close(lock)
                raise _taken(folder, pid) from None
            if told is not None:
                told(f"Waiting for the gate of pid {pid}, which is gone, to finish its calls.")
                told = None
            time.sleep(LOOK_AGAIN_SECONDS)
        else:
            sign(lock)
            return lock


def sign(lock: int) -> None:
    """Note in a lock that this process holds it. Without room on the disk nobody can read that; it is held all the same."""
    with suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a data directory for the length of a command. Raises GateError `already_running`."""
    lock = claim(folder, 0.0)
    try:
        yield
    finally:
        os.close(lock)


def holder(folder: Path) -> int | None:
    """The pid that took the lock last, None where there is none to read."""
    try:
        return int((folder / LOCK).read_text("ascii"))
    except (OSError, ValueError):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _taken(folder: Path, pid: int | None) -> GateError:
    if pid is not None and not _lives(pid):
        return GateError(
            f"A gate whose supervisor (pid {pid}) is gone still holds {folder}.",
            reason="already_running",
            remedy="Wait until it has finished its calls, or end it.",
        )
    who = "another process" if pid is None else f"pid {pid}"
    return GateError(f"Durward already runs on {folder}: {who}.", reason="already_running")


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`; an IPv6 host stands in brackets."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def joined_address(host: str, port: int) -> str:
    """The reverse of `split_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def shown_address(listener: socket.socket | int) -> str:
    """Where a socket listens, as a client on this machine uses it: the port that was taken, loopback for every address."""
    if isinstance(listener, int):
        with socket.socket(fileno=os.dup(listener)) as copy:
            return shown_address(copy)
    host, port = listener.getsockname()[:2]
    return joined_address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)


def listen(address: str) -> socket.socket:
    """A listening TCP socket. Raises GateError `address_in_use`, which says who listens there where that can be seen."""
    host, port = split_address(address)
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as opened:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(place)
            opened.listen(BACKLOG)
            listener = socket.socket(fileno=opened.detach())
    except OSError as error:
        why = f"port {port} is taken{_taken_by(port)}" if error.errno == EADDRINUSE else (error.strerror or str(error))
        raise GateError(f"Durward cannot listen on {address}: {why}.", reason="address_in_use") from error
    listener.setblocking(False)
    return listener


def passed_listener(environment: MutableMapping[str, str]) -> socket.socket | None:
    """The listening socket that a service manager has passed to this process (sd_listen_fds(3)); its variables are taken away.

    Raises CallerError for what cannot be served: several sockets, or one that is no listening TCP socket.
    """
    told = {name: environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if told["LISTEN_PID"] != str(os.getpid()) or not told["LISTEN_FDS"]:
        return None
    if told["LISTEN_FDS"] != "1":
        raise CallerError(
            f"{told['LISTEN_FDS']} sockets were passed (LISTEN_FDS), and one is served.",
            remedy="Leave one ListenStream= in the socket unit.",
        )
    if not _listens(PASSED_FD):
        raise CallerError(
            "What was passed (LISTEN_FDS) is no listening TCP socket.", remedy="Write ListenStream=<address>:<port>."
        )
    listener = socket.socket(fileno=PASSED_FD)
    os.set_inheritable(PASSED_FD, False)
    listener.setblocking(False)
    return listener


def _listens(fd: int) -> bool:
    try:
        found = socket.socket(fileno=os.dup(fd))
    except OSError:
        return False
    with found:
        is_tcp = found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM
        return is_tcp and bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _taken_by(port: int) -> str:
    """` by pid 4242 (nginx)` where Linux lets us see it; the command line is not told, it may hold secrets."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(Path("/proc/net", table), port)}
    for folder in Path("/proc").glob("[0-9]*") if inodes else ():
        with suppress(OSError):
            if any(str(entry.readlink()) in inodes for entry in (folder / "fd").iterdir()):
                return f" by pid {folder.name} ({(folder / 'comm').read_text('utf-8').strip()})"
    return ""


def _listening(table: Path, port: int) -> list[str]:
    """Inodes of the sockets that listen on a port (`/proc/net/tcp`: local address, state 0A, inode)."""
    try:
        rows = [line.split() for line in table.read_text("ascii").splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]
