"""How one Durward takes the place of another on the same data directory, without a caller noticing. Standard library only.

The new one asks on the control socket, and gets copies of the lock and of the listening socket, so that it is never not listened. Once
its own gate is ready the old one ends its office, which alone writes the index; once the new one answers commands, the old one's gate
finishes its calls. Until that word (`taken`) either may fail, and the old one goes on as if nothing had been.

    new  take_over {pid, listen}   →   {pid, listens} with descriptors
         leave                     →   {} when the office has ended
         taken                         the old gate drains
"""

import asyncio
import json
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from durward.calls.errors import CallerError, GateError
from durward.server.control import SECONDS, accepted, connected
from durward.server.pair import Message

READY_SECONDS = 120.0
"""How long the new one may take until its gate is ready."""
LEAVE_SECONDS = 15.0
"""How long the old one may take to end its office, and the new one to answer commands then."""
LINE_BYTES = 64 * 1024
DESCRIPTORS = 3


class Predecessor(NamedTuple):
    """A Durward that is ready to be succeeded: descriptors of ours."""

    pid: int
    connection: int
    """Where it hears how the succession goes on; closed, all is as before."""
    lock: int
    listener: int | None
    """None where it listens elsewhere than its successor is to."""
    admin: int | None = None
    """As `listener`, the office's."""


def find_predecessor(folder: Path, listen: str, admin: str = "") -> Predecessor | None:
    """Ask the Durward that runs on a data directory for its place, for one that is to listen at `listen` (as configured).

    `admin`: where its office is to listen, empty for nowhere.

    None where none runs. Raises DurwardError where it refuses, or does not answer.
    """
    end = connected(folder)
    if end is None:
        return None
    with end:
        end.settimeout(SECONDS)
        received: list[int] = []
        try:
            end.sendall(line({"do": "take_over", "pid": os.getpid(), "listen": listen, "admin": admin}))
            answer = accepted(_heard(end, received))
            lock, listener, *office = received
        except (OSError, ValueError) as error:
            for fd in received:
                os.close(fd)
            raise GateError(
                "Durward runs here, but did not make room.", reason="already_running", remedy="Look at its log."
            ) from error
        if not answer["listens"]:
            os.close(listener)
        end.settimeout(None)
        given = (listener if answer["listens"] else None, office[0] if office else None)
        return Predecessor(int(answer["pid"]), end.detach(), lock, *given)


def _heard(end: socket.socket, received: list[int]) -> Message:
    """A line, and the descriptors that came with it."""
    text = b""
    while not text.endswith(b"\n"):
        more, fds, _, _ = socket.recv_fds(end, LINE_BYTES, DESCRIPTORS)
        received += fds
        text += more
        if not more or len(text) > LINE_BYTES:
            raise OSError("it closed the connection")
    for fd in received:
        os.set_inheritable(fd, False)
    told = json.loads(text)
    if not isinstance(told, dict):
        raise ValueError("it said no object")
    return told


def line(message: Message) -> bytes:
    """A message as it travels."""
    return json.dumps(message).encode() + b"\n"


class Succession:
    """The new one's side, once its gate is ready."""

    def __init__(self, connection: int) -> None:
        self._end = socket.socket(fileno=connection)
        self._writer: asyncio.StreamWriter | None = None

    async def relieve(self) -> None:
        """Have the old one end its office. One that is gone has ended it too. Raises GateError where it stays."""
        reader, self._writer = await asyncio.open_connection(sock=self._end)
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                self._writer.write(line({"do": "leave"}))
                told = await reader.readline()
            if told:
                accepted(json.loads(told))
        except ConnectionError:
            pass  # As with an empty line: it has ended meanwhile.
        except TimeoutError as error:
            self._writer.close()
            raise GateError("The running Durward did not make room in time.", reason="already_running") from error

    async def taken(self) -> None:
        """Everything is ours: let the old one's gate finish its calls."""
        assert self._writer is not None
        with suppress(ConnectionError):
            self._writer.write(line({"do": "taken"}))
            await self._writer.drain()
        self._writer.close()


class Place:
    """The old one's side: what there is to hand over, and what it does about it."""

    def __init__(self, listen: str, lock: int, listener: int, office: tuple[str, int | None] = ("", None)) -> None:
        """`listen`: where its configuration says that it listens; `office`: the same of its office, and that listener."""
        self._listen = listen
        self._fds = (lock, listener)
        self._office = office
        self.promised = False
        """Whether one is about to take over. What would have to be known to both is not changed meanwhile."""

    async def hand_over(
        self,
        message: Message,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        leave: Callable[[], Awaitable[None]],
    ) -> bool:
        """Talk to who asked `take_over`. True once it has: False where it gave up, and all must be as before `leave`.

        Raises CallerError, GateError for who cannot.
        """
        check_user(writer)
        if self.promised:
            raise GateError("Another Durward is taking over already.", reason="already_running", remedy="Wait for it.")
        self.promised = True
        try:
            listens = message.get("listen") == self._listen
            place, office = self._office
            same = office is not None and message.get("admin") == place
            fds = (*self._fds, office) if office is not None and same else self._fds
            _hand(writer, line({"pid": os.getpid(), "listens": listens}), fds)
            if not await _next(reader, "leave", READY_SECONDS):
                return False
            await leave()
            writer.write(line({}))
            return await _next(reader, "taken", LEAVE_SECONDS)
        finally:
            self.promised = False


def _hand(writer: asyncio.StreamWriter, said: bytes, fds: tuple[int, ...]) -> None:
    """Say something with copies of descriptors. It is short, and the first that is said: it goes in one piece."""
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as end:
        socket.send_fds(end, [said], list(fds))


async def _next(reader: asyncio.StreamReader, word: str, seconds: float) -> bool:
    """Whether this is what is said next."""
    try:
        async with asyncio.timeout(seconds):
            told = await reader.readline()
            return bool(told) and json.loads(told).get("do") == word
    except (TimeoutError, ValueError, ConnectionError):
        return False


def check_user(writer: asyncio.StreamWriter) -> None:
    """Whoever takes over must be the same user: another's files could not be read by who comes after. Raises CallerError."""
    if sys.platform != "linux":
        return  # The socket's mode lets only the user, and root, this far.
    end = writer.get_extra_info("socket")
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if user != os.getuid():
        raise CallerError(
            f"Durward (pid {os.getpid()}) runs as another user.",
            reason="already_running",
            remedy="Run this as the user that runs it.",
        )
