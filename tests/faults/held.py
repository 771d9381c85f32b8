"""Calls that are under way for as long as a test wants."""

import asyncio

from tests.faults.caller import PLAIN, STREAMS, UNPRICED, Answer, Ask, Caller, trace_of
from tests.faults.ledger import Seen
from tests.faults.provider import Provider, tokens_of


class Held:
    """Calls that wait for the provider, all of them begun."""

    def __init__(self, port: int, provider: Provider, before: int = 0) -> None:
        self._before = before
        self._port = port
        self._provider = provider
        self.answers: list[Answer] = []
        self._reading: list[asyncio.Task[None]] = []

    async def begin(self, ask: Ask, manner: str) -> None:
        caller, answer = Caller(self._port), Answer(ask)
        await caller.begin(ask, trace_of(len(self.answers)), f"X-Manner: {manner}\r\n")
        self.answers.append(answer)
        self._reading.append(asyncio.ensure_future(self._read(caller, answer)))
        await self._provider.has(self._before + len(self.answers))

    async def begin_all(self) -> None:
        """One of each kind."""
        for ask in STREAMS:
            await self.begin(ask, "held-inside")
        for ask in PLAIN:
            await self.begin(ask, "held")

    @staticmethod
    async def _read(caller: Caller, answer: Answer) -> None:
        await caller.read(answer)
        await caller.close()

    async def read(self) -> list[bool]:
        """Whether each had its answer to the end."""
        await asyncio.gather(*self._reading)
        return [answer.complete and answer.status == 200 for answer in self.answers]

    def seen(self) -> list[Seen]:
        """What the record must say of those whose callers have the answer to the end."""
        return [
            Seen(answer.call, None if answer.ask in UNPRICED else tokens_of(trace_of(number)))
            for number, answer in enumerate(self.answers)
            if answer.complete and answer.status == 200
        ]
