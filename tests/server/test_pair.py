"""The words between supervisor and child."""

import asyncio
import socket

import pytest

from durward.server.pair import LINE_LIMIT, UNREAD_BYTES, Message, Pair, join


async def joined() -> tuple[Pair, socket.socket, "asyncio.Queue[Message]"]:
    heard: asyncio.Queue[Message] = asyncio.Queue()
    ours, theirs = socket.socketpair()
    return await join(ours, heard.put_nowait), theirs, heard


async def test_lines_arrive_whole_however_they_are_cut() -> None:
    pair, theirs, heard = await joined()
    loop = asyncio.get_running_loop()
    theirs.setblocking(False)
    for piece in (b'{"do"', b': "ping"}\n{"a', b'": 1}\n'):
        await loop.sock_sendall(theirs, piece)
        await asyncio.sleep(0)
    assert [await heard.get(), await heard.get()] == [{"do": "ping"}, {"a": 1}]
    pair.send({"event": "ready"})
    assert await loop.sock_recv(theirs, 100) == b'{"event": "ready"}\n'
    pair.close()
    await pair.gone.wait()
    theirs.close()


async def test_an_end_that_closes_is_noticed() -> None:
    pair, theirs, _ = await joined()
    theirs.close()
    await pair.gone.wait()
    pair.send({"event": "late"})  # Nobody hears it, and nothing breaks.


async def test_what_may_be_dropped_is_when_the_other_end_does_not_read() -> None:
    pair, theirs, _ = await joined()
    for _ in range(100):
        pair.mention({"what": "x" * (UNREAD_BYTES // 4)})
    theirs.setblocking(False)
    heard = 0
    pair.close()
    while piece := await asyncio.get_running_loop().sock_recv(theirs, 1 << 20):
        heard += len(piece)
    assert 0 < heard < 3 * UNREAD_BYTES
    theirs.close()


async def test_a_line_without_end_closes_the_pair() -> None:
    pair, theirs, _ = await joined()
    theirs.setblocking(False)
    with pytest.raises(OSError, match=r"pipe|reset"):
        await asyncio.get_running_loop().sock_sendall(theirs, b"x" * (LINE_LIMIT * 4))
    await pair.gone.wait()
    theirs.close()
