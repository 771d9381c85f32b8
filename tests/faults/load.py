"""Callers that ask and ask, half of them for streams, and note which answers they had to the end."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.caller import PLAIN, STREAMS, UNPRICED, Answer, Caller
from tests.faults.ledger import Seen
from tests.faults.provider import tokens_of

CALLERS = 12


class Load:
    """One seed, one sequence of calls for every caller. `answers` are all that had a head."""

    def __init__(self, port: int, seed: int) -> None:
        self.answers: list[tuple[str, Answer]] = []
        self.cut = 0
        self._port = port
        self._seed = seed
        self._steps = 0
        self._stepped = asyncio.Event()
        self._leaving = False

    async def steps(self, count: int) -> None:
        """Until so many more answers have come, or been cut."""
        wanted = self._steps + count
        while self._steps < wanted:
            self._stepped.clear()
            await self._stepped.wait()

    def complete(self) -> list[tuple[str, Answer]]:
        """The answers that their callers had to the end, with their traces."""
        return [(trace, answer) for trace, answer in self.answers if answer.complete and answer.status == 200]

    def seen(self) -> list[Seen]:
        """What the record must say of them."""
        return [
            Seen(answer.call, None if answer.ask in UNPRICED else tokens_of(trace)) for trace, answer in self.complete()
        ]

    async def _ask_and_ask(self, number: int) -> None:
        dice = random.Random(f"{self._seed} {number}")
        caller = Caller(self._port)
        made = 0
        while not self._leaving:
            made += 1
            trace = f"{self._seed + 1:08x}{number:08x}{dice.getrandbits(32):08x}{made:08x}"
            ask = dice.choice(STREAMS if made % 2 else PLAIN)
            try:
                answer = await caller.call(ask, trace)
            except ConnectionRefusedError:
                return  # Nobody serves any more: the supervisor is gone.
            except ConnectionError:
                await caller.close()
                self.cut += 1
            else:
                if answer.head:
                    self.answers.append((trace, answer))
                self.cut += not answer.complete
            self._steps += 1
            self._stepped.set()
        await caller.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Callers ask while the block runs, and then finish what they have begun."""
        async with asyncio.TaskGroup() as callers:
            for number in range(CALLERS):
                callers.create_task(self._ask_and_ask(number))
            try:
                yield
            finally:
                self._leaving = True
