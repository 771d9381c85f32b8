"""The demo provider behind a real edge, its time held: a sleep is noted and takes none."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from durward.upstreams.demo.app import Demo
from tests.server.caller import Caller, HeldClock, House, house

SEED = b"a seed"


class Served(NamedTuple):
    """Where the demo is, and how long it has slept."""

    url: str
    house: House
    slept: list[float]

    async def call(self) -> Caller:
        return await self.house.call()


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    demo = Demo(HeldClock(), sleep, SEED)
    async with house(demo.answer) as opened:
        host, port = opened.address
        yield Served(f"http://{host}:{port}", opened, slept)


def events(stream: str) -> list[Any]:
    """The data of a stream's events, `[DONE]` as it is."""
    datas = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    return [text if text == "[DONE]" else json.loads(text) for text in datas]
