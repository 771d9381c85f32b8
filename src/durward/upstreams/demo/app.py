"""The demo provider as an app of an HTTP edge: one exchange, one answer."""

import json
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

from durward.calls.errors import DurwardError
from durward.calls.ports import Clock, Exchange
from durward.protocols import anthropic_models, gemini_models, http, openai_models
from durward.protocols.wire import ModelListing
from durward.protocols.wire import Wire as Spoken
from durward.upstreams.demo.dice import Dice
from durward.upstreams.demo.failures import PIECES_BEFORE, RETRY_SECONDS, SILENT_SECONDS, Failure, failure_of
from durward.upstreams.demo.orders import Orders, Told
from durward.upstreams.demo.pacing import SLOW_FIRST_SECONDS, delays
from durward.upstreams.demo.routes import CHAT, Route, route_of
from durward.upstreams.demo.talk import Wrong, reply_to
from durward.upstreams.demo.wires import Asked, Body, Stamp, Wire

BODY_LIMIT = 32 * 2**20
JSON = b"Content-Type: application/json\r\n"
EVENTS = b"Content-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
NAMES: dict[Spoken, tuple[str, ...]] = {
    "openai": ("gpt-5", "gpt-4o-mini", "text-embedding-3-small"),
    "anthropic": ("claude-haiku-4-5",),
    "gemini": ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-embedding-001"),
}
"""What is listed; every other name is answered too."""
LISTINGS: dict[Spoken, Any] = {"openai": openai_models, "anthropic": anthropic_models, "gemini": gemini_models}
BROKEN = b'data: {"this is": not JSON\n\n'

Sleep = Callable[[float], Awaitable[None]]


