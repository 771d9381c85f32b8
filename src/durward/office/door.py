"""The admin listener, served by uvicorn on a thread beside the one that indexes. Imported only where there is a listener."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from durward.config.settings import Settings
from durward.office.link import Link
from durward.office.page import Page, site
from durward.office.tally import Tally

HEAD_BYTES = 16 * 1024
HEAD_SECONDS = 5.0
"""From a connection's start, or its last answer, to the end of a head."""
AT_ONCE = 64
ASK_SECONDS = 2.0
END_SECONDS = 1.0


class Visitor(H11Protocol):
    """A connection whose heads have a deadline, which uvicorn's own have only between two requests."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept it, and begin to count."""
        super().connection_made(transport)
        self._late = self.loop.call_later(HEAD_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._late.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.close()
        else:
            self._late = self.loop.call_later(HEAD_SECONDS, self._look)


class Door:
    """Serves the site until it is told to stop."""

    def __init__(
        self, listener: socket.socket, settings: Settings, tally: Tally, link: Link, caught_up: Callable[[], float]
    ) -> None:
        """`caught_up`: when, by the monotonic clock, the index last held all of the journal."""
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        self._listener = listener
        page = Page(
            Path(settings.data_dir),
            tally,
            lambda: link.ask("measure", ASK_SECONDS),
            lambda: time.monotonic() - caught_up(),
        )
        options: dict[str, Any] = {
            "http": Visitor,
            "ws": "none",
            "loop": "asyncio",
            "lifespan": "off",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "limit_concurrency": AT_ONCE,
            "h11_max_incomplete_event_size": HEAD_BYTES,
            "timeout_keep_alive": int(HEAD_SECONDS),
            "timeout_graceful_shutdown": int(END_SECONDS),
        }
        self._server = uvicorn.Server(uvicorn.Config(site(settings, page), **options))
        self._thread = threading.Thread(target=self._serve, name="door", daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what is asked, and end."""
        self._server.should_exit = True
        self._thread.join(2 * END_SECONDS)

    def _serve(self) -> None:
        self._server.run(sockets=[self._listener])
