"""A caller that notes exactly how far an answer came: whole, up to its terminal event, or cut before."""

import asyncio
import json
from contextlib import suppress
from typing import NamedTuple

from tests.server.running import KEY

Cut = (ConnectionError, asyncio.IncompleteReadError)


class Ask(NamedTuple):
    """One request, as a kind of traffic makes it."""

    kind: str
    path: str
    body: dict[str, object] | bytes | None
    terminal: bytes = b""
    """The event behind which an answer is complete, however the connection ends; empty where only the last byte tells."""
    method: str = "POST"


HELLO = [{"role": "user", "content": "Hello!"}]
CONTENTS = [{"role": "user", "parts": [{"text": "Hello!"}]}]
_CHAT: dict[str, object] = {"model": "m", "max_tokens": 100, "messages": HELLO}
CHAT = Ask("chat", "/v1/chat/completions", _CHAT)
STREAM = Ask("chat stream", CHAT.path, _CHAT | {"stream": True}, b"data: [DONE]\n\n")
MESSAGES = Ask("messages", "/v1/messages", _CHAT)
MESSAGES_STREAM = Ask("messages stream", MESSAGES.path, _CHAT | {"stream": True}, b'"message_stop"}\n\n')
GEMINI = Ask("gemini", "/v1beta/models/m:generateContent", {"contents": CONTENTS})
GEMINI_STREAM = Ask(
    "gemini stream", "/v1beta/models/m:streamGenerateContent?alt=sse", {"contents": CONTENTS}, b'"STOP"'
)
API = Ask("api", "/api/crm/orders", {"id": 1})
API_STREAM = Ask("api stream", "/api/crm/stream", None, method="GET")
ROUTE = Ask("provider route", "/v1/moderations", {"input": "Hello!"})
PLAIN = (CHAT, MESSAGES, GEMINI, API)
UNPRICED = (API, API_STREAM)
"""Of these a provider counts no tokens."""
STREAMS = (STREAM, MESSAGES_STREAM, GEMINI_STREAM, API_STREAM)


def trace_of(number: int) -> str:
    """A trace id to know a call by."""
    return f"{number + 1:032x}"


class Answer:
    """What has come of an answer so far."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.status = 0
        self.head = b""
        self.body = b""
        self.whole = False

    def field(self, name: str) -> str:
        """A header's value, "" without one."""
        for line in self.head.split(b"\r\n")[1:]:
            found, _, value = line.partition(b":")
            if found.lower() == name.encode():
                return value.strip().decode()
        return ""

    @property
    def call(self) -> str:
        """The id under which the gate recorded the call."""
        return self.field("durward-call")

    @property
    def complete(self) -> bool:
        """Whether the caller has all of it that it waits for."""
        terminal = self.ask.terminal
        return self.whole or (bool(terminal) and self.status == 200 and terminal in self.body)


class Caller:
    """One keep-alive connection to the gate, opened again whenever it is gone."""

    def __init__(self, port: int, key: str = KEY) -> None:
        self._port = port
        self._key = key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, ask: Ask, trace: str = "", lines: str = "") -> Answer:
        """Ask once, and read as much of the answer as comes. Raises ConnectionRefusedError where nobody listens."""
        answer = Answer(ask)
        await self.begin(ask, trace, lines)
        await self.read(answer)
        return answer

    async def begin(self, ask: Ask, trace: str = "", lines: str = "") -> None:
        """Send a request, `lines` among its headers."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        body = ask.body or b""
        if not isinstance(body, bytes):
            body = json.dumps(body, separators=(",", ":")).encode()
        head = f"{ask.method} {ask.path} HTTP/1.1\r\nHost: gate\r\n{lines}"
        if self._key:
            head += f"Durward-Key: {self._key}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        if trace:
            head += f"traceparent: 00-{trace}-{trace[-16:]}-01\r\n"
        self._streams[1].write(head.encode() + b"\r\n" + body)

    async def read(self, answer: Answer, enough: bytes = b"") -> None:
        """Read to the answer's end, or until its body holds `enough`."""
        assert self._streams is not None
        reader = self._streams[0]
        try:
            if not answer.head:
                answer.head = await reader.readuntil(b"\r\n\r\n")
                answer.status = int(answer.head[9:12])
            if answer.field("transfer-encoding"):
                await _read_chunks(reader, answer, enough)
            else:
                await _read_counted(reader, answer)
        except Cut as cut:
            if isinstance(cut, asyncio.IncompleteReadError) and answer.head:
                answer.body += cut.partial
            await self.close()
            return
        if answer.whole and answer.field("connection") == "close":
            await self.close()

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _read_counted(reader: asyncio.StreamReader, answer: Answer) -> None:
    answer.body += await reader.readexactly(int(answer.field("content-length") or "0"))
    answer.whole = True


async def _read_chunks(reader: asyncio.StreamReader, answer: Answer, enough: bytes) -> None:
    while not enough or enough not in answer.body:
        size = int(await reader.readuntil(b"\r\n"), 16)
        answer.body += await reader.readexactly(size)
        await reader.readexactly(2)
        if not size:
            answer.whole = True
            return
