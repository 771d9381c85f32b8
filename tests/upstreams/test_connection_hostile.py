"""Hostile answers over real sockets: each has one typed outcome, and none leaves a connection that another call could get."""

from typing import NamedTuple

import pytest

from durward.calls.errors import UpstreamError
from durward.protocols.http1_answer import HEAD_BYTES
from durward.upstreams.connection import INTERIM_ANSWERS
from tests.upstreams.scripted import GET, HEAD, LIMIT, OK, TIMEOUTS, Peer, Rig, turns

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
INJECTED = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninjected"


class Hostile(NamedTuple):
    name: str
    answer: bytes
    outcome: bytes | str
    """The body, where the answer is delivered, else the reason of the error."""
    then: str = "nothing"
    """What the upstream does after its bytes: nothing, close, reset."""
    request: bytes = GET


MALFORMED = "upstream_malformed"
CUT = "upstream_cut"

HOSTILE = [
    Hostile("HEAD with a body", b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninjected", b"", request=HEAD),
    Hostile(
        "HEAD with an answer as body", b"HTTP/1.1 200 OK\r\nContent-Length: 47\r\n\r\n" + INJECTED, b"", request=HEAD
    ),
    Hostile("HEAD with a chunked body", CHUNKED + b"8\r\ninjected\r\n0\r\n\r\n", b"", request=HEAD),
    Hostile("HEAD without a body", b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", b"", request=HEAD),
    Hostile("204 announcing a body", b"HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\n", b""),
    Hostile("204 with a body", b"HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\ninjected", b""),
    Hostile("204 with surplus bytes", b"HTTP/1.1 204 No Content\r\n\r\ninjected", b""),
    Hostile("304 announcing a body", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\n", b""),
    Hostile("interim answer with a body", b"HTTP/1.1 100 C\r\nContent-Length: 8\r\n\r\ninjected" + OK, MALFORMED),
    Hostile("switching protocols", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", MALFORMED),
    Hostile("interim answers without end", CONTINUE * (INTERIM_ANSWERS + 1) + OK, MALFORMED),
    Hostile("interim answer, then silence and close", CONTINUE, CUT, "close"),
    Hostile("surplus after a counted body", OK + b"x", b"ok"),
    Hostile("a second answer after a counted body", OK + INJECTED, b"ok"),
    Hostile("surplus after a chunked body", CHUNKED + b"2\r\nok\r\n0\r\n\r\nx", b"ok"),
    Hostile("a second answer after a chunked body", CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + INJECTED, b"ok"),
    Hostile("surplus after an empty body", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\r\n", b""),
    Hostile("connection: close", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    Hostile(
        "connection: close, kept open", b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", b""
    ),
    Hostile(
        "HTTP/1.0 with keep-alive", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", b"ok"
    ),
    Hostile("body until close", b"HTTP/1.1 200 OK\r\n\r\nall there is", b"all there is", "close"),
    Hostile("empty body until close", b"HTTP/1.1 200 OK\r\n\r\n", b"", "close"),
    Hostile("body until reset", b"HTTP/1.1 200 OK\r\n\r\nall there", CUT, "reset"),
    Hostile(
        "CL and TE", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", MALFORMED
    ),
    Hostile(
        "TE and CL", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", MALFORMED
    ),
    Hostile("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", MALFORMED),
    Hostile("negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", MALFORMED),
    Hostile("hexadecimal length", b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", MALFORMED),
    Hostile("length with a sign", b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", MALFORMED),
    Hostile("huge length", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok", MALFORMED),
    Hostile(
        "coding we did not ask for", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", MALFORMED
    ),
    Hostile("chunked on HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", MALFORMED),
    Hostile("chunk size with 0x", CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n", MALFORMED),
    Hostile("chunk size of 17 digits", CHUNKED + b"00000000000000002\r\nok\r\n0\r\n\r\n", MALFORMED),
    Hostile("negative chunk size", CHUNKED + b"-2\r\nok\r\n0\r\n\r\n", MALFORMED),
    Hostile("no chunk size", CHUNKED + b"\r\nok\r\n0\r\n\r\n", MALFORMED),
    Hostile("chunk size ended by LF", CHUNKED + b"2\nok\r\n0\r\n\r\n", MALFORMED),
    Hostile("chunk longer than its size", CHUNKED + b"2\r\nokay\r\n0\r\n\r\n", MALFORMED),
    Hostile("endless chunk extension", CHUNKED + b"2;" + b"a" * 300 + b"\r\nok\r\n0\r\n\r\n", MALFORMED),
    Hostile("folded trailer", CHUNKED + b"2\r\nok\r\n0\r\na: b\r\n c\r\n\r\n", MALFORMED),
    Hostile("too many trailers", CHUNKED + b"0\r\n" + b"a: b\r\n" * 21 + b"\r\n", MALFORMED),
    Hostile("cut in a chunk", CHUNKED + b"8\r\nok", CUT, "close"),
    Hostile("cut between chunks", CHUNKED + b"2\r\nok\r\n", CUT, "close"),
    Hostile("cut before the last line end", CHUNKED + b"2\r\nok\r\n0\r\n", CUT, "close"),
    Hostile("cut in a counted body", b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nok", CUT, "close"),
    Hostile("reset in a counted body", b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nok", CUT, "reset"),
    Hostile("cut in the head", b"HTTP/1.1 200 OK\r\nContent-", CUT, "close"),
    Hostile("reset in the head", b"HTTP/1.1 200 OK\r\nContent-", CUT, "reset"),
    Hostile("closed without a byte", b"", CUT, "close"),
    Hostile("reset without a byte", b"", CUT, "reset"),
    Hostile("head without end", b"HTTP/1.1 200 OK\r\nA: " + b"x" * HEAD_BYTES, MALFORMED),
    Hostile("lines without end", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 201 + b"\r\n", MALFORMED),
    Hostile("line injected by LF", b"HTTP/1.1 200 OK\r\nA: b\nSet-Cookie: c\r\nContent-Length: 0\r\n\r\n", MALFORMED),
    Hostile("line injected by CR", b"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\nContent-Length: 0\r\n\r\n", MALFORMED),
    Hostile("NUL in a value", b"HTTP/1.1 200 OK\r\nA: b\x00\r\nContent-Length: 0\r\n\r\n", MALFORMED),
    Hostile("space before the colon", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", MALFORMED),
    Hostile("folded line", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", MALFORMED),
    Hostile("LF line ends", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", MALFORMED),
    Hostile("HTTP/0.9", b"<html>hello</html>", MALFORMED, "close"),
    Hostile("HTTP/2", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", MALFORMED),
    Hostile("TLS", b"\x15\x03\x01\x00\x02\x02\x16", MALFORMED, "close"),
    Hostile("a request", b"GET / HTTP/1.1\r\n\r\n", MALFORMED),
    Hostile("status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", MALFORMED),
    Hostile("status beyond 599", b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n", MALFORMED),
    Hostile("status 0", b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n", MALFORMED),
]


async def answer_with(peer: Peer, hostile: Hostile, size: int) -> None:
    for at in range(0, len(hostile.answer), size):
        peer.send(hostile.answer[at : at + size])
        await turns(2)
    if hostile.then == "close":
        peer.close()
    elif hostile.then == "reset":
        peer.reset()


@pytest.mark.parametrize("size", [2**20, 1], ids=["whole", "bytewise"])
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
async def test_a_hostile_answer(hostile: Hostile, size: int) -> None:
    if len(hostile.answer) > 2000:
        size *= 100
    async with Rig() as rig:
        call, peer = await rig.asked(hostile.request)
        await answer_with(peer, hostile, size)
        outcome: bytes | str | None
        try:
            answer = await call
            outcome = await answer.whole(LIMIT)
        except UpstreamError as error:
            outcome = error.reason
        assert outcome == hostile.outcome
        await peer.gone()
        assert repr(rig.pool) == "0 active, 0 idle"
        # What the upstream said too much is heard by nobody.
        call, other = await rig.asked()
        other.send(OK)
        assert await (await call).whole(LIMIT) == b"ok"
        assert len(rig.accepted) == 2


async def silent(rig: Rig, peer: Peer, seconds: float) -> None:
    rig.pass_time(seconds)
    await peer.gone()
    assert repr(rig.pool) == "0 active, 0 idle"


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nA: b", CONTINUE])
async def test_a_head_that_does_not_come_in_time(begun: bytes) -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        for byte in begun:
            peer.send(bytes([byte]))
            rig.pass_time(TIMEOUTS.first_byte / 100)
            await turns(2)
        assert not call.done(), "a deadline is never early"
        rig.pass_time(TIMEOUTS.first_byte + 1)
        with pytest.raises(UpstreamError) as caught:
            await call
        assert caught.value.reason == "upstream_silent"
        await silent(rig, peer, 1)


async def test_bytes_of_a_head_do_not_put_off_its_deadline() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        connection = rig.only_connection()
        deadline = connection.deadline
        peer.send(b"HTTP/1.1 200 OK\r\nA: b")
        while not connection._held:
            await turns(1)
        assert connection.deadline == deadline
        call.cancel()


@pytest.mark.parametrize("head", [CHUNKED, b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_silence_after_the_head(head: bytes) -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        peer.send(head)
        answer = await call
        rig.pass_time(TIMEOUTS.between_chunks)
        assert repr(rig.pool) == "1 active, 0 idle", "a deadline is never early"
        rig.pass_time(1)
        with pytest.raises(UpstreamError) as caught:
            await answer.chunk()
        assert caught.value.reason == "upstream_silent"
        await silent(rig, peer, 1)


async def test_every_chunk_puts_off_the_deadline() -> None:
    async with Rig() as rig:
        call, peer = await rig.asked()
        peer.send(CHUNKED)
        answer = await call
        for _ in range(5):
            rig.pass_time(TIMEOUTS.between_chunks - 1)
            peer.send(b"2\r\nok\r\n")
            assert await answer.chunk() == b"ok"
        peer.send(b"0\r\n\r\n")
        assert await answer.chunk() == b""
        assert repr(rig.pool) == "0 active, 1 idle"
