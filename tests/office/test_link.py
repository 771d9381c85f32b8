"""A question reaches the supervisor and its answer the one who asked, or nobody waits for it."""

import asyncio
import json
import socket
from collections.abc import Iterator

import pytest

from durward.office.link import Link


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


async def test_answers_come_back_to_who_asked(pair: tuple[socket.socket, socket.socket]) -> None:
    link = Link(pair[0])
    asked = [asyncio.ensure_future(link.ask("measure", 30)) for _ in range(2)]
    await asyncio.sleep(0)
    first, second = (json.loads(line) for line in pair[1].recv(65536).splitlines())
    assert first["do"] == "measure"
    link.hear({"to": second["ask"], "n": 2})
    link.hear({"to": first["ask"], "n": 1})
    assert await asyncio.gather(*asked) == [{"n": 1}, {"n": 2}]
    link.hear({"to": first["ask"], "n": 3})


async def test_who_is_not_answered_gets_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    link = Link(pair[0])
    assert await link.ask("measure", 0.01) == {}
    pair[1].close()
    assert await link.ask("measure", 30) == {}
