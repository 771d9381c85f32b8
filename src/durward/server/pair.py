"""What the supervisor and a child say to each other: one JSON object a line over a socket pair, both ways.

The pair is also how each notices that the other is gone. Standard library only.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any, cast

Message = dict[str, Any]
LINE_LIMIT = 1 << 24
"""Tens of thousands of agents fit into one answer."""
UNREAD_BYTES = 1 << 20
"""Behind so much that the other end has not read, what may be dropped is dropped."""


class Pair(asyncio.Protocol):
    """One end. `gone` is set when the other end is closed, or says what is no line of ours."""

    def __init__(self, receive: Callable[[Message], None]) -> None:
        self.gone = asyncio.Event()
        self._receive = receive
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_LIMIT:
            self.close()
        for line in lines:
            self._receive(json.loads(line))

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()

    def send(self, message: Message) -> None:
        """Say something; what the other end can no longer hear is dropped, and `gone` tells."""
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(json.dumps(message).encode() + b"\n")

    def mention(self, message: Message) -> None:
        """As `send`, for what may be dropped: where the other end does not read, it is."""
        assert self._transport is not None
        if self._transport.get_write_buffer_size() < UNREAD_BYTES:
            self.send(message)

    def close(self) -> None:
        """Close this end."""
        if self._transport is not None:
            self._transport.close()


async def join(end: socket.socket, receive: Callable[[Message], None]) -> Pair:
    """Serve one end of the pair on the running loop."""
    loop = asyncio.get_running_loop()
    _, pair = await loop.create_unix_connection(lambda: Pair(receive), sock=end)
    return pair
