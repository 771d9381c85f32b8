"""What the office asks of the supervisor over their pair, from another thread than the one that listens to it."""

import asyncio
import itertools
import json
import socket
import threading
from typing import Any

Message = dict[str, Any]


class Link:
    """The office's end. One thread reads the pair and hands answers to `hear`; another one asks."""

    def __init__(self, pair: socket.socket) -> None:
        self._pair = pair
        self._writing = threading.Lock()
        self._numbers = itertools.count()
        self._asked: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Future[Message]]] = {}

    def say(self, message: Message) -> None:
        """Raises BrokenPipeError where nobody listens any more."""
        with self._writing:
            self._pair.sendall(json.dumps(message).encode() + b"\n")

    async def ask(self, what: str, seconds: float) -> Message:
        """What the supervisor answers; empty where it does not in time."""
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        answer: asyncio.Future[Message] = loop.create_future()
        self._asked[number] = loop, answer
        try:
            async with asyncio.timeout(seconds):
                self.say({"do": what, "ask": number})
                return await answer
        except (TimeoutError, OSError):
            return {}
        finally:
            del self._asked[number]

    def hear(self, message: Message) -> None:
        """An answer has come; one that nobody waits for any more is dropped."""
        asked = self._asked.get(message.pop("to"))
        if asked is not None and "error" not in message:
            loop, answer = asked
            loop.call_soon_threadsafe(_settle, answer, message)


def _settle(answer: "asyncio.Future[Message]", message: Message) -> None:
    if not answer.done():
        answer.set_result(message)
