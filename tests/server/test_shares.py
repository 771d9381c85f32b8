"""Who accepts next: whoever has clearly more callers than another lets that one."""

import asyncio
import contextlib
import os
import socket

from durward.calls.ports import Exchange
from durward.server.bounds import Bounds
from durward.server.clock import SystemClock
from durward.server.edge import Edge
from durward.server.launch import unnamed
from durward.server.shares import Shares, room


def views(count: int) -> list[Shares]:
    fd = unnamed(room(count))
    made = [Shares(os.dup(fd), number) for number in range(count)]
    os.close(fd)
    return made


def test_whoever_has_clearly_more_than_another_gives_way() -> None:
    first, second, third = views(3)
    assert not first.gives_way(0)
    first.tell(10)
    second.tell(9)
    third.tell(10)
    assert not first.gives_way(10)
    second.tell(8)
    assert first.gives_way(10)
    assert not third.gives_way(9)
    assert not second.gives_way(8)


def test_a_sixteenth_is_as_good_as_equal() -> None:
    first, second = views(2)
    first.tell(1070)
    second.tell(1000)
    assert not first.gives_way(1062)
    assert first.gives_way(1070)


def test_a_new_life_begins_with_nobody() -> None:
    fd = unnamed(room(2))
    Shares(os.dup(fd), 0).tell(50)
    Shares(os.dup(fd), 1).tell(50)
    again = Shares(fd, 1)
    assert again.gives_way(50) is True  # its own slot is the one with fewer


async def answer(exchange: Exchange) -> None:
    exchange.send(200, b"", b"")


async def test_two_edges_on_one_socket_have_as_many_callers_each() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        edges = [Edge(answer, SystemClock(), Bounds(), lambda reason, peer: None) for _ in range(2)]
        for edge, shares in zip(edges, views(2), strict=True):
            edge.share(shares)
            await edge.listen(listener.dup())
        callers = [await asyncio.open_connection(*listener.getsockname()) for _ in range(64)]
        while sum(edge.connections for edge in edges) < len(callers):  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert all(abs(edge.connections - 32) <= 3 for edge in edges)
        # One that no longer accepts keeps nobody waiting.
        draining = asyncio.ensure_future(edges[1].drain(0))
        more = [await asyncio.open_connection(*listener.getsockname()) for _ in range(8)]
        for reader, writer in more:
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        for _, writer in (*callers, *more):
            writer.close()
        await draining
        with contextlib.suppress(ConnectionError):
            await edges[0].drain(1)
