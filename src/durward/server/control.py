"""`data_dir/control.sock`: commands ask a running Durward, one JSON line in, one JSON line out.

The socket is the supervisor's; whoever can open it is the operator (directory 0700, socket 0600). Only who takes the supervisor's place
says more than one line (`succession.py`). Standard library only.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from durward.calls.errors import REASONS, CallerError, DurwardError, GateError
from durward.server.pair import LINE_LIMIT, Message

NAME = "control.sock"
COMMAND_LIMIT = 1 << 20
AT_ONCE = 16
"""How many commands may be under way together."""
SECONDS = 15.0

Answer = Callable[[Message], Awaitable[Message]]
Succeed = Callable[[Message, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Goes on talking to who said `take_over`."""


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

    def __init__(self, folder: Path, answer: Answer, succeed: Succeed | None = None) -> None:
        self._folder = folder
        self._answer = answer
        self._succeed = succeed
        self._inode = 0
        self._free = asyncio.Semaphore(AT_ONCE)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Whoever calls holds the directory's lock: a socket that is there belongs to nobody, or to who makes room for us."""
        # Not start_unix_server: from Python 3.13 that would take away a file of this name from the working directory.
        self._server = await asyncio.start_server(self._serve, sock=self._bound(), limit=COMMAND_LIMIT)

    def close(self) -> None:
        """Stop listening and take the socket away, unless it is another's by now."""
        if self._server is not None:
            self._server.close()
            with suppress(FileNotFoundError):
                path = self._folder / NAME
                if path.stat().st_ino == self._inode:
                    path.unlink()

    def _bound(self) -> socket.socket:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _inside(self._folder) as name:
            new = Path(f"{name}.{os.getpid()}")
            new.unlink(missing_ok=True)
            end.bind(str(new))
            new.chmod(0o600)
            self._inode = new.stat().st_ino
            # In one step: there is no moment at which a command finds nobody.
            end.listen(AT_ONCE)
            new.replace(name)
        return end

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._free, asyncio.timeout(SECONDS) as patience:
                answer = await self._reply(await reader.readline(), partial(self._talk, patience, reader, writer))
                if answer is not None:
                    writer.write(json.dumps(answer).encode() + b"\n")
                    await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            pass  # No line in time, a line beyond the limit, or nobody there any more: the other end sees the close.
        finally:
            writer.close()

    async def _reply(self, line: bytes, talk: Callable[[Message], Awaitable[None]]) -> Message | None:
        try:
            message = json.loads(line)
            if not isinstance(message, dict):
                raise CallerError("A command is one JSON object.")
            if message.get("do") == "take_over":
                await talk(message)
                return None
            return await self._answer(message)
        except ValueError:
            return refusal(CallerError("A command is one JSON object.", reason="malformed_json"))
        except DurwardError as error:
            return refusal(error)

    async def _talk(
        self, patience: asyncio.Timeout, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: Message
    ) -> None:
        if self._succeed is None:
            raise GateError("This Durward cannot be taken over from.", reason="already_running")
        # How long the parts of this talk may take is said where they are.
        patience.reschedule(None)
        await self._succeed(message, reader, writer)


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


def connected(folder: Path) -> socket.socket | None:
    """A connection to the Durward that runs on a data directory; None where none does."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    end.settimeout(SECONDS)
    try:
        with _inside(folder) as name:
            end.connect(name)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        end.close()
        return None
    except BaseException:
        end.close()
        raise
    return end


def ask(folder: Path, message: Message) -> Message | None:
    """Ask the Durward that runs on a data directory; None where none does. Raises DurwardError as it was refused there."""
    end = connected(folder)
    if end is None:
        return None
    with end:
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
