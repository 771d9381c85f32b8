"""CVE-2026-48710 "BadHost" (Starlette before 1.0.1): access was decided on a URL rebuilt from the Host header, the route on the path.

Here: a Host that is none is 400, whatever Host is valid changes nothing of who may do what, and the path that policy judges is the one
that is sent.
"""

from pathlib import Path

import pytest

from durward.config.settings import Rule, Selector
from tests.incidents.gate import answered, provider, statuses
from tests.playbooks.world import Reply, World, settings
from tests.server.running import Running, write_config

ODD = [
    *(
        "",
        " ",
        "gate/v1/models",
        "gate?x",
        "gate#x",
        "me@gate",
        "gate gate",
        "gate, other",
        "gate:http",
        "gate:",
        "gate:99999",
    ),
    *(
        "gate:80:80",
        "[::1",
        "::1]",
        "gate\\x",
        "gate/../..",
        "http://gate",
        "gate%2f",
        "gate;a",
        "g\xe4te",
        "/",
        "//",
        "gate\t/x",
    ),
]
VALID = [
    "gate",
    "gate:80",
    "127.0.0.1:7300",
    "[::1]:7300",
    "localhost",
    "api.openai.com",
    "a.b.c",
    "healthz",
    "xn--gte-qla",
]
PLAYS = {
    "GET /api/crm/open": 200,
    "GET /api/crm/closed": 403,
    "GET /api/crm/open/../closed": 400,
    "GET /api/crm/%63losed": 403,
}


def test_an_odd_host_is_400_and_the_connection_ends(tmp_path: Path) -> None:
    with provider() as seen:
        write_config(tmp_path, seen.port)
        running = Running(tmp_path, [])
        try:
            running.wait_ready()
            for host in ODD:
                raw = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\nGET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n"
                assert statuses(answered(running.port, raw.encode("latin-1"))) == [400], host
            for lines in ("", "Host: gate\r\nHost: gate\r\n", "Host: gate\r\nHost: other\r\n"):
                assert statuses(answered(running.port, f"GET /healthz HTTP/1.1\r\n{lines}\r\n".encode())) == [400]
            for host in VALID:
                raw = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                assert statuses(answered(running.port, raw.encode())) == [200], host
                raw = f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                assert statuses(answered(running.port, raw.encode())) == [401], host
        finally:
            running.close()


@pytest.mark.parametrize("host", VALID)
@pytest.mark.parametrize("line", list(PLAYS))
async def test_what_is_judged_is_what_is_sent_whatever_the_host(host: str, line: str) -> None:
    rules = (Rule("open", "allow", Selector(resources=("api/crm/GET/open",))),)
    world = World(settings(policies=rules))
    caller = await world.plays(line, b"", Reply(200, b"{}"), Host=host)
    assert caller.status == PLAYS[line]
    sent = [head for head, _ in world.network.sent]
    assert [head.split(b"\r\n")[0] for head in sent] == ([b"GET /v2/open HTTP/1.1"] if caller.status == 200 else [])
    assert all(b"Host: crm.example.com\r\n" in head for head in sent)
