"""Hostile requests over a real connection, whole and byte by byte: the right status, the connection closed, nothing for an upstream."""

import asyncio

import pytest

from durward.calls.errors import DurwardError
from durward.calls.ports import Exchange
from durward.protocols.http import write_error
from durward.server.connection import App
from tests.server.caller import house
from tests.server.hostile import HOSTILE, SMUGGLED, VALID, Hostile, Valid

BODY_LIMIT = 1_000_000
OK = b"ok"
PIECES = pytest.mark.parametrize("piece", [0, 1], ids=["whole", "bytewise"])
Seen = tuple[str, bytes, bytes]


def forwarding(upstream: list[Seen]) -> App:
    """An app that passes on what it gets, as soon as it has got it whole."""

    async def app(exchange: Exchange) -> None:
        try:
            body = await exchange.body(BODY_LIMIT)
        except DurwardError as error:
            rendered = write_error(error, "")
            exchange.send(rendered.status, rendered.lines, rendered.body)
        else:
            upstream.append((exchange.head.method, exchange.head.target, body))
            exchange.send(200, b"", OK)

    return app


def stride(raw: bytes, piece: int) -> int:
    """Requests of many kilobytes go in pieces of a few bytes, or they would take seconds."""
    return piece and max(piece, len(raw) // 4099)


@PIECES
@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
async def test_hostile_request_is_refused(case: Hostile, piece: int) -> None:
    upstream: list[Seen] = []
    async with house(forwarding(upstream)) as opened:
        caller = await opened.call()
        await caller.say(case.raw + SMUGGLED, stride(case.raw, piece))
        async with asyncio.timeout(10):
            answer = await caller.hear_all()

    assert answer.startswith(b"HTTP/1.1 %d " % case.status)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d" % len(rest) in head, "one answer, and nothing behind it"
    assert b"\r\nConnection: close\r\n" in head
    assert upstream == []


@PIECES
@pytest.mark.parametrize("case", VALID, ids=lambda case: case.name)
async def test_valid_request_that_looks_hostile_passes(case: Valid, piece: int) -> None:
    upstream: list[Seen] = []
    async with house(forwarding(upstream)) as opened:
        caller = await opened.call()
        await caller.say(case.raw, stride(case.raw, piece))
        for _ in case.seen:
            assert (await caller.hear(OK)).startswith(b"HTTP/1.1 200 OK\r\n")
        if case.closes:
            assert await caller.hear_all() == b""
        else:
            await caller.say(b"GET /next HTTP/1.1\r\nHost: gate\r\n\r\n")
            await caller.hear(OK)
        assert opened.refused == []

    following = () if case.closes else (("GET", b"/next", b""),)
    assert upstream == [*case.seen, *following]


def test_cases_have_names_of_their_own() -> None:
    names = [case.name for case in HOSTILE] + [case.name for case in VALID]
    assert len(set(names)) == len(names)
    assert len(HOSTILE) >= 80