class Demo:
    """Answers exchanges until it is dropped. The same seed and prompt get the same words, at the same pace."""

    def __init__(self, clock: Clock, sleep: Sleep, seed: bytes) -> None:
        self._clock = clock
        self._sleep = sleep
        self._seed = seed
        self._answered = 0
        self._orders = Orders()

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request: the app that an edge calls."""
        route = route_of(exchange.head)
        try:
            body = await exchange.body(BODY_LIMIT)
        except DurwardError as error:
            rendered = http.write_error(error, "")
            exchange.send(rendered.status, rendered.lines, rendered.body)
            return
        if route.wire is not None:
            await self._speak(exchange, route, route.wire, body)
        elif route.lists is not None:
            _list(exchange, route, route.lists)
        elif route.provider:
            stamp = self._stamp()
            told = CHAT.fail(404, f"Unknown request URL: /{'/'.join(route.path)[:200]}", stamp)
            exchange.send(404, JSON + CHAT.lines(None, stamp), _encoded(told))
        else:
            await self._serve(exchange, route, body)

    def _stamp(self) -> Stamp:
        """Ids that no other answer has, also of another life of this process."""
        self._answered += 1
        now = self._clock.time()
        token = sha256(b"%b %d %f" % (self._seed, self._answered, now)).hexdigest()[:24]
        return Stamp(token, int(now))

    async def _speak(self, exchange: Exchange, route: Route, wire: Wire, body: bytes) -> None:
        stamp = self._stamp()
        try:
            asked = wire.read(_read(body), route.model, route.stream, route.query)
            prompt = asked.prompt
            dice = Dice(self._seed, prompt.text, "" if prompt.result is None else prompt.result.content)
            reply = reply_to(prompt, dice)
            whole = _encoded(wire.whole(asked, reply, stamp))
        except (Wrong, RecursionError) as wrong:
            why = str(wrong) if isinstance(wrong, Wrong) else "The body is nested too deeply."
            exchange.send(400, JSON + wire.lines(None, stamp), _encoded(wire.fail(400, why, stamp)))
            return
        lines = wire.lines(asked, stamp)
        failure = failure_of(exchange.head, prompt.text)
        if await self._fail(exchange, wire, asked, failure, stamp):
            return
        if asked.stream:
            await self._stream(exchange, list(wire.pieces(asked, reply, stamp)), (wire, asked, stamp), failure, dice)
            return
        await self._sleep(next(delays(dice, failure == "slow")))
        _send(exchange, 200, JSON + lines, whole, failure)

    async def _fail(self, exchange: Exchange, wire: Wire, asked: Asked, failure: Failure | None, stamp: Stamp) -> bool:
        """Whether the answer is an error, which has been given then."""
        lines = JSON + wire.lines(asked, stamp)
        if failure == "silent":
            await self._sleep(SILENT_SECONDS)
            exchange.abort()
        elif failure == "429":
            told = wire.fail(429, f"Rate limit reached. Please try again in {RETRY_SECONDS}s.", stamp)
            exchange.send(429, lines + b"Retry-After: %d\r\n" % RETRY_SECONDS, _encoded(told))
        elif failure == "500":
            told = wire.fail(500, "The server had an error while processing your request.", stamp)
            exchange.send(500, lines, _encoded(told))
        elif failure == "overloaded" and not asked.stream:
            told = wire.fail(wire.overloaded, "The model is overloaded. Please retry later.", stamp)
            exchange.send(wire.overloaded, lines, _encoded(told))
        else:
            return False
        return True

    async def _stream(
        self,
        exchange: Exchange,
        pieces: list[bytes],
        said: tuple[Wire, Asked, Stamp],
        failure: Failure | None,
        dice: Dice,
    ) -> None:
        wire, asked, stamp = said
        ends = min(PIECES_BEFORE, len(pieces) - 1) if failure in ("overloaded", "cut", "malformed") else len(pieces)
        pace = delays(dice, failure == "slow")
        await self._sleep(next(pace))
        exchange.begin(200, (JSON if asked.array else EVENTS) + wire.lines(asked, stamp), None)
        for place, piece in enumerate(pieces[:ends]):
            if place:
                await self._sleep(next(pace))
            exchange.write(piece)
            if exchange.congested:
                await exchange.drained()
        if failure == "cut":
            exchange.abort()
            return
        if failure == "overloaded":
            exchange.write(wire.fail_inside(asked, stamp))
        elif failure == "malformed":
            exchange.write(BROKEN)
        exchange.end()

    async def _serve(self, exchange: Exchange, route: Route, body: bytes) -> None:
        """The HTTP API."""
        failure = failure_of(exchange.head, "")
        if failure == "silent":
            await self._sleep(SILENT_SECONDS)
            exchange.abort()
            return
        if failure == "slow":
            await self._sleep(SLOW_FIRST_SECONDS)
        if failure in ("429", "500", "overloaded"):
            status = 503 if failure == "overloaded" else int(failure)
            lines = JSON + (b"Retry-After: %d\r\n" % RETRY_SECONDS if status == 429 else b"")
            exchange.send(status, lines, _encoded({"status": status, "detail": "As was asked for."}))
            return
        told = self._orders.answer(exchange.head.method, route.path, route.query, body)
        _send(exchange, told.status, _lines(told), b"" if told.body is None else _encoded(told.body), failure)


def _send(exchange: Exchange, status: int, lines: bytes, body: bytes, failure: Failure | None) -> None:
    """A whole answer, or one that breaks off or is no JSON."""
    if failure == "malformed":
        body = body[: len(body) * 2 // 3]
    if failure != "cut":
        exchange.send(status, lines, body)
        return
    exchange.begin(status, lines, len(body))
    exchange.write(body[: len(body) // 2])
    exchange.abort()


def _list(exchange: Exchange, route: Route, wire: Spoken) -> None:
    listing = LISTINGS[wire]
    if route.model:
        rendered = listing.write_model(ModelListing(route.model, "demo"))
    else:
        rendered = listing.write_models([ModelListing(name, "demo") for name in NAMES[wire]])
    exchange.send(rendered.status, rendered.lines, rendered.body)


def _lines(told: Told) -> bytes:
    lines = b"" if told.body is None else JSON
    return lines + (b"Allow: %b\r\n" % told.allow.encode() if told.allow else b"")


def _read(body: bytes) -> Body:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        raise Wrong("We could not parse the JSON body of your request.") from None
    if not isinstance(read, dict):
        raise Wrong("The body must be a JSON object.")
    return read


def _encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
