"""What a service manager is told of the supervisor's life, as sd_notify(3) says. Standard library only."""

import logging
import socket
import time
from collections.abc import MutableMapping

log = logging.getLogger("supervisor")


class Notifier:
    """Tells whoever listens at `NOTIFY_SOCKET`; nobody where that is not set. What cannot be told is logged, and stops nothing."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Takes `NOTIFY_SOCKET` away, so that no child speaks for us."""
        address = environment.pop("NOTIFY_SOCKET", "")
        # An abstract socket's name begins with a null byte, which a variable cannot hold.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self, pid: int, status: str) -> None:
        """It serves, and this process is the one to watch."""
        self._tell("READY=1", f"MAINPID={pid}", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being loaded again. The time is wanted by Type=notify-reload."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def reloaded(self, refused: str) -> None:
        """The reload has ended; `refused` says why nothing has changed, and is empty where it has."""
        first = refused.partition("\n")[0]
        self._tell("READY=1", f"STATUS={f'The changed configuration is refused: {first}' if first else 'Serving.'}")

    def succeeded(self, pid: int) -> None:
        """Another process has our place: that one is to be watched from now on."""
        self._tell(f"MAINPID={pid}", f"STATUS=Taken over by pid {pid}.")

    def stopping(self) -> None:
        """It accepts calls no longer, or soon no longer, and lets those under way end."""
        self._tell("STOPPING=1", "STATUS=Letting calls under way end.")

    def _tell(self, *said: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.setblocking(False)
                end.sendto("\n".join(said).encode(), self._address)
        except OSError as error:
            log.warning("the service manager could not be told %s: %s", said[0], error)
