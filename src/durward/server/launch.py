"""What `durward up` hands to the supervisor that replaces it: descriptors and words, in an unnamed file. Standard library only."""

import json
import os
import signal
import socket
import sys
import tempfile
from typing import NamedTuple

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What tells a supervisor to stop; SIGHUP to load the configuration again, where there is a file and the terminal is not gone."""


class Launch(NamedTuple):
    """Everything the supervisor needs. The settings themselves are only bytes to it, and a descriptor that it passes on."""

    data_dir: str
    address: str
    """Where the listener listens, as shown to people."""
    lock: int
    listener: int
    settings: int
    said: str = ""
    """Told on standard output once the gate is ready."""
    demo: int | None = None
    """Listener of the demo upstream, if it runs."""
    show: int | None = None
    """What the demo's show reads: the agent's key."""
    once: bool = False
    """End when the show has ended."""
    config: str = ""
    """Absolute path of the configuration file; empty without one."""
    listen: str = ""
    """Where the command line said to listen, whatever the file says."""
    configured: str = ""
    """Where the settings say to listen."""
    admin: int | None = None
    """The office's listener, if it has one."""
    admin_configured: str = ""
    """Where the settings say that it is."""
    predecessor: int | None = None
    """A connection to the Durward whose place is taken, if there is one."""
    watched: tuple[str, ...] = ()
    """Further files that the configuration refers to: secrets, authorities."""
    workers: int = 1
    """How many gates share the listener."""
    log: tuple[str, str] = ("text", "info")
    """Format and level of our log."""
    version: str = ""
    """Of the Durward that was launched."""
    drain: tuple[float, float] = (10.0, 0.0)
    """How many seconds calls under way may take once it is told to stop, and how many it goes on accepting before."""

    def kept(self) -> list[int]:
        """The descriptors that it names."""
        named = (self.lock, self.listener, self.settings, self.demo, self.show, self.admin, self.predecessor)
        return [fd for fd in named if fd is not None]


def unnamed(content: bytes) -> int:
    """A descriptor of a file without a name, which no argument list, environment or directory shows. Not inheritable yet."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("durward", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile(buffering=0) as file:
            fd = os.dup(file.fileno())
    written = 0
    while written < len(content):
        written += os.pwrite(fd, content[written:], written)
    return fd


def content(fd: int) -> bytes:
    """What `unnamed` wrote; several processes may read it, as nobody moves the file's position."""
    size = os.fstat(fd).st_size
    read = b""
    while len(read) < size:
        read += os.pread(fd, size - len(read), len(read))
    return read


def hand(end: socket.socket, fd: int) -> None:
    """Give the process at the other end of a pair of datagram sockets a copy of a descriptor. Raises OSError."""
    socket.send_fds(end, [b"."], [fd])


def handed_over(end: socket.socket) -> int:
    """The descriptor that was handed. Raises OSError where there is none."""
    _, fds, _, _ = socket.recv_fds(end, 1, 1, socket.MSG_DONTWAIT)
    if not fds:
        raise OSError("no descriptor was handed")
    return fds[0]


def become_supervisor(launch: Launch) -> None:
    """Replace this process by the supervisor, so that nothing heavy stays. Does not return."""
    fd = unnamed(json.dumps(launch._asdict()).encode())
    for kept in (fd, *launch.kept()):
        os.set_inheritable(kept, True)
    sys.stdout.flush()
    sys.stderr.flush()
    # Until the supervisor can act on them; they wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "durward.server.supervisor", str(fd)])  # noqa: S606


def launched(fd: int) -> Launch:
    """The launch behind a descriptor, which is closed; what else it names is from now on inherited only where it is passed on."""
    told = json.loads(content(fd))
    launch = Launch(
        **{**told, "watched": tuple(told["watched"]), "drain": tuple(told["drain"]), "log": tuple(told["log"])}
    )
    os.close(fd)
    for kept in launch.kept():
        os.set_inheritable(kept, False)
    return launch
