"""R25: mitmproxy CVE-2021-39214 and CVE-2022-24766. R26: aiohttp CVE-2023-37276, CVE-2026-22815, GHSA-mfx4-hv73-q22v and more:
bytes that two servers read as two different requests, trailers without a bound, an upgrade with a body.

Here: each of them is refused, or has one reading, and what goes upstream is written anew: the framing that came is never handed on.
The grid over a bare edge is tests/server/test_edge_hostile_requests.py; this one goes through a whole gate to a real upstream.
"""

from pathlib import Path

from tests.incidents.gate import answered, provider, statuses
from tests.playbooks.world import Reply, World
from tests.server.hostile import CHUNKS, FRAMING, HOSTILE, HOSTS, SMUGGLED
from tests.server.running import KEY, Running, write_config

OF_A_ROUTE = {"body too large"}
"""What a route decides, and not the grammar."""


def test_the_grid_through_a_whole_gate(tmp_path: Path) -> None:
    assert len(HOSTILE) >= 100
    with provider() as seen:
        write_config(tmp_path, seen.port)
        running = Running(tmp_path, [])
        try:
            running.wait_ready()
            key = b"\r\nDurward-Key: " + KEY.encode() + b"\r\n"
            for case in (each for each in HOSTILE if each.name not in OF_A_ROUTE):
                # As who is known: the grammar is what refuses it, not the lack of a key.
                raw = case.raw.replace(b"\r\n", key, 1) if case in (*FRAMING, *CHUNKS, *HOSTS) else case.raw
                if case.status == 431:
                    raw = case.raw
                said = answered(running.port, raw + SMUGGLED)
                assert statuses(said)[:1] == [case.status], case.name
                assert len(statuses(said)) == 1, case.name
            assert not seen.asked.is_set(), "nothing of it reached the upstream"
            assert running.chat() == 200
        finally:
            running.close()


async def test_what_goes_up_is_framed_by_us() -> None:
    world = World()
    framed = {"Transfer_Encoding": "chunked", "Content_Length": ""}
    extra = {
        "TE": "trailers, deflate",
        "Connection": "close, X-Gone",
        "X_Gone": "1",
        "Keep_Alive": "timeout=9",
    }
    for line in ("POST /api/crm/x", "POST /v1/chat/completions"):
        body = {"model": "m", "messages": []}
        assert (await world.plays(line, body, Reply(200, b"{}"), **framed, **extra)).status == 200
        head, sent = world.network.sent[-1]
        lines = [each.partition(b":")[0].lower() for each in head.split(b"\r\n")[1:] if each]
        assert len(lines) == len(set(lines)), "no field twice"
        assert {b"te", b"connection", b"x-gone", b"keep-alive", b"trailer"} & set(lines) == set()
        assert (b"transfer-encoding" in lines) != (b"content-length" in lines), "one framing"
        if b"content-length" in lines:
            assert b"Content-Length: %d\r\n" % len(sent) in head
