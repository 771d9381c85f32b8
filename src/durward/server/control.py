"""`data_dir/control.sock`: commands ask a running Durward, one JSON line in, one JSON line out.

The socket is the supervisor's; whoever can open it is the operator (directory 0700, socket 0600). Standard library only.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from durward.calls.errors import REASONS, CallerError, DurwardError, GateError
from durward.server.pair import LINE_LIMIT, Message

NAME = "control.sock"
COMMAND_LIMIT = 1 << 20
AT_ONCE = 16
"""How many commands may be under way together."""
SECONDS = 15.0

Answer = Callable[[Message], Awaitable[Message]]


@contextmanager
def _inside(folder: Path) -> Iterator[str]:
    """The socket's name, relative to a working directory changed for a moment: a socket's path holds 104 bytes at most."""
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(folder)
        yield NAME
    finally:
        os.fchdir(before)
        os.close(before)


class Control:
    """The listening end, in the supervisor."""

    def __init__(self, folder: Path, answer: Answer) -> None:
        self._folder = folder
        self._answer = answer
        self._free = asyncio.Semaphore(AT_ONCE)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Whoever calls holds the directory's lock, so a socket that is there belongs to nobody."""
        # Not start_unix_server: from Python 3.13 that would take away a file of this name from the working directory.
        self._server = await asyncio.start_server(self._serve, sock=self._bound(), limit=COMMAND_LIMIT)

    def close(self) -> None:
        """Stop listening and take the socket away."""
        if self._server is not None:
            self._server.close()
            (self._folder / NAME).unlink(missing_ok=True)

    def _bound(self) -> socket.socket:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _inside(self._folder) as name:
            Path(name).unlink(missing_ok=True)
            end.bind(name)
            Path(name).chmod(0o600)
        return end

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._free, asyncio.timeout(SECONDS):
                answer = await self._reply(await reader.readline())
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            pass  # No line in time, a line beyond the limit, or nobody there any more: the other end sees the close.
        finally:
            writer.close()

    async def _reply(self, line: bytes) -> Message:
        try:
            message = json.loads(line)
            if not isinstance(message, dict):
                raise CallerError("A command is one JSON object.")
            return await self._answer(message)
        except ValueError:
            return refusal(CallerError("A command is one JSON object.", reason="malformed_json"))
        except DurwardError as error:
            return refusal(error)


def refusal(error: DurwardError) -> Message:
    """An error as an answer."""
    return {"error": {"reason": error.reason, "message": error.message, "remedy": error.remedy}}


def accepted(answer: Message) -> Message:
    """The answer, unless it is a refusal: raises that as the error it was."""
    told = answer.get("error")
    if told is None:
        return answer
    kind = CallerError if REASONS[told["reason"]].fault == "caller" else GateError
    raise kind(told["message"], reason=told["reason"], remedy=told["remedy"])


def ask(folder: Path, message: Message) -> Message | None:
    """Ask the Durward that runs on a data directory; None where none does. Raises DurwardError as it was refused there."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with end:
        end.settimeout(SECONDS)
        try:
            with _inside(folder) as name:
                end.connect(name)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return None
        try:
            end.sendall(json.dumps(message).encode() + b"\n")
            line = end.makefile("rb").readline(LINE_LIMIT)
            return accepted(json.loads(line))
        except (OSError, ValueError) as error:
            raise GateError(
                "Durward runs, but did not answer the command.",
                reason="overloaded",
                remedy="Look at its log, then retry.",
            ) from error
