"""A gate in memory: callers, upstreams and journal that write down, in order, what passes between them.

A playbook reads as a sequence diagram: `>>` is what reaches the gate, `<<` what leaves it, `==` a line of the journal.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256

import msgspec

from durward.calls.errors import CallerError, GateError, UpstreamError
from durward.calls.origin import Origin, Timeouts
from durward.calls.ports import OnDisk, RequestHead
from durward.calls.principal import Principal
from durward.calls.record import Closing, Opening
from durward.config.settings import Agent, Api, Credential, Provider, Rule, Selector, Settings
from durward.gateway import Gateway
from durward.identity.keys import Keys
from durward.protocols.http1 import head_end, read_head
from durward.snapshot import Snapshot
from durward.storage.state import Owner

KEY = "dw_" + "k" * 43
OTHER_KEY = "dw_" + "o" * 43
CRM_TOKEN = "crm-secret"
JSON = b"application/json"
EVENTS = b"text/event-stream"


def digest(key: str) -> str:
    return "sha256:" + sha256(key.encode()).hexdigest()


def settings(**changes: object) -> Settings:
    """Three providers, an API, two agents, one rule that allows both everything; `changes` replace whole members."""
    base = Settings(
        listen="127.0.0.1:0",
        data_dir="unused",
        providers=(
            Provider("openai", "openai", "https://api.openai.com/v1"),
            Provider("anthropic", "anthropic", "https://api.anthropic.com"),
            Provider("gemini", "gemini", "https://generativelanguage.googleapis.com"),
        ),
        agents=(
            Agent("carol", "acme", "care", "desk", (digest(KEY),)),
            Agent("oscar", "acme", "ops", "desk", (digest(OTHER_KEY),)),
        ),
        apis=(
            Api(
                "crm",
                "https://crm.example.com/v2",
                Credential(header="Authorization", template="Bearer ${env:CRM_TOKEN}"),
            ),
        ),
        policies=(Rule("all", "allow", Selector()),),
    )
    return msgspec.structs.replace(base, **changes)


class Still:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Counting:
    """Randomness that counts."""

    def __init__(self) -> None:
        self._number = 0

    def bytes(self, count: int) -> bytes:
        self._number += 1
        return self._number.to_bytes(count, "big")


class Book:
    """The journal. `full` makes it unwritable from then on."""

    on_disk: OnDisk | None = None

    def __init__(self, events: list[str]) -> None:
        self._events = events
        self.openings: list[Opening] = []
        self.closings: list[Closing] = []
        self.full = False

    def _note(self, line: str) -> None:
        if self.full:
            raise GateError("The journal cannot be written.", reason="journal_unavailable")
        self._events.append(f"== {line}")

    def intent(self, opening: Opening) -> None:
        self._note(f"intent {opening.agent} {opening.resource}")
        self.openings.append(opening)

    def confirm(self, call: str) -> None:
        assert call in {opening.id for opening in self.openings}

    def settle(self, closing: Closing) -> None:
        self._note(f"settle {closing.outcome} {closing.status} {closing.reason}".rstrip())
        self.closings.append(closing)

    def refused(self, opening: Opening, closing: Closing) -> None:
        self._note(f"refused {closing.status} {closing.reason}")
        self.openings.append(opening)
        self.closings.append(closing)

    def unavailable(self) -> bool:
        return self.full


class Shelf:
    """Owners of provider objects, in memory."""

    def __init__(self) -> None:
        self.owners: dict[tuple[str, str, str], Owner] = {}

    async def owner(self, provider: str, kind: str, identifier: str) -> Owner | None:
        return self.owners.get((provider, kind, identifier))

    async def own(self, provider: str, objects: Iterable[tuple[str, str]], owner: Owner, now: float) -> None:
        for kind, identifier in objects:
            self.owners.setdefault((provider, kind, identifier), owner)


class Reply:
    """What an upstream will answer: head at once, then the body piece by piece; a piece that is an error ends it.

    `length` says whether the head has a Content-Length. A Future among the pieces is waited for.
    """

    def __init__(
        self,
        status: int,
        *pieces: "bytes | Exception | asyncio.Future[bytes]",
        media: bytes = JSON,
        length: bool = True,
    ) -> None:
        self.status = status
        self.fields = {b"content-type": media, b"x-request-id": b"req-1"}
        self.forward = b"Content-Type: %b\r\nX-Request-Id: req-1\r\n" % media
        self.cookies = b"Set-Cookie: a=b\r\n"
        self._pieces = list(pieces)
        known = length and all(isinstance(piece, bytes) for piece in pieces)
        self.length = sum(len(piece) for piece in pieces if isinstance(piece, bytes)) if known else None
        self.cancelled = False
        self.done = not pieces

    def announcing(self, length: int) -> "Reply":
        """The same answer, without a body, telling how long one would be."""
        self.fields[b"content-length"] = b"%d" % length
        return self

    def ended(self) -> bool:
        return not self._pieces and (self.length is not None or self.done)

    async def chunk(self) -> bytes:
        if not self._pieces:
            self.done = True
            return b""
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece if isinstance(piece, bytes) else await piece

    async def pour(self, into: Callable[[bytes], bool]) -> bool:
        while piece := await self.chunk():
            if not into(piece):
                return True
        return False

    async def whole(self, limit: int) -> bytes | None:
        parts = []
        while part := await self.chunk():
            parts.append(part)
        body = b"".join(parts)
        if len(body) > limit:
            self._pieces = [body]
            return None
        return body

    def cancel(self) -> None:
        self.cancelled = not self.done and bool(self._pieces)


class Network:
    """The upstreams: replies are taken in order, and what was sent is kept."""

    def __init__(self, events: list[str]) -> None:
        self._events = events
        self.replies: list[Reply | UpstreamError] = []
        self.sent: list[tuple[bytes, bytes]] = []

    async def send(
        self,
        origin: Origin,
        head: bytes,
        body: bytes | Callable[[], Awaitable[bytes]],
        timeouts: Timeouts,
        confirm: Callable[[], None] | None = None,
    ) -> Reply:
        if confirm is not None:
            confirm()
        line = head.split(b" HTTP/1.1\r\n")[0].decode()
        self._events.append(f"<< {line} to {origin.host}")
        if not isinstance(body, bytes):
            pieces = []
            while piece := await body():
                pieces.append(piece)
            body = b"".join(pieces)
        self.sent.append((head, body))
        reply = self.replies.pop(0)
        if isinstance(reply, UpstreamError):
            self._events.append(f">> {reply.reason}")
            raise reply
        self._events.append(f">> {reply.status}")
        return reply


class Caller:
    """An Exchange whose answer is written down. `body` may be pieces."""

    def __init__(self, events: list[str], head: RequestHead, body: bytes) -> None:
        self._events = events
        self.head = head
        self._body = body
        self.peer = "192.0.2.1"
        self.started = False
        self.gone = False
        """What is cancelled is the call of a caller that has gone, or one for which the gate does not wait."""
        self.congested = False
        self.status = 0
        self.lines = b""
        self.received = b""
        self.complete = False
        self.aborted = False
        self.piece = 2**30
        """How many bytes of the body come at once where it is passed on as it comes."""
        self.shown = asyncio.Event()
        """Set once the caller has had a byte of the body."""
        self.length: int | None = None
        """The length of which an answer that came piece by piece told."""

    waited = 0.0

    async def body(self, limit: int) -> bytes:
        if len(self._body) > limit:
            raise CallerError(f"The body has {len(self._body)} bytes, more than {limit}.", reason="too_large")
        return self._body

    async def chunk(self) -> bytes:
        body, self._body = self._body[: self.piece], self._body[self.piece :]
        return body

    def let_go(self) -> None:
        pass

    def send(self, status: int, lines: bytes, body: bytes) -> None:
        self._events.append(f"<< {status}")
        self.started = self.complete = True
        self.status, self.lines, self.received = status, lines, body

    def begin(self, status: int, lines: bytes, length: int | None) -> None:
        self._events.append(f"<< {status} …")
        self.started = True
        self.status, self.lines, self.length = status, lines, length

    def write(self, data: bytes) -> None:
        self._events.append(f"<< {len(data)} bytes")
        self.received += data
        self.shown.set()

    def pass_on(self, data: bytes) -> bool:
        self.write(data)
        return not self.congested

    async def drained(self) -> None:
        self.congested = False

    def end(self) -> None:
        self._events.append("<< end")
        self.complete = True

    def abort(self) -> None:
        self._events.append("<< cut")
        self.aborted = True


class World:
    """One gate and all that surrounds it."""

    def __init__(
        self,
        written: Settings | None = None,
        environment: dict[str, str] | None = None,
        shelf: "Shelf | None" = None,
    ) -> None:
        self.events: list[str] = []
        self.clock = Still()
        self.book = Book(self.events)
        self.network = Network(self.events)
        self.shelf = shelf or Shelf()
        written = written or settings()
        keys = Keys(self.clock)
        for agent in written.agents:
            for key in agent.keys:
                keys.add(key.removeprefix("sha256:"), Principal(agent.name, agent.tenant, agent.team, agent.app))
        snapshot = Snapshot(written, environment or {"CRM_TOKEN": CRM_TOKEN}, self.shelf, self.clock)
        self.gateway = Gateway(snapshot, keys, self.book, self.network, self.clock, Counting())

    def caller(self, line: str, body: bytes | object = b"", key: str | None = KEY, **fields: str) -> Caller:
        """A caller that sends `line` ("POST /v1/…") and a body, bytes or something that becomes JSON."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {"Host": "gate"}
        if raw:
            headers |= {"Content-Length": str(len(raw)), "Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        headers |= {name.replace("_", "-"): value for name, value in fields.items()}
        text = (
            f"{line} HTTP/1.1\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
            + "\r\n"
        )
        head, _ = read_head(text.encode(), head_end(text.encode()))
        self.events.append(f">> {line}")
        return Caller(self.events, head, raw)

    async def plays(
        self, line: str, body: bytes | object = b"", *replies: Reply | UpstreamError, **fields: str
    ) -> Caller:
        """Send one call whose upstreams answer `replies`, and see it through."""
        self.network.replies = list(replies)
        caller = self.caller(line, body, **fields)
        await self.gateway.handle(caller)
        return caller
