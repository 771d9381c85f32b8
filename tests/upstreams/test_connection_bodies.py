"""Request bodies that come in pieces: framing, early answers, callers that break off."""

import asyncio

import pytest

from durward.calls.errors import CallerError
from tests.upstreams.scripted import GET, LIMIT, OK, Rig, ok, post, reason


class Pieces:
    """A body that a test hands out piece by piece."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.cancelled = False

    def give(self, *pieces: bytes | Exception) -> None:
        for piece in pieces:
            self._pieces.put_nowait(piece)

    async def __call__(self) -> bytes:
        try:
            piece = await self._pieces.get()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(piece, Exception):
            raise piece
        return piece


CHUNKED = b"POST / HTTP/1.1\r\nHost: upstream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_body_of_unknown_length_is_framed_as_it_comes() -> None:
    async with Rig() as rig:
        body = Pieces()
        call = rig.ask(CHUNKED, body)
        peer = await rig.peer()
        assert await peer.request() == CHUNKED
        body.give(b"hello")
        assert await peer.request(b"hello\r\n") == b"5\r\nhello\r\n"
        body.give(b"x" * 16, b"")
        assert await peer.request(b"0\r\n\r\n") == b"10\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n"
        await ok(call, peer)
        assert repr(rig.pool) == "0 active, 1 idle"


async def test_a_body_of_known_length_is_written_as_it_comes() -> None:
    async with Rig() as rig:
        body = Pieces()
        call = rig.ask(post(b"hello"), body)
        peer = await rig.peer()
        body.give(b"he", b"llo", b"")
        assert await peer.request(b"hello") == post(b"hello") + b"hello"
        await ok(call, peer)
        assert repr(rig.pool) == "0 active, 1 idle"


@pytest.mark.parametrize(
    "head,pieces", [(post(b"hello"), [b"hell", b""]), (post(b"hello"), [b"hello!"]), (GET, [b"x"])]
)
async def test_a_body_that_is_not_as_its_head_says_is_never_completed(head: bytes, pieces: list[bytes]) -> None:
    async with Rig() as rig:
        body = Pieces()
        call = rig.ask(head, body)
        peer = await rig.peer()
        body.give(*pieces)
        assert await reason(call) == "internal"
        await peer.gone()
        assert b"hello" not in peer.received


async def test_an_early_answer_is_delivered_and_the_connection_closed() -> None:
    async with Rig() as rig:
        body = Pieces()
        call = rig.ask(CHUNKED, body)
        peer = await rig.peer()
        body.give(b"hello")
        await peer.request(b"hello\r\n")
        peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
        answer = await call
        assert (answer.status, await answer.whole(LIMIT)) == (413, b"big")
        await peer.gone()
        assert repr(rig.pool) == "0 active, 0 idle"
        assert body.cancelled


async def test_an_early_answer_to_bytes_that_are_not_read_closes_the_connection_too() -> None:
    async with Rig() as rig:
        huge = b"x" * (32 * 2**20)
        call = rig.ask(post(huge), huge)
        peer = await rig.peer()
        await peer.some()
        peer.send(OK)
        assert await (await call).whole(LIMIT) == b"ok"
        assert repr(rig.pool) == "0 active, 0 idle"


async def test_request_and_answer_may_flow_at_once() -> None:
    async with Rig() as rig:
        body = Pieces()
        call = rig.ask(CHUNKED, body)
        peer = await rig.peer()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer = await call
        body.give(b"ping")
        await peer.request(b"ping\r\n")
        peer.send(b"4\r\npong\r\n")
        assert await answer.chunk() == b"pong"
        body.give(b"")
        await peer.request(b"0\r\n\r\n")
        peer.send(b"0\r\n\r\n")
        assert await answer.chunk() == b""
        assert repr(rig.pool) == "0 active, 1 idle"


async def test_a_caller_that_breaks_its_body_ends_the_call_with_its_own_error() -> None:
    async with Rig() as rig:
        body = Pieces()
        call = rig.ask(CHUNKED, body)
        peer = await rig.peer()
        body.give(b"hello", CallerError("Too large.", reason="too_large"))
        assert await reason(call) == "too_large"
        await peer.gone()
        assert not peer.received.endswith(b"0\r\n\r\n")


async def test_a_caller_that_breaks_its_body_breaks_an_answer_that_has_begun() -> None:
    async with Rig() as rig:
        body = Pieces()
        call = rig.ask(CHUNKED, body)
        peer = await rig.peer()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npong\r\n")
        answer = await call
        body.give(CallerError("Too large.", reason="too_large"))
        await peer.gone()
        assert await answer.chunk() == b"pong"
        with pytest.raises(CallerError):
            await answer.chunk()


async def test_a_body_that_is_given_up_ends_the_call() -> None:
    async with Rig() as rig:

        async def body() -> bytes:
            raise asyncio.CancelledError

        call = rig.ask(CHUNKED, body)
        peer = await rig.peer()
        assert await reason(call) == "caller_gone"
        await peer.gone()


async def test_a_cancelled_call_stops_asking_for_its_body() -> None:
    async with Rig() as rig:
        body = Pieces()
        call = rig.ask(CHUNKED, body)
        peer = await rig.peer()
        await peer.request()
        call.cancel()
        await peer.gone()
        assert body.cancelled
